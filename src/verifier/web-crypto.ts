/**
 * The little of Web Crypto that a verifier needs. A key that can't be imported and a signature of another
 * length verify nothing: both are false, never an exception.
 */
import type { SignatureCrypto } from '../../enclave/wire/sshsig.ts';
import type { Curve } from '../../enclave/wire/x509/public-key.ts';

export type { Curve };

/** Web Crypto's types want bytes that are surely not shared between threads. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

async function digest(algorithm: string, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest(algorithm, own(bytes)));
}

export const sha256 = (bytes: Uint8Array): Promise<Uint8Array> => digest('SHA-256', bytes);
export const sha384 = (bytes: Uint8Array): Promise<Uint8Array> => digest('SHA-384', bytes);
export const sha512 = (bytes: Uint8Array): Promise<Uint8Array> => digest('SHA-512', bytes);

async function verifies(
  spki: Uint8Array,
  keyAlgorithm: AlgorithmIdentifier | EcKeyImportParams | RsaHashedImportParams,
  signatureAlgorithm: AlgorithmIdentifier | EcdsaParams | RsaPssParams,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey('spki', own(spki), keyAlgorithm, false, ['verify']);
    return await crypto.subtle.verify(signatureAlgorithm, key, own(signature), own(message));
  } catch (error) {
    // DataError: no such key; OperationError: a signature the implementation won't look at. Anything else,
    // above all a platform without the algorithm, must not read as "false signature".
    const name = error instanceof DOMException ? error.name : '';
    if (name === 'DataError' || name === 'OperationError') return false;
    throw error;
  }
}

/** RFC 8032 §5.1.7. */
export function checkEd25519(
  spki: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  return verifies(spki, 'Ed25519', 'Ed25519', signature, message);
}

/** Hashes that signatures are made over. */
export type Hash = 'SHA-256' | 'SHA-384' | 'SHA-512';

/** RFC 8017 §8.1.2, MGF1 with the same hash. */
export function checkRsaPss(
  key: { readonly spki: Uint8Array; readonly hash: Hash; readonly saltLength: number },
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  const { spki, hash, saltLength } = key;
  const imported = { name: 'RSA-PSS', hash };
  return verifies(spki, imported, { name: 'RSA-PSS', saltLength }, signature, message);
}

/** RFC 8017 §8.2.2. */
export function checkRsaPkcs1(
  key: { readonly spki: Uint8Array; readonly hash: Hash },
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  const name = 'RSASSA-PKCS1-v1_5';
  return verifies(key.spki, { name, hash: key.hash }, name, signature, message);
}

/** ECDSA with the signature as r ‖ s (IEEE P1363). */
export function checkEcdsa(
  key: { readonly spki: Uint8Array; readonly curve: Curve; readonly hash: Hash },
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  const { spki, curve, hash } = key;
  return verifies(
    spki,
    { name: 'ECDSA', namedCurve: curve },
    { name: 'ECDSA', hash },
    signature,
    message,
  );
}

const SSH_HASHES = { 'P-256': 'SHA-256', 'P-384': 'SHA-384' } as const;

/** For SSH signatures (docs/spec/admin-statements.md). */
export const SSH_CRYPTO: SignatureCrypto = {
  sha256,
  sha512,
  checkEd25519,
  checkEcdsa: (spki, curve, signature, message) =>
    checkEcdsa({ spki, curve, hash: SSH_HASHES[curve] }, signature, message),
};
