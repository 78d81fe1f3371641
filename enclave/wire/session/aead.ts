/**
 * The AEAD that seals records. Synchronous on purpose: the number of a record is taken, and that of an arriving one
 * marked, without anything in between. `nodeAead` is the one for Node; where there is no node:crypto, another
 * implementation of `Aead` takes its place.
 */
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { SUITES, type SuiteNumber } from './suites.ts';

/** One key, either AEAD of RFC 9180 §7.3 with 12 bytes of nonce and 16 of tag. */
export interface Aead {
  /** Ciphertext ‖ tag. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Undefined for what does not open. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

export const TAG_BYTES = 16;

/** @param key 32 bytes; overwritten here, OpenSSL holds the only copy then */
export function nodeAead(suite: SuiteNumber, key: Uint8Array): Aead {
  const secret = createSecretKey(key);
  key.fill(0);
  // Both are AEADs of one shape; the types know each by its own overload.
  const cipher = SUITES[suite].recordCipher as 'chacha20-poly1305';
  const options = { authTagLength: TAG_BYTES };
  return {
    seal(nonce, aad, plaintext) {
      const sealing = createCipheriv(cipher, secret, nonce, options);
      sealing.setAAD(aad, { plaintextLength: plaintext.byteLength });
      const sealed = new Uint8Array(plaintext.byteLength + TAG_BYTES);
      sealed.set(sealing.update(plaintext));
      sealing.final();
      sealed.set(sealing.getAuthTag(), plaintext.byteLength);
      return sealed;
    },
    open(nonce, aad, sealed) {
      const plaintextLength = sealed.byteLength - TAG_BYTES;
      const opening = createDecipheriv(cipher, secret, nonce, options);
      opening.setAAD(aad, { plaintextLength });
      opening.setAuthTag(sealed.subarray(plaintextLength));
      const plaintext = opening.update(sealed.subarray(0, plaintextLength));
      try {
        opening.final();
      } catch {
        return undefined;
      }
      return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
    },
  };
}
