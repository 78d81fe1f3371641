/**
 * Keys of callers' certificates, and how they sign (docs/spec/session.md, "Open"): one algorithm a key type, so that
 * nothing is negotiated; no PKCS#1 v1.5, no SHA-1.
 */
import { constants, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto';

/** With the hash; EdDSA hashes by itself. */
const HASHES = {
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
  EdDSA: null,
  PS256: 'sha256',
} as const;

export type CallerAlgorithm = keyof typeof HASHES;

const BY_CURVE: Readonly<Record<string, CallerAlgorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

/** The algorithm of a key's type, public or private; undefined for keys that no caller may have. */
export function callerAlgorithm(key: KeyObject): CallerAlgorithm | undefined {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return Object.hasOwn(BY_CURVE, namedCurve) ? BY_CURVE[namedCurve] : undefined;
    case 'ed25519':
      return 'EdDSA';
    case 'rsa':
      return modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS ? 'PS256' : undefined;
    default:
      return undefined;
  }
}

export interface CallerScheme {
  /** For `sign` and `verify` of node:crypto. */
  readonly hash: string | null;
  readonly key: KeyObject | (VerifyKeyObjectInput & { readonly key: KeyObject });
}

/** `key` must be of the algorithm's type. */
export function callerScheme(algorithm: CallerAlgorithm, key: KeyObject): CallerScheme {
  const hash = HASHES[algorithm];
  // Options cost node:crypto half of a signature again: only where they say something.
  if (algorithm !== 'PS256') return { hash, key };
  return { hash, key: { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } };
}
