import { constants, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ALGORITHMS, algorithmRow } from '../../enclave/wire/algorithm.ts';
import type { AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { algorithmFits, algorithmsOf, startCheck } from '../../src/client/signature-check.ts';
import type { EcdsaEncoding } from '../../src/client/signature-check.ts';

const names = Object.keys(ALGORITHMS) as AlgorithmName[];
const MESSAGE = Buffer.from('a message, in two chunks');

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

function draw(name: AlgorithmName): Pair {
  const row = algorithmRow(name);
  switch (row.family) {
    case 'ecdsa':
      return generateKeyPairSync('ec', { namedCurve: row.curve });
    case 'eddsa':
      return generateKeyPairSync('ed25519');
    case 'rsa-pkcs1':
    case 'rsa-pss':
      return rsa;
    case 'ml-dsa':
      return generateKeyPairSync(row.parameterSet);
  }
}

const PAIRS = Object.fromEntries(names.map((name) => [name, draw(name)])) as Record<
  AlgorithmName,
  Pair
>;

function signed(name: AlgorithmName, encoding: EcdsaEncoding, saltLength?: number): Uint8Array {
  const row = algorithmRow(name);
  const key = PAIRS[name].privateKey;
  switch (row.family) {
    case 'ecdsa':
      return sign(row.hash, MESSAGE, {
        key,
        dsaEncoding: encoding === 'der' ? 'der' : 'ieee-p1363',
      });
    case 'rsa-pss':
      return sign(row.hash, MESSAGE, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: saltLength ?? row.digestBytes,
      });
    case 'rsa-pkcs1':
      return sign(row.hash, MESSAGE, key);
    case 'eddsa':
    case 'ml-dsa':
      return sign(null, MESSAGE, key);
  }
}

function accepts(
  name: AlgorithmName,
  signature: Uint8Array,
  {
    encoding = 'der',
    message = MESSAGE,
    key = PAIRS[name].publicKey,
  }: { encoding?: EcdsaEncoding; message?: Uint8Array; key?: KeyObject } = {},
): boolean {
  const check = startCheck(name, key, encoding);
  check.update(message.subarray(0, 7));
  check.update(message.subarray(7));
  return check.accepts(signature);
}

describe.each(names)('%s', (name) => {
  const isEcdsa = algorithmRow(name).family === 'ecdsa';
  const signature = signed(name, 'der');

  test('accepts its own signature, whatever the chunks', () => {
    expect(accepts(name, signature)).toBe(true);
    expect(accepts(name, signed(name, 'p1363'), { encoding: 'p1363' })).toBe(true);
  });

  test('refuses another message, another key and changed bytes', () => {
    const changed = Uint8Array.from(signature);
    changed[changed.byteLength - 1] = (changed.at(-1) ?? 0) ^ 1;
    const other = algorithmRow(name).family.startsWith('rsa')
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : draw(name);
    expect(accepts(name, signature, { message: Buffer.from('a message, in two chunkz') })).toBe(
      false,
    );
    expect(accepts(name, signature, { key: other.publicKey })).toBe(false);
    expect(accepts(name, changed)).toBe(false);
  });

  test.each([0, 1, 10])('refuses %i bytes, without an exception', (length) => {
    expect(accepts(name, signature.subarray(0, length))).toBe(false);
  });

  test('refuses trailing bytes', () => {
    expect(accepts(name, Buffer.concat([signature, Buffer.of(0)]))).toBe(false);
  });

  test.runIf(isEcdsa)('refuses the other encoding', () => {
    expect(accepts(name, signature, { encoding: 'p1363' })).toBe(false);
    expect(accepts(name, signed(name, 'p1363'))).toBe(false);
  });

  test.runIf(algorithmRow(name).family === 'rsa-pss')(
    'refuses another salt length (RFC 7518 §3.5)',
    () => {
      expect(accepts(name, signed(name, 'der', 20))).toBe(false);
      expect(accepts(name, signed(name, 'der', 0))).toBe(false);
    },
  );

  test('fits its own key and no other type', () => {
    for (const other of names) {
      const same = PAIRS[other] === PAIRS[name] || other === name;
      expect(algorithmFits(name, PAIRS[other].publicKey), other).toBe(same);
    }
  });
});

test('RSA keys serve six algorithms, all others one', () => {
  expect(algorithmsOf(rsa.publicKey)).toEqual([
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
  ]);
  expect(algorithmsOf(PAIRS['ML-DSA-65'].publicKey)).toEqual(['ML-DSA-65']);
});

test('keys of no algorithm of ours fit none', () => {
  expect(algorithmsOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)).toEqual(
    [],
  );
  expect(algorithmsOf(createPublicKey(generateKeyPairSync('x25519').privateKey))).toEqual([]);
});
