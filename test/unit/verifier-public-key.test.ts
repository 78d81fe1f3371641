import { readFileSync } from 'node:fs';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { keyId } from '../../enclave/core/key-id.ts';
import { jwkMembers, thumbprint } from '../../src/verifier/public-key.ts';
import { readSubjectPublicKeyInfo } from '../../enclave/wire/x509/public-key.ts';
import { DerError } from '../../enclave/wire/x509/der.ts';

const spki = (key: KeyObject): Uint8Array =>
  Uint8Array.from(key.export({ type: 'spki', format: 'der' }));

async function kid(key: Uint8Array): Promise<string | undefined> {
  const jwk = jwkMembers(readSubjectPublicKeyInfo(key));
  return jwk === undefined ? undefined : thumbprint(jwk);
}

const ec = (namedCurve: string): Uint8Array =>
  spki(generateKeyPairSync('ec', { namedCurve }).publicKey);

const KINDS: readonly [string, () => Uint8Array, readonly string[]][] = [
  ['P-256', () => ec('P-256'), ['ES256']],
  ['P-384', () => ec('P-384'), ['ES384']],
  ['P-521', () => ec('P-521'), ['ES512']],
  ['Ed25519', () => spki(generateKeyPairSync('ed25519').publicKey), ['EdDSA']],
  [
    'RSA',
    () => spki(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey),
    ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ],
  ['ML-DSA-44', () => spki(generateKeyPairSync('ml-dsa-44').publicKey), ['ML-DSA-44']],
  ['ML-DSA-65', () => spki(generateKeyPairSync('ml-dsa-65').publicKey), ['ML-DSA-65']],
  ['ML-DSA-87', () => spki(generateKeyPairSync('ml-dsa-87').publicKey), ['ML-DSA-87']],
];

describe('thumbprints', () => {
  test.each(KINDS)('%s: as the enclave computes it', async (_, make, algs) => {
    const key = make();

    expect(await kid(key)).toBe(keyId(key));
    expect(jwkMembers(readSubjectPublicKeyInfo(key))?.algs).toEqual(algs);
  });

  interface Vector {
    readonly id: string;
    readonly input: { readonly spki: string };
    readonly expect: string;
    readonly output?: { readonly kid: string };
  }
  const file = new URL('../vectors/key-id.json', import.meta.url);
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Vector[] };
  const known = cases.filter((one) => one.expect === 'accept');

  test.each(known.map((one) => [one.id, one] as const))(
    'vector %s',
    async (_, { input, output }) => {
      expect(await kid(Uint8Array.from(Buffer.from(input.spki, 'hex')))).toBe(output?.kid);
    },
  );
});

describe('no key of ours', () => {
  const p256 = ec('P-256');
  const compressed = Buffer.concat([
    Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
    Uint8Array.of(2),
    p256.subarray(-64, -32),
  ]);

  test.each<[string, Uint8Array]>([
    ['X25519', spki(generateKeyPairSync('x25519').publicKey)],
    ['Ed448', spki(generateKeyPairSync('ed448').publicKey)],
    ['secp256k1', ec('secp256k1')],
    ['a compressed point', compressed],
    [
      'Ed25519 with parameters',
      Buffer.concat([Buffer.from('302c300706032b65700500032100', 'hex'), new Uint8Array(32)]),
    ],
    [
      'Ed25519 of 31 bytes',
      Buffer.concat([Buffer.from('3029300506032b6570032000', 'hex'), new Uint8Array(31)]),
    ],
    [
      'RSA without parameters',
      Buffer.from('301b300b06092a864886f70d010101030c003009020400ffffff020103', 'hex'),
    ],
  ])('%s has no thumbprint', async (_, key) => {
    expect(await kid(key)).toBeUndefined();
  });

  test.each<[string, Uint8Array]>([
    ['no bytes', new Uint8Array(0)],
    ['a missing byte', p256.subarray(0, -1)],
    ['a byte too many', Buffer.concat([p256, Uint8Array.of(0)])],
    ['16 KiB', new Uint8Array(16_384)],
  ])('%s can’t be read', (_, key) => {
    expect(() => readSubjectPublicKeyInfo(key)).toThrow(DerError);
  });
});
