import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checkCallerSignature } from '../../enclave/core/client-signature.ts';
import { ALGORITHMS, type AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { callerAlgorithm } from '../../enclave/wire/caller-key.ts';
import { signWith } from '../support/session-world.ts';
import { bitFlips, truncations } from '../support/vectors.ts';

/** A second of work, on a machine that has other work too. */
const LOADED_MS = 60_000;

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const KEYS = [
  ['ES256', ec('P-256')],
  ['ES384', ec('P-384')],
  ['ES512', ec('P-521')],
  ['EdDSA', generateKeyPairSync('ed25519')],
  ['PS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
] as const satisfies readonly (readonly [AlgorithmName, { publicKey: KeyObject }])[];

const input = new TextEncoder().encode('what is signed');

describe('the signature of a caller', () => {
  test.each(KEYS)(
    '%s holds, and nothing near it',
    (name, { publicKey, privateKey }) => {
      const { wire } = ALGORITHMS[name];
      const signature = signWith(privateKey, input);
      const holds = (bytes: Uint8Array, algorithm: number = wire): boolean =>
        checkCallerSignature(publicKey, algorithm, input, bytes);
      expect(callerAlgorithm(publicKey)).toBe(name);
      expect(holds(signature)).toBe(true);
      for (const short of truncations(signature)) expect(holds(short)).toBe(false);
      for (const flipped of bitFlips(signature)) expect(holds(flipped)).toBe(false);
      expect(holds(Uint8Array.from([...signature, 0]))).toBe(false);
      for (const other of Object.values(ALGORITHMS)) {
        if (other.wire !== wire) expect(holds(signature, other.wire)).toBe(false);
      }
      expect(holds(signature, 0)).toBe(false);
      expect(checkCallerSignature(publicKey, wire, Uint8Array.of(1), signature)).toBe(false);
    },
    LOADED_MS,
  );

  test('by RSA with PKCS#1 v1.5, or with another salt, does not hold', () => {
    const { publicKey, privateKey } = KEYS[4][1];
    const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING };
    const others = [
      sign('sha256', input, privateKey),
      sign('sha256', input, { ...pss, saltLength: 20 }),
      sign('sha256', input, { ...pss, saltLength: 0 }),
      sign('sha512', input, { ...pss, saltLength: 32 }),
    ];
    for (const signature of others) {
      for (const wire of [ALGORITHMS.PS256.wire, ALGORITHMS.RS256.wire]) {
        expect(checkCallerSignature(publicKey, wire, input, signature)).toBe(false);
      }
    }
  });

  test('by ECDSA in the form r ‖ s does not hold', () => {
    const { publicKey, privateKey: key } = KEYS[0][1];
    const signature = sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' });
    expect(checkCallerSignature(publicKey, ALGORITHMS.ES256.wire, input, signature)).toBe(false);
  });

  test.each([
    ['RSA of 1,024 bits', generateKeyPairSync('rsa', { modulusLength: 1024 })],
    ['RSA for PSS only', generateKeyPairSync('rsa-pss', { modulusLength: 2048 })],
    ['secp256k1', ec('secp256k1')],
    ['Ed448', generateKeyPairSync('ed448')],
    ['X25519', generateKeyPairSync('x25519')],
    ['ML-DSA-44', generateKeyPairSync('ml-dsa-44')],
  ])('a key of %s is no caller’s', (_name, { publicKey }) => {
    expect(callerAlgorithm(publicKey)).toBeUndefined();
    for (const { wire } of Object.values(ALGORITHMS)) {
      expect(checkCallerSignature(publicKey, wire, input, new Uint8Array(64))).toBe(false);
    }
  });
});
