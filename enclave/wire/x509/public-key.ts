/** Public keys as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), read from DER and not judged. */
import { toHex } from '../bytes.ts';
import { DerError, DerReader, TAG } from './der.ts';

/** Named curves of ECDSA (RFC 5480 §2.1.1.1), by their Web Crypto names. */
export type Curve = 'P-256' | 'P-384' | 'P-521';

/** Largest key of the algorithms below: RSA-16384 with room. */
const MAX_SPKI_BYTES = 4096;

export interface SubjectPublicKeyInfo {
  /** The whole SubjectPublicKeyInfo, DER. */
  readonly raw: Uint8Array;
  readonly algorithm: string;
  /** Parameters of the algorithm, DER; undefined when there are none. */
  readonly parameters: Uint8Array | undefined;
  /** Content of the BIT STRING. */
  readonly bits: Uint8Array;
}

export const KEY_OID = {
  ec: '1.2.840.10045.2.1',
  rsa: '1.2.840.113549.1.1.1',
  ed25519: '1.3.101.112',
} as const;

/** By their parameters, DER as hex: an object identifier that is compared and never read. */
const CURVES: Readonly<Record<string, { readonly name: Curve; readonly coordinateBytes: number }>> =
  {
    '06082a8648ce3d030107': { name: 'P-256', coordinateBytes: 32 },
    '06052b81040022': { name: 'P-384', coordinateBytes: 48 },
    '06052b81040023': { name: 'P-521', coordinateBytes: 66 },
  };

/** Throws DerError. */
export function readSubjectPublicKeyInfo(raw: Uint8Array): SubjectPublicKeyInfo {
  const document = DerReader.open(raw, MAX_SPKI_BYTES);
  const info = document.sequence();
  document.end();
  const identifier = info.sequence();
  const algorithm = identifier.objectIdentifier();
  const parameters = identifier.more ? identifier.element().raw : undefined;
  identifier.end();
  const bits = info.wholeBits();
  info.end();
  return { raw, algorithm, parameters, bits };
}

/** The named curve (RFC 5480 §2.1.1) of an EC key; undefined for every other key. */
export function curveOf(key: SubjectPublicKeyInfo): Curve | undefined {
  return key.algorithm === KEY_OID.ec ? namedCurve(key)?.name : undefined;
}

export function namedCurve(key: SubjectPublicKeyInfo): (typeof CURVES)[string] | undefined {
  const { parameters } = key;
  return parameters === undefined ? undefined : CURVES[toHex(parameters)];
}

/** RFC 8017 §3.1: bits of the modulus, and the public exponent when it has at most four bytes. */
export interface RsaSize {
  readonly modulusBits: number;
  readonly exponent: number | undefined;
}

/** Undefined for every key that is not RSA, or can't be read. */
export function rsaSizeOf(key: SubjectPublicKeyInfo): RsaSize | undefined {
  if (key.algorithm !== KEY_OID.rsa || key.parameters?.[0] !== TAG.null) return undefined;
  try {
    const [n, e] = rsaNumbers(key);
    const modulusBits = n.byteLength * 8 - Math.clz32(n[0] ?? 0) + 24;
    const exponent = e.byteLength > 4 ? undefined : e.reduce((sum, byte) => sum * 256 + byte, 0);
    return { modulusBits, exponent };
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

export function rsaNumbers(key: SubjectPublicKeyInfo): readonly [Uint8Array, Uint8Array] {
  const document = DerReader.open(key.bits, MAX_SPKI_BYTES);
  const numbers = document.sequence();
  document.end();
  const pair = [numbers.unsigned(), numbers.unsigned()] as const;
  numbers.end();
  return pair;
}
