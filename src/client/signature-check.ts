/** Checks signatures with node:crypto, chunk by chunk where the algorithm allows it. */
import { createVerify, constants, verify } from 'node:crypto';
import type { KeyObject, VerifyKeyObjectInput } from 'node:crypto';
import { ALGORITHMS, algorithmRow } from '../../enclave/wire/algorithm.ts';
import type { AlgorithmName, AlgorithmRow } from '../../enclave/wire/algorithm.ts';

export type EcdsaEncoding = 'der' | 'p1363';
export const ENCODINGS = ['der', 'p1363'] as const satisfies readonly EcdsaEncoding[];

export interface SignatureCheck {
  update(chunk: Uint8Array): void;
  /**
   * May be called again with another signature only for EdDSA and ML-DSA: make a new check instead. `by` is another key
   * of the same algorithm, when the ring rotated meanwhile.
   */
  accepts(signature: Uint8Array, by?: KeyObject): boolean;
}

/** A check of one signature by this key. The key must fit the algorithm (`algorithmFits`). */
export function startCheck(
  algorithm: AlgorithmName,
  key: KeyObject,
  encoding: EcdsaEncoding,
): SignatureCheck {
  const row = algorithmRow(algorithm);
  switch (row.family) {
    case 'ecdsa': {
      if (encoding === 'der') return hashing(row.hash, { key, dsaEncoding: 'der' });
      const check = hashing(row.hash, { key, dsaEncoding: 'ieee-p1363' });
      // node:crypto throws for any other length; a wrong signature is no exception.
      const bytes = 2 * row.coordinateBytes;
      return {
        ...check,
        accepts: (signature, by) => signature.byteLength === bytes && check.accepts(signature, by),
      };
    }
    case 'rsa-pkcs1':
      return hashing(row.hash, { key, padding: constants.RSA_PKCS1_PADDING });
    case 'rsa-pss':
      // RFC 7518 §3.5: the salt is as long as the hash; OpenSSL alone would accept any length.
      return hashing(row.hash, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: row.digestBytes,
      });
    case 'eddsa':
    case 'ml-dsa':
      return whole(key);
  }
}

function hashing(hash: string, options: VerifyKeyObjectInput): SignatureCheck {
  const verifier = createVerify(hash);
  return {
    update: (chunk) => void verifier.update(chunk),
    accepts: (signature, by = options.key) => verifier.verify({ ...options, key: by }, signature),
  };
}

/** Ed25519 and ML-DSA read the message twice, so it has to be there as a whole. */
function whole(key: KeyObject): SignatureCheck {
  const chunks: Uint8Array[] = [];
  return {
    update: (chunk) => void chunks.push(chunk),
    accepts: (signature, by = key) => verify(null, Buffer.concat(chunks), by, signature),
  };
}

/** Whether a public key is of the type that an algorithm needs. */
export function algorithmFits(algorithm: AlgorithmName, key: KeyObject): boolean {
  return typeFits(algorithmRow(algorithm), key);
}

/** OpenSSL's names of the curves. */
const CURVES = { 'P-256': 'prime256v1', 'P-384': 'secp384r1', 'P-521': 'secp521r1' } as const;

function typeFits(row: AlgorithmRow, key: KeyObject): boolean {
  switch (row.family) {
    case 'ecdsa':
      return (
        key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === CURVES[row.curve]
      );
    case 'rsa-pkcs1':
    case 'rsa-pss':
      return key.asymmetricKeyType === 'rsa';
    case 'eddsa':
      return key.asymmetricKeyType === 'ed25519';
    case 'ml-dsa':
      return key.asymmetricKeyType === row.parameterSet;
  }
}

/** Every algorithm that a public key can serve: one, except for RSA. */
export function algorithmsOf(key: KeyObject): readonly AlgorithmName[] {
  return (Object.keys(ALGORITHMS) as AlgorithmName[]).filter((name) => algorithmFits(name, key));
}
