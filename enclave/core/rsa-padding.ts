/**
 * RSA encodings over a digest that is already computed (RFC 8017 §9). node:crypto pads only what it
 * hashed itself, so the two encodings stand here; the RSA operation stays OpenSSL's.
 */
import { createHash } from 'node:crypto';
import type { HashName } from '../wire/algorithm.ts';
import { concatBytes, fromHex, u32 } from '../wire/bytes.ts';

// RFC 8017 §9.2 note 1: DER of DigestInfo up to the digest.
const DIGEST_INFO: Readonly<Record<HashName, Uint8Array>> = {
  sha256: fromHex('3031300d060960864801650304020105000420'),
  sha384: fromHex('3041300d060960864801650304020205000430'),
  sha512: fromHex('3051300d060960864801650304020305000440'),
};

/** T of EMSA-PKCS1-v1_5. */
export function digestInfo(hash: HashName, digest: Uint8Array): Uint8Array {
  return concatBytes(DIGEST_INFO[hash], digest);
}

function hashOf(hash: HashName, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHash(hash);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** MGF1 (RFC 8017 B.2.1). */
function mask(hash: HashName, seed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let counter = 0;
  for (let at = 0; at < length; counter += 1) {
    const block = hashOf(hash, seed, u32(counter));
    out.set(block.subarray(0, length - at), at);
    at += block.byteLength;
  }
  return out;
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] ?? 0));
}

const EIGHT_ZEROS = new Uint8Array(8);

/** EMSA-PSS-ENCODE (RFC 8017 §9.1.1) for a modulus of a multiple of 8 bits. The salt's length is the hash's. */
export function pssEncode(
  hash: HashName,
  digest: Uint8Array,
  salt: Uint8Array,
  modulusBytes: number,
): Uint8Array {
  const h = hashOf(hash, EIGHT_ZEROS, digest, salt);
  const db = new Uint8Array(modulusBytes - h.byteLength - 1);
  db[db.byteLength - salt.byteLength - 1] = 0x01;
  db.set(salt, db.byteLength - salt.byteLength);
  const masked = xor(db, mask(hash, h, db.byteLength));
  // emBits is modulusBits - 1: the top bit must be clear.
  masked[0] = (masked[0] ?? 0) & 0x7f;
  return concatBytes(masked, h, Uint8Array.of(0xbc));
}
