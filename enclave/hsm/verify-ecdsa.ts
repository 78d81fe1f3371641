/**
 * ECDSA over a given digest, verified by node:crypto, which only verifies what it hashed itself.
 *
 * A signature (r, s) over a digest e holds under the public key Q when r is the x coordinate of (e/s)·G + (r/s)·Q
 * (FIPS 186-5 §6.4.2). Let h be the hash of a message that we know, and t = (e − h)/r. Then that point is also
 * (h/s)·G + (r/s)·(Q + t·G): the signature holds over e under Q exactly when it holds over our message under Q + t·G.
 * OpenSSL multiplies the base point, verifies, and checks that s is in range; left are one inverse and one addition of
 * points. Everything here is public. Costs beside the alternatives: docs/ARCHITECTURE.md, "Decisions".
 */
import { createECDH, createPublicKey, hash as hashOf, type KeyObject } from 'node:crypto';
import type { EcdsaRow } from '../wire/algorithm.ts';

/** The message that we know. */
export const KNOWN_MESSAGE = new Uint8Array(0);

/** SP 800-186 §3.2.1: the field's prime and the order of the base point. */
const CURVES = {
  'P-256': {
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    ecdh: createECDH('prime256v1'),
  },
  'P-384': {
    prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    order:
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    ecdh: createECDH('secp384r1'),
  },
  'P-521': {
    prime: 2n ** 521n - 1n,
    order:
      0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    ecdh: createECDH('secp521r1'),
  },
} as const;

/**
 * Q + t·G: under this key a signature that begins with `r` holds over {@link KNOWN_MESSAGE} exactly when it holds over
 * `digest` under `key`. undefined when no signature begins so.
 */
export function keyForKnownMessage(
  row: EcdsaRow,
  key: KeyObject,
  digest: Uint8Array,
  r: Uint8Array,
): KeyObject | undefined {
  const { prime, order, ecdh } = CURVES[row.curve];
  const rValue = toNumber(r);
  if (rValue === 0n || rValue >= order) return undefined;
  // A digest is never longer than the order, so it is the number itself (FIPS 186-5 §6.4.2 step 2).
  const known = toNumber(hashOf(row.hash, KNOWN_MESSAGE, 'buffer'));
  const t = modulo((toNumber(digest) - known) * inverse(rValue, order), order);
  if (t === 0n) return key;
  ecdh.setPrivateKey(toBytes(t, row.coordinateBytes));
  const shift = ecdh.getPublicKey();
  const x1 = toNumber(shift.subarray(1, 1 + row.coordinateBytes));
  const y1 = toNumber(shift.subarray(1 + row.coordinateBytes));
  const { x: x2, y: y2 } = coordinatesOf(key);
  // Q = ±t·G: whoever finds such an r knows the private key.
  if (x1 === x2) return undefined;
  const slope = modulo((y1 - y2) * inverse(modulo(x1 - x2, prime), prime), prime);
  const x = modulo(slope * slope - x1 - x2, prime);
  const y = modulo(slope * (x2 - x) - y2, prime);
  const text = (value: bigint): string => toBytes(value, row.coordinateBytes).toString('base64url');
  return createPublicKey({
    key: { kty: 'EC', crv: row.curve, x: text(x), y: text(y) },
    format: 'jwk',
  });
}

function coordinatesOf(key: KeyObject): { readonly x: bigint; readonly y: bigint } {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return { x: toNumber(Buffer.from(x, 'base64url')), y: toNumber(Buffer.from(y, 'base64url')) };
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(
    `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`,
  );
}

function toBytes(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
}

function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

/** Of a number from 1 to modulus − 1, modulo a prime (extended Euclid). */
function inverse(value: bigint, modulus: bigint): bigint {
  let [previous, current] = [modulus, value];
  let [previousFactor, factor] = [0n, 1n];
  while (current > 1n) {
    const quotient = previous / current;
    [previous, current] = [current, previous - quotient * current];
    [previousFactor, factor] = [factor, previousFactor - quotient * factor];
  }
  return modulo(factor, modulus);
}
