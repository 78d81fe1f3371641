/**
 * The check before a token's signature is released: every one is verified under the public key recorded at birth. A
 * faulty RSA-CRT signature gives the private key away (Boneh, DeMillo, Lipton 1997), a faulty Ed25519 one too (it is
 * deterministic); and nobody should find out at a relying party that an HSM has gone wrong. It is done here and not in
 * the worker, because the worker shares its memory with the vendor's library.
 */
import {
  constants,
  createHash,
  createPublicKey,
  publicDecrypt,
  timingSafeEqual,
  verify,
  type KeyObject,
} from 'node:crypto';
import {
  algorithmRow,
  RSA_MODULUS_BITS,
  type AlgorithmName,
  type EcdsaRow,
  type HashName,
} from '../wire/algorithm.ts';
import { derSequence, derUnsignedInteger } from './der.ts';
import { digestInfo } from './mechanisms.ts';
import { keyForKnownMessage, KNOWN_MESSAGE } from './verify-ecdsa.ts';

const RSA_BYTES = RSA_MODULUS_BITS / 8;
const ED25519_SIGNATURE_BYTES = 64;
const OPENSSL_CURVES = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
} as const;

/** Throws RangeError when the SubjectPublicKeyInfo is not a key of this algorithm; checks that the point is on its curve. */
export function parsePublicKey(algorithm: AlgorithmName, publicKey: Uint8Array): KeyObject {
  const row = algorithmRow(algorithm);
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (!fits()) throw new RangeError(`not a public key for ${algorithm}`);
  return key;

  function fits(): boolean {
    switch (row.family) {
      case 'ecdsa':
        return key.asymmetricKeyType === 'ec' && namedCurve === OPENSSL_CURVES[row.curve];
      case 'eddsa':
        return key.asymmetricKeyType === 'ed25519';
      case 'rsa-pkcs1':
      case 'rsa-pss':
        return key.asymmetricKeyType === 'rsa' && modulusLength === RSA_MODULUS_BITS;
      case 'ml-dsa':
        return false;
    }
  }
}

/**
 * Whether a signature may be released. `input` is what Token.sign was given; `message` is what it is the digest of,
 * where that is known: ECDSA is then verified in half the time. The work is done off the event loop where node:crypto
 * offers it.
 */
export function checkTokenSignature(
  algorithm: AlgorithmName,
  key: KeyObject,
  input: Uint8Array,
  signature: Uint8Array,
  message?: Uint8Array,
): boolean | Promise<boolean> {
  const row = algorithmRow(algorithm);
  switch (row.family) {
    case 'ecdsa':
      return checkEcdsa(row, key, input, signature, message);
    case 'eddsa':
      return signature.length === ED25519_SIGNATURE_BYTES && verified(null, input, key, signature);
    case 'rsa-pkcs1': {
      const recovered = recover(key, signature, constants.RSA_PKCS1_PADDING);
      return recovered !== undefined && sameBytes(recovered, digestInfo(row.hash, input));
    }
    case 'rsa-pss': {
      const encoded = recover(key, signature, constants.RSA_NO_PADDING);
      return encoded !== undefined && checkPss(row.hash, input, encoded);
    }
    case 'ml-dsa':
      return false;
  }
}

function checkEcdsa(
  row: EcdsaRow,
  key: KeyObject,
  digest: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array | undefined,
): boolean | Promise<boolean> {
  if (signature.length !== 2 * row.coordinateBytes) return false;
  const r = signature.subarray(0, row.coordinateBytes);
  const s = signature.subarray(row.coordinateBytes);
  // By hand: with `dsaEncoding` node:crypto takes half as long again.
  const der = derSequence(derUnsignedInteger(r), derUnsignedInteger(s));
  if (message !== undefined) return verified(row.hash, message, key, der);
  const shifted = keyForKnownMessage(row, key, digest, r);
  return shifted !== undefined && verified(row.hash, KNOWN_MESSAGE, shifted, der);
}

function verified(
  hash: HashName | null,
  data: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): Promise<boolean> {
  return new Promise((resolve) => {
    verify(hash, data, key, signature, (error, good) => {
      resolve(error === null && good);
    });
  });
}

function recover(key: KeyObject, signature: Uint8Array, padding: number): Buffer | undefined {
  if (signature.length !== RSA_BYTES) return undefined;
  try {
    return publicDecrypt({ key, padding }, signature);
  } catch {
    return undefined;
  }
}

/**
 * EMSA-PSS-VERIFY (RFC 8017 §9.1.2) over a digest, with MGF1 of the same hash and a salt as long as the digest. The
 * modulus has a whole number of octets, so emBits is one less than 8·emLen.
 */
export function checkPss(hash: HashName, digest: Uint8Array, encoded: Uint8Array): boolean {
  const hashBytes = digest.length;
  const databaseBytes = encoded.length - hashBytes - 1;
  const paddingBytes = databaseBytes - hashBytes - 1;
  const first = encoded[0];
  if (paddingBytes < 0 || first === undefined || first >= 0x80 || encoded.at(-1) !== 0xbc)
    return false;
  const h = encoded.subarray(databaseBytes, databaseBytes + hashBytes);
  const database = mgf1(hash, h, databaseBytes).map((mask, index) => mask ^ (encoded[index] ?? 0));
  database[0] = (database[0] ?? 0) & 0x7f;
  if (!allZero(database.subarray(0, paddingBytes)) || database[paddingBytes] !== 1) return false;
  const salt = database.subarray(paddingBytes + 1);
  return sameBytes(
    h,
    createHash(hash).update(new Uint8Array(8)).update(digest).update(salt).digest(),
  );
}

/** RFC 8017 appendix B.2.1. */
function mgf1(hash: HashName, seed: Uint8Array, length: number): Uint8Array {
  const mask = new Uint8Array(length);
  const counter = new DataView(new ArrayBuffer(4));
  for (let offset = 0, block = 0; offset < length; block++) {
    counter.setUint32(0, block);
    const octets = createHash(hash).update(seed).update(counter).digest();
    mask.set(octets.subarray(0, length - offset), offset);
    offset += octets.length;
  }
  return mask;
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

function allZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
