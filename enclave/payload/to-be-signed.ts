/** What a key signs, after the payload was checked. */
export interface ToBeSigned {
  /** The digest under the algorithm's hash; undefined for EdDSA and ML-DSA. */
  readonly digest: Uint8Array | undefined;
  /** The message; undefined when the caller sent a digest. */
  readonly message: Uint8Array | undefined;
}
