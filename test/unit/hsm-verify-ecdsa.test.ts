/** ECDSA signatures of a token before release, over a digest alone; @noble/curves is the second opinion. */
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { createHash, createPublicKey, randomBytes, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyForKnownMessage, KNOWN_MESSAGE } from '../../enclave/hsm/verify-ecdsa.ts';
import { checkTokenSignature, parsePublicKey } from '../../enclave/hsm/verify-signature.ts';
import { ALGORITHMS } from '../../enclave/wire/algorithm.ts';
import { runs } from '../support/runs.ts';

const CURVES = { 'P-256': p256, 'P-384': p384, 'P-521': p521 } as const;
const ROUNDS = runs(15).numRuns ?? 0;

function toBytes(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
}
const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

describe.each(['ES256', 'ES384', 'ES512'] as const)('%s before release', (algorithm) => {
  const row = ALGORITHMS[algorithm];
  const length = row.coordinateBytes;
  const curve = CURVES[row.curve];
  const order = curve.Point.Fn.ORDER;
  const modulo = (value: bigint): bigint => curve.Point.Fn.create(value);
  const inverse = (value: bigint): bigint => curve.Point.Fn.inv(value);
  const known = createHash(row.hash).update(KNOWN_MESSAGE).digest();

  function keyOf(secret: bigint): { readonly key: KeyObject; readonly point: Uint8Array } {
    const point = curve.Point.BASE.multiply(secret).toBytes(false);
    const [x, y] = [point.subarray(1, 1 + length), point.subarray(1 + length)].map((half) =>
      Buffer.from(half).toString('base64url'),
    );
    const jwk = { kty: 'EC', crv: row.curve, x: x ?? '', y: y ?? '' };
    const spki = createPublicKey({ key: jwk, format: 'jwk' }).export({
      format: 'der',
      type: 'spki',
    });
    return { key: parsePublicKey(algorithm, spki), point };
  }

  /** FIPS 186-5 §6.4.1 with a nonce of our choice. */
  function sign(secret: bigint, digest: Uint8Array, nonce: bigint): Buffer {
    const r = modulo(curve.Point.BASE.multiply(nonce).x);
    const s = modulo(inverse(nonce) * (toNumber(digest) + r * secret));
    return Buffer.concat([toBytes(r, length), toBytes(s, length)]);
  }

  const secret = modulo(toNumber(randomBytes(length)));
  const { key, point } = keyOf(secret);
  const randomNonce = (): bigint => modulo(toNumber(randomBytes(length - 1))) + 1n;

  /** Our answer, after it was compared with noble's. */
  async function accepts(digest: Uint8Array, signature: Uint8Array): Promise<boolean> {
    const ours = await checkTokenSignature(algorithm, key, digest, signature);
    let theirs = false;
    try {
      theirs = curve.verify(signature, digest, point, { prehash: false, lowS: false });
    } catch {
      // A length or a range that it does not take.
    }
    expect(ours).toBe(theirs);
    return ours;
  }

  it('a good signature passes, one over another digest does not', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const digest = randomBytes(row.digestBytes);
      const signature = sign(secret, digest, randomNonce());
      expect(await accepts(digest, signature)).toBe(true);
      digest[round % digest.length] = (digest[round % digest.length] ?? 0) ^ (1 << (round % 8));
      expect(await accepts(digest, signature)).toBe(false);
    }
  });

  it('any changed bit fails', async () => {
    const digest = randomBytes(row.digestBytes);
    const good = sign(secret, digest, randomNonce());
    for (let index = 0; index < good.length; index += 7) {
      const bad = Buffer.from(good);
      bad[index] = (bad[index] ?? 0) ^ (1 << (index % 8));
      expect(await accepts(digest, bad)).toBe(false);
    }
  });

  it('the signature of another key fails', async () => {
    const digest = randomBytes(row.digestBytes);
    const other = modulo(secret + 1n);
    expect(await accepts(digest, sign(other, digest, randomNonce()))).toBe(false);
    // The mirrored key has the same x coordinate.
    expect(await accepts(digest, sign(order - secret, digest, randomNonce()))).toBe(false);
  });

  it.each([
    ['of zeros', Buffer.alloc(row.digestBytes)],
    ['of ones', Buffer.alloc(row.digestBytes, 0xff)],
    ['that equals the hash of the known message', known],
    ['one above it', toBytes(toNumber(known) + 1n, row.digestBytes)],
    ['near the order', toBytes(order - 1n, length).subarray(-row.digestBytes)],
  ])('a digest %s is a digest', async (_name, digest) => {
    const signature = sign(secret, digest, randomNonce());
    expect(await accepts(digest, signature)).toBe(true);
    expect(await accepts(randomBytes(row.digestBytes), signature)).toBe(false);
  });

  it.each([1n, 2n, 3n, order - 1n])('a nonce of %d makes a good signature too', async (nonce) => {
    const digest = randomBytes(row.digestBytes);
    expect(await accepts(digest, sign(secret, digest, nonce))).toBe(true);
  });

  it('numbers out of range and wrong lengths fail', async () => {
    const digest = randomBytes(row.digestBytes);
    const good = sign(secret, digest, randomNonce());
    const [r, s] = [good.subarray(0, length), good.subarray(length)];
    const numbers = [0n, order, order + 1n].map((value) => toBytes(value, length));
    for (const wrong of [...numbers, Buffer.alloc(length, 0xff)]) {
      expect(await accepts(digest, Buffer.concat([wrong, s]))).toBe(false);
      expect(await accepts(digest, Buffer.concat([r, wrong]))).toBe(false);
      expect(await accepts(digest, Buffer.concat([wrong, wrong]))).toBe(false);
    }
    for (const wrong of [0, 1, good.length - 1, good.length + 1, 2 * good.length]) {
      const bytes = Buffer.alloc(wrong, good);
      expect(await checkTokenSignature(algorithm, key, digest, bytes)).toBe(false);
    }
    // s and −s are both signatures (§6.4.2 looks at x alone).
    const mirrored = Buffer.concat([r, toBytes(order - toNumber(s), length)]);
    expect(await accepts(digest, mirrored)).toBe(true);
  });

  it('a shift onto the key itself is refused, which only its holder can bring about', () => {
    const r = modulo(curve.Point.BASE.multiply(5n).x);
    for (const factor of [secret, order - secret]) {
      const digest = modulo(toNumber(known) + r * factor);
      if (digest >> BigInt(8 * row.digestBytes) !== 0n) continue;
      const shifted = keyForKnownMessage(
        row,
        key,
        toBytes(digest, row.digestBytes),
        toBytes(r, length),
      );
      expect(shifted).toBeUndefined();
    }
  });

  it('with the message at hand the answer is the same', async () => {
    const message = randomBytes(1_000);
    const digest = createHash(row.hash).update(message).digest();
    const good = sign(secret, digest, randomNonce());
    expect(await checkTokenSignature(algorithm, key, digest, good, message)).toBe(true);
    const other = Buffer.concat([message, message]);
    expect(await checkTokenSignature(algorithm, key, digest, good, other)).toBe(false);
    const foreign = sign(secret + 1n, digest, randomNonce());
    expect(await checkTokenSignature(algorithm, key, digest, foreign, message)).toBe(false);
  });
});
