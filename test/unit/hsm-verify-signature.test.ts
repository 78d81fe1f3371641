import {
  constants,
  createHash,
  generateKeyPairSync,
  privateEncrypt,
  randomBytes,
  sign,
} from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeSelfTest } from '../../enclave/hsm/self-test.ts';
import { checkTokenSignature, parsePublicKey } from '../../enclave/hsm/verify-signature.ts';
import { algorithmRow, type AlgorithmName } from '../../enclave/wire/algorithm.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaOther = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaSmall = generateKeyPairSync('rsa', { modulusLength: 1024 });
const ed = generateKeyPairSync('ed25519');
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const spki = (pair: {
  publicKey: { export(o: { format: 'der'; type: 'spki' }): Buffer };
}): Buffer => pair.publicKey.export({ format: 'der', type: 'spki' });

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;
const message = Buffer.from('message');

function hashOf(algorithm: AlgorithmName): 'sha256' | 'sha384' | 'sha512' {
  const row = algorithmRow(algorithm);
  if (!('hash' in row)) throw new TypeError('no hash');
  return row.hash;
}
const digestOf = (algorithm: AlgorithmName): Buffer =>
  createHash(hashOf(algorithm)).update(message).digest();
const padding = (algorithm: AlgorithmName, saltLength?: number): object =>
  algorithm.startsWith('PS')
    ? {
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: saltLength ?? constants.RSA_PSS_SALTLEN_DIGEST,
      }
    : {};

describe.each(RSA)('%s before release', (algorithm) => {
  const key = parsePublicKey(algorithm, spki(rsa));
  const digest = digestOf(algorithm);
  const good = sign(hashOf(algorithm), message, { key: rsa.privateKey, ...padding(algorithm) });

  it('a good signature passes', async () => {
    expect(await checkTokenSignature(algorithm, key, digest, good)).toBe(true);
  });

  it('any changed byte fails', async () => {
    for (let index = 0; index < good.length; index += 17) {
      const bad = Buffer.from(good);
      bad[index] = (bad[index] ?? 0) ^ 1;
      expect(await checkTokenSignature(algorithm, key, digest, bad)).toBe(false);
    }
  });

  it('another digest, another key, another length fail', async () => {
    expect(await checkTokenSignature(algorithm, key, randomBytes(digest.length), good)).toBe(false);
    expect(
      await checkTokenSignature(algorithm, parsePublicKey(algorithm, spki(rsaOther)), digest, good),
    ).toBe(false);
    for (const length of [0, 1, 255, 257])
      expect(await checkTokenSignature(algorithm, key, digest, Buffer.alloc(length))).toBe(false);
    expect(await checkTokenSignature(algorithm, key, digest, Buffer.alloc(256))).toBe(false);
    expect(await checkTokenSignature(algorithm, key, digest, Buffer.alloc(256, 0xff))).toBe(false);
  });

  it('the other padding and the other hashes fail', async () => {
    for (const other of RSA.filter((name) => name !== algorithm)) {
      const signature = sign(hashOf(other), message, { key: rsa.privateKey, ...padding(other) });
      expect(await checkTokenSignature(algorithm, key, digest, signature)).toBe(false);
    }
  });
});

describe('RSA encodings', () => {
  it.each([0, 20, 31, 33])('PSS with a salt of %d bytes fails', async (saltLength) => {
    const signature = sign('sha256', message, {
      key: rsa.privateKey,
      ...padding('PS256', saltLength),
    });
    expect(
      await checkTokenSignature(
        'PS256',
        parsePublicKey('PS256', spki(rsa)),
        digestOf('PS256'),
        signature,
      ),
    ).toBe(false);
  });

  it('PKCS #1 over a bare digest, without DigestInfo, fails', async () => {
    const key = { key: rsa.privateKey, padding: constants.RSA_PKCS1_PADDING };
    const signature = privateEncrypt(key, digestOf('RS256'));
    expect(
      await checkTokenSignature(
        'RS256',
        parsePublicKey('RS256', spki(rsa)),
        digestOf('RS256'),
        signature,
      ),
    ).toBe(false);
  });
});

describe('the others before release', () => {
  it('EdDSA is verified', async () => {
    const key = parsePublicKey('EdDSA', spki(ed));
    const good = sign(null, message, ed.privateKey);
    expect(await checkTokenSignature('EdDSA', key, message, good)).toBe(true);
    expect(await checkTokenSignature('EdDSA', key, Buffer.from('massage'), good)).toBe(false);
    expect(await checkTokenSignature('EdDSA', key, message, good.subarray(1))).toBe(false);
    expect(await checkTokenSignature('EdDSA', key, message, Buffer.alloc(64))).toBe(false);
  });

  it('ML-DSA does not come from a token', async () => {
    expect(
      await checkTokenSignature(
        'ML-DSA-44',
        parsePublicKey('ES256', spki(p256)),
        message,
        Buffer.alloc(2420),
      ),
    ).toBe(false);
  });
});

describe('a public key is one of its algorithm', () => {
  it.each([
    ['ES256', p384],
    ['ES384', p256],
    ['ES256', rsa],
    ['ES256', ed],
    ['EdDSA', p256],
    ['RS256', rsaSmall],
    ['PS256', ed],
    ['ML-DSA-44', rsa],
  ] as const)('%s refuses another: %#', (algorithm, pair) => {
    expect(() => parsePublicKey(algorithm, spki(pair))).toThrow(RangeError);
  });

  it('refuses what is not a key, and a point that is not on the curve', () => {
    expect(() => parsePublicKey('ES256', randomBytes(91))).toThrow();
    expect(() => parsePublicKey('ES256', new Uint8Array(0))).toThrow();
    const off = Buffer.from(spki(p256));
    off[off.length - 1] = (off.at(-1) ?? 0) ^ 1;
    expect(() => parsePublicKey('ES256', off)).toThrow();
  });
});

describe('the self-test', () => {
  it('accepts a signature of the recorded key and of no other', () => {
    const test = makeSelfTest('EdDSA');
    const signature = sign(null, test.input, ed.privateKey);
    expect(test.accepts(spki(ed), signature)).toBe(true);
    expect(test.accepts(spki(generateKeyPairSync('ed25519')), signature)).toBe(false);
    expect(makeSelfTest('EdDSA').accepts(spki(ed), signature)).toBe(false);
    expect(test.accepts(new Uint8Array(3), signature)).toBe(false);
    expect(test.accepts(spki(ed), new Uint8Array(0))).toBe(false);
  });
});
