/** Public key attributes of a token → DER of the SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). */
import { algorithmRow, type AlgorithmName } from '../wire/algorithm.ts';
import { derBitString, derNull, derSequence, derUnsignedInteger, parseOctetString } from './der.ts';

/** DER of OBJECT IDENTIFIERs: id-ecPublicKey (RFC 5480), id-Ed25519 (RFC 8410), rsaEncryption (RFC 8017). */
const EC_PUBLIC_KEY = Buffer.from('06072a8648ce3d0201', 'hex');
const ED25519 = Buffer.from('06032b6570', 'hex');
const RSA_ENCRYPTION = Buffer.from('06092a864886f70d010101', 'hex');

const ED25519_BYTES = 32;
const UNCOMPRESSED = 0x04;

/** What was read from the public key object. */
export type PublicKeyAttributes =
  | { readonly ecPoint: Uint8Array }
  | { readonly modulus: Uint8Array; readonly publicExponent: Uint8Array };

/**
 * CKA_EC_POINT is the DER OCTET STRING of the point (v3.1 §6.3.3); several modules return the bare point. The exact
 * length tells them apart: a bare P-256 point also begins with 04.
 */
function pointOfLength(ecPoint: Uint8Array, length: number): Uint8Array {
  const point = ecPoint.length === length ? ecPoint : parseOctetString(ecPoint);
  if (point?.length !== length) throw new RangeError('CKA_EC_POINT has a wrong length');
  return point;
}

/** Throws RangeError when the attributes are none of this algorithm's. Does not check that the point is on the curve. */
export function encodeSpki(algorithm: AlgorithmName, attributes: PublicKeyAttributes): Uint8Array {
  const row = algorithmRow(algorithm);
  switch (row.family) {
    case 'ecdsa': {
      if (!('ecPoint' in attributes)) break;
      const point = pointOfLength(attributes.ecPoint, 1 + 2 * row.coordinateBytes);
      if (point[0] !== UNCOMPRESSED) throw new RangeError('CKA_EC_POINT is not uncompressed');
      const curve = Buffer.from(row.curveOid, 'hex');
      return derSequence(derSequence(EC_PUBLIC_KEY, curve), derBitString(point));
    }
    case 'eddsa':
      if (!('ecPoint' in attributes)) break;
      return derSequence(
        derSequence(ED25519),
        derBitString(pointOfLength(attributes.ecPoint, ED25519_BYTES)),
      );
    case 'rsa-pkcs1':
    case 'rsa-pss': {
      if (!('modulus' in attributes)) break;
      const key = derSequence(
        derUnsignedInteger(attributes.modulus),
        derUnsignedInteger(attributes.publicExponent),
      );
      // rsaEncryption for PSS too: one key form for every RSA algorithm, and what JOSE libraries expect.
      return derSequence(derSequence(RSA_ENCRYPTION, derNull()), derBitString(key));
    }
    case 'ml-dsa':
      break;
  }
  throw new RangeError(`not the attributes of a public key for ${algorithm}`);
}
