/**
 * The AEAD that seals records, as a port: node-aead.ts is the one for Node, and where there is no node:crypto another takes
 * its place. Synchronous on purpose: the number of a record is taken, and that of an arriving one marked, without anything
 * in between.
 */

/** One key, either AEAD of RFC 9180 §7.3 with 12 bytes of nonce and 16 of tag. */
export interface Aead {
  /** Writes ciphertext ‖ tag into `sealed`, which is as long as both and may begin where the plaintext does. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, sealed: Uint8Array): void;
  /** Undefined for what does not open. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

export const TAG_BYTES = 16;
