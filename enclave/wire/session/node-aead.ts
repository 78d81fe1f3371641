/** The AEAD of records over node:crypto. */
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { TAG_BYTES, type Aead } from './aead.ts';
import { SUITES, type SuiteNumber } from './suites.ts';

/** @param key 32 bytes; overwritten here, OpenSSL holds the only copy then */
export function nodeAead(suite: SuiteNumber, key: Uint8Array): Aead {
  const secret = createSecretKey(key);
  key.fill(0);
  // Both are AEADs of one shape; the types know each by its own overload.
  const cipher = SUITES[suite].recordCipher as 'chacha20-poly1305';
  const options = { authTagLength: TAG_BYTES };
  return {
    seal(nonce, aad, plaintext, sealed) {
      const sealing = createCipheriv(cipher, secret, nonce, options);
      sealing.setAAD(aad, { plaintextLength: plaintext.byteLength });
      sealed.set(sealing.update(plaintext));
      sealing.final();
      sealed.set(sealing.getAuthTag(), plaintext.byteLength);
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
