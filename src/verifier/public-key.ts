/**
 * Public keys as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), their JOSE algorithm names, and their RFC 7638
 * thumbprints. Read from DER directly: Web Crypto's JWK export knows ML-DSA only in newer browsers.
 */
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { DerError, DerReader, TAG } from './der.ts';
import { sha256, type Curve } from './web-crypto.ts';

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

const OID = {
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

/** RFC 9881 §4, sizes from FIPS 204 table 2. */
const ML_DSA: Readonly<Record<string, { readonly alg: string; readonly bytes: number }>> = {
  '2.16.840.1.101.3.4.3.17': { alg: 'ML-DSA-44', bytes: 1312 },
  '2.16.840.1.101.3.4.3.18': { alg: 'ML-DSA-65', bytes: 1952 },
  '2.16.840.1.101.3.4.3.19': { alg: 'ML-DSA-87', bytes: 2592 },
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
  return key.algorithm === OID.ec ? namedCurve(key)?.name : undefined;
}

function namedCurve(key: SubjectPublicKeyInfo): (typeof CURVES)[string] | undefined {
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
  if (key.algorithm !== OID.rsa || key.parameters?.[0] !== TAG.null) return undefined;
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

function rsaNumbers(key: SubjectPublicKeyInfo): readonly [Uint8Array, Uint8Array] {
  const document = DerReader.open(key.bits, MAX_SPKI_BYTES);
  const numbers = document.sequence();
  document.end();
  const pair = [numbers.unsigned(), numbers.unsigned()] as const;
  numbers.end();
  return pair;
}

/** Required members of a JWK, as RFC 7638 §3.2, RFC 8037 §2 and RFC 9964 name them, and the algs that fit. */
export interface JwkMembers {
  readonly members: Readonly<Record<string, string>>;
  /** IANA JOSE names that this key may be used with. */
  readonly algs: readonly string[];
}

const ALGS_OF_CURVE = { 'P-256': ['ES256'], 'P-384': ['ES384'], 'P-521': ['ES512'] } as const;
const RSA_ALGS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;

/** Undefined for keys of another kind. Throws DerError for keys of a known kind with impossible content. */
export function jwkMembers(key: SubjectPublicKeyInfo): JwkMembers | undefined {
  switch (key.algorithm) {
    case OID.ec: {
      const curve = namedCurve(key);
      return curve === undefined ? undefined : ecMembers(key, curve.name, curve.coordinateBytes);
    }
    case OID.ed25519: {
      if (key.parameters !== undefined || key.bits.byteLength !== 32) return undefined;
      return { members: { crv: 'Ed25519', kty: 'OKP', x: base64url(key.bits) }, algs: ['EdDSA'] };
    }
    case OID.rsa: {
      // RFC 3279 §2.3.1: parameters are NULL.
      if (key.parameters?.[0] !== TAG.null) return undefined;
      const [n, e] = rsaNumbers(key);
      return { members: { e: base64url(e), kty: 'RSA', n: base64url(n) }, algs: RSA_ALGS };
    }
    default: {
      const set = ML_DSA[key.algorithm];
      if (set?.bytes !== key.bits.byteLength || key.parameters !== undefined) return undefined;
      return { members: { alg: set.alg, kty: 'AKP', pub: base64url(key.bits) }, algs: [set.alg] };
    }
  }
}

function ecMembers(key: SubjectPublicKeyInfo, crv: Curve, size: number): JwkMembers | undefined {
  // RFC 5480 §2.2: the uncompressed point, which is the only form JOSE can write.
  if (key.bits.byteLength !== 1 + 2 * size || key.bits[0] !== 0x04) return undefined;
  const x = base64url(key.bits.subarray(1, 1 + size));
  const y = base64url(key.bits.subarray(1 + size));
  return { members: { crv, kty: 'EC', x, y }, algs: ALGS_OF_CURVE[crv] };
}

/** RFC 7638 §3: SHA-256 over the required members in the order of their names, base64url. */
export async function thumbprint(jwk: JwkMembers): Promise<string> {
  const names = Object.keys(jwk.members).sort();
  const text = names.map((name) => `"${name}":"${jwk.members[name] ?? ''}"`).join(',');
  return base64url(await sha256(utf8(`{${text}}`)));
}

function base64url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
