/** What a canary enclave hands out, one JSON line each. Shared by the enclave's side and the test's. */

export interface Secret {
  readonly kind:
    | 'user-pin'
    | 'so-pin'
    | 'platform-secret'
    /** A key pair of the enclave: `name` is the SubjectPublicKeyInfo in hex. */
    | 'private-key'
    /** Input or output of HKDF: root key, HSM's HMACs, keys of records. */
    | 'key-material'
    | 'secret-key';
  readonly name: string;
  /** Hex. Whoever has one of them has the secret or a good part of it. */
  readonly parts: readonly string[];
}

/** The descriptor on which a canary enclave writes them. The platform's own channel is 3. */
export const SECRETS_DESCRIPTOR = 4;
