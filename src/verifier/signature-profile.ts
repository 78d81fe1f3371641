/**
 * The signature algorithms of certificates, CRLs and their keys. A profile is the whole of it: object
 * identifier, parameters, kind and size of the key. Whatever is not one of these verifies nothing.
 */
import { ecdsaDerToP1363 } from './ecdsa-form.ts';
import {
  curveOf,
  rsaSizeOf,
  type SubjectPublicKeyInfo,
} from '../../enclave/wire/x509/public-key.ts';
import { checkEcdsa, checkRsaPkcs1, checkRsaPss, type Curve, type Hash } from './web-crypto.ts';

export interface SignatureProfile {
  /** As `readSignatureAlgorithm` gives it. */
  readonly algorithm: string;
  readonly name: string;
  /** Whether the key is of the one kind that this algorithm is used with. */
  fits(key: SubjectPublicKeyInfo): boolean;
  /** `signature` as certificates carry it. A key of another kind verifies nothing. */
  verify(key: SubjectPublicKeyInfo, signature: Uint8Array, message: Uint8Array): Promise<boolean>;
}

function ecdsa(oid: string, curve: Curve, coordinateBytes: number, hash: Hash): SignatureProfile {
  const fits = (key: SubjectPublicKeyInfo): boolean => curveOf(key) === curve;
  return {
    algorithm: oid,
    name: `ecdsa-with-${hash.replace('-', '')}, ${curve}`,
    fits,
    verify: async (key, signature, message) => {
      const pair = ecdsaDerToP1363(signature, coordinateBytes);
      if (pair === undefined || !fits(key)) return false;
      return checkEcdsa({ spki: key.raw, curve, hash }, pair, message);
    },
  };
}

/** RFC 5758 §3.2 */
export const ECDSA_P256_SHA256 = ecdsa('1.2.840.10045.4.3.2', 'P-256', 32, 'SHA-256');
export const ECDSA_P384_SHA384 = ecdsa('1.2.840.10045.4.3.3', 'P-384', 48, 'SHA-384');
export const ECDSA_P521_SHA512 = ecdsa('1.2.840.10045.4.3.4', 'P-521', 66, 'SHA-512');

/**
 * Vendors use 2048 to 4096 bits and 65537. A modulus of 16 KiB or an exponent as long would make one
 * verification take seconds.
 */
function fitsRsa(key: SubjectPublicKeyInfo): boolean {
  const size = rsaSizeOf(key);
  if (size === undefined) return false;
  return size.modulusBits >= 2048 && size.modulusBits <= 4096 && size.exponent === 65537;
}

/** RFC 4055 §3.1, the key rsaEncryption; salt as long as the hash. */
export const RSA_PSS_SHA384: SignatureProfile = {
  algorithm: 'rsassaPss SHA-384, salt 48',
  name: 'RSASSA-PSS with SHA-384, salt 48, RSA of 2048 to 4096 bits',
  fits: fitsRsa,
  verify: async (key, signature, message) =>
    fitsRsa(key) &&
    (await checkRsaPss({ spki: key.raw, hash: 'SHA-384', saltLength: 48 }, signature, message)),
};

/** RFC 4055 §5 */
export const RSA_PKCS1_SHA256: SignatureProfile = {
  algorithm: '1.2.840.113549.1.1.11 with NULL',
  name: 'sha256WithRSAEncryption, RSA of 2048 to 4096 bits',
  fits: fitsRsa,
  verify: async (key, signature, message) =>
    fitsRsa(key) && (await checkRsaPkcs1({ spki: key.raw, hash: 'SHA-256' }, signature, message)),
};
