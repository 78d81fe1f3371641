import {
  constants,
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  verify,
  type KeyObject,
} from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { p1363ToDer } from '../../enclave/core/ecdsa-form.ts';
import { EnclaveSigningKey, generateEnclaveKey } from '../../enclave/core/enclave-key.ts';
import { signPrehashed } from '../../enclave/core/prehashed-ecdsa.ts';
import { digestInfo, pssEncode } from '../../enclave/core/rsa-padding.ts';
import {
  algorithmRow,
  ALGORITHMS,
  type AlgorithmName,
  type EcdsaRow,
} from '../../enclave/wire/algorithm.ts';
import { fromHex, toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { SeededEntropy } from '../support/fakes/entropy.ts';

const names = Object.keys(ALGORITHMS) as AlgorithmName[];
const entropy = new SeededEntropy('enclave-key');
const OPENSSL_CURVES = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' } as const;
const message = utf8('a message');
const rsaKey = generateEnclaveKey('RS256');

/** Six RSA keys would take longer than all other tests of this file. */
async function keyFor(algorithm: AlgorithmName): Promise<EnclaveSigningKey> {
  const rsa = algorithmRow(algorithm).family.startsWith('rsa');
  const pkcs8 = rsa ? Uint8Array.from(await rsaKey) : await generateEnclaveKey(algorithm);
  return new EnclaveSigningKey(algorithm, pkcs8, entropy);
}

/** As node:crypto sees it: an implementation that is not ours. */
function verifies(
  algorithm: AlgorithmName,
  publicKey: Uint8Array,
  signature: Uint8Array,
  text = message,
): boolean {
  const row = algorithmRow(algorithm);
  const key: KeyObject = createPublicKey({
    key: Buffer.from(publicKey),
    format: 'der',
    type: 'spki',
  });
  const hash = 'hash' in row ? row.hash : null;
  if (row.family !== 'rsa-pss') return verify(hash, text, key, signature);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verify(hash, text, { key, padding, saltLength: row.digestBytes }, signature);
}

describe.each(names)('%s', (algorithm) => {
  const row = algorithmRow(algorithm);

  test('signs a message that node:crypto verifies', async () => {
    const key = await keyFor(algorithm);
    const signature = await key.sign({ digest: undefined, message }, 'der');
    expect(verifies(algorithm, key.publicKey(), signature)).toBe(true);
    expect(verifies(algorithm, key.publicKey(), signature, utf8('a messagf'))).toBe(false);
  });

  test('signs a digest as if it had hashed the message, or refuses', async () => {
    const key = await keyFor(algorithm);
    if (!('hash' in row)) {
      expect(() => key.sign({ digest: new Uint8Array(32), message: undefined }, 'der')).toThrow(
        TypeError,
      );
      return;
    }
    const digest = createHash(row.hash).update(message).digest();
    const signature = await key.sign({ digest, message: undefined }, 'der');
    expect(verifies(algorithm, key.publicKey(), signature)).toBe(true);
  });

  test('signs nothing when there is nothing', async () => {
    const key = await keyFor(algorithm);
    expect(() => key.sign({ digest: undefined, message: undefined }, 'der')).toThrow(TypeError);
  });

  test('overwrites the PKCS#8 that it was made of, and shows no material', async () => {
    const pkcs8 = await generateEnclaveKey(algorithm === 'RS256' ? 'ES256' : 'EdDSA');
    const key = new EnclaveSigningKey('ES256', pkcs8, entropy);
    expect(pkcs8.every((byte) => byte === 0)).toBe(true);
    expect(Object.keys(key)).toEqual([]);
    expect(JSON.stringify(key)).toBe('{}');
  });
});

describe.each(['ES256', 'ES384', 'ES512'] as const)('%s in P1363', (algorithm) => {
  const row = ALGORITHMS[algorithm];

  test('is the DER form by another name', async () => {
    const key = await keyFor(algorithm);
    const digest = createHash(row.hash).update(message).digest();
    for (const input of [
      { digest: undefined, message },
      { digest, message: undefined },
    ]) {
      const signature = await key.sign(input, 'p1363');
      expect(signature).toHaveLength(2 * row.coordinateBytes);
      expect(verifies(algorithm, key.publicKey(), p1363ToDer(signature))).toBe(true);
    }
  });

  test('takes the scalar whatever its leading bytes are', async () => {
    // One key in 256 has a scalar that begins with a zero byte: it must not be read one byte off.
    const bytes = row.coordinateBytes;
    const scalar = Buffer.alloc(bytes, 0x5a).fill(0, 0, 3);
    const ecdh = createECDH(OPENSSL_CURVES[algorithm]);
    ecdh.setPrivateKey(scalar);
    const point = ecdh.getPublicKey();
    const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)];
    const base64url = (part: Buffer): string => part.toString('base64url');
    const jwk = {
      kty: 'EC',
      crv: row.curve,
      x: base64url(x),
      y: base64url(y),
      d: base64url(scalar),
    };
    const pkcs8 = createPrivateKey({ key: jwk, format: 'jwk' }).export({
      format: 'der',
      type: 'pkcs8',
    });
    const key = new EnclaveSigningKey(algorithm, pkcs8, entropy);
    const digest = createHash(row.hash).update(message).digest();
    const signature = await key.sign({ digest, message: undefined }, 'der');
    expect(verifies(algorithm, key.publicKey(), signature)).toBe(true);
  });
});

test('a key of another curve is not read as a scalar', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const row: EcdsaRow = ALGORITHMS.ES256;
  expect(() => signPrehashed(row, privateKey, new Uint8Array(32), new Uint8Array(32))).toThrow(
    TypeError,
  );
});

test('two digests never share a nonce', async () => {
  const key = await keyFor('ES256');
  const digest = new Uint8Array(32).fill(7);
  const one = await key.sign({ digest, message: undefined }, 'p1363');
  const two = await key.sign({ digest, message: undefined }, 'p1363');
  // Added entropy: the same digest under the same key gives another r.
  expect(toHex(one.subarray(0, 32))).not.toBe(toHex(two.subarray(0, 32)));
});

describe('RSA encodings', () => {
  test('DigestInfo names its hash (RFC 8017 §9.2 note 1)', () => {
    expect(toHex(digestInfo('sha256', new Uint8Array(32)))).toBe(
      `3031300d060960864801650304020105000420${'00'.repeat(32)}`,
    );
    expect(digestInfo('sha384', new Uint8Array(48))).toHaveLength(19 + 48);
    expect(digestInfo('sha512', new Uint8Array(64))).toHaveLength(19 + 64);
  });

  test.each(['sha256', 'sha384', 'sha512'] as const)('EMSA-PSS has its marks (%s)', (hash) => {
    const digest = createHash(hash).update(message).digest();
    const salt = new Uint8Array(digest.byteLength).fill(0x5a);
    const encoded = pssEncode(hash, digest, salt, 256);
    expect(encoded).toHaveLength(256);
    expect((encoded[0] ?? 0xff) & 0x80).toBe(0);
    expect(encoded[255]).toBe(0xbc);
    expect(toHex(pssEncode(hash, digest, salt, 256))).toBe(toHex(encoded));
    expect(toHex(pssEncode(hash, digest, fromHex('11').slice(0, 0), 256))).not.toBe(toHex(encoded));
  });
});
