/**
 * Signatures of callers under the key of their certificate (docs/spec/session.md, "Open"): one algorithm a key type, so
 * that nothing is negotiated; no PKCS#1 v1.5, no SHA-1.
 */
import { constants, verify, type KeyObject } from 'node:crypto';
import { ALGORITHMS, type AlgorithmName } from '../wire/algorithm.ts';

const BY_CURVE: Readonly<Record<string, 'ES256' | 'ES384' | 'ES512'>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

/** The algorithm of a public key's type; undefined for keys that no caller may have. */
export function callerAlgorithm(key: KeyObject): AlgorithmName | undefined {
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

/** Whether `algorithm` (a `sealwright.v1.Algorithm` number) is the key's and the signature holds. Never throws. */
export function checkCallerSignature(
  key: KeyObject,
  algorithm: number,
  input: Uint8Array,
  signature: Uint8Array,
): boolean {
  const name = callerAlgorithm(key);
  if (name === undefined || ALGORITHMS[name].wire !== algorithm) return false;
  switch (name) {
    case 'ES256':
      return verify('sha256', input, key, signature);
    case 'ES384':
      return verify('sha384', input, key, signature);
    case 'ES512':
      return verify('sha512', input, key, signature);
    case 'EdDSA':
      return verify(null, input, key, signature);
    case 'PS256': {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return verify('sha256', input, { key, padding, saltLength: 32 }, signature);
    }
    default:
      return false;
  }
}
