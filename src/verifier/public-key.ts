/**
 * Public keys by their JOSE algorithm names and their RFC 7638 thumbprints. Web Crypto's JWK export knows ML-DSA
 * only in newer browsers.
 */
import { utf8 } from '../../enclave/wire/bytes.ts';
import { TAG } from '../../enclave/wire/x509/der.ts';
import {
  KEY_OID,
  namedCurve,
  rsaNumbers,
  type SubjectPublicKeyInfo,
} from '../../enclave/wire/x509/public-key.ts';
import { sha256, type Curve } from './web-crypto.ts';

/** RFC 9881 §4, sizes from FIPS 204 table 2. */
const ML_DSA: Readonly<Record<string, { readonly alg: string; readonly bytes: number }>> = {
  '2.16.840.1.101.3.4.3.17': { alg: 'ML-DSA-44', bytes: 1312 },
  '2.16.840.1.101.3.4.3.18': { alg: 'ML-DSA-65', bytes: 1952 },
  '2.16.840.1.101.3.4.3.19': { alg: 'ML-DSA-87', bytes: 2592 },
};

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
    case KEY_OID.ec: {
      const curve = namedCurve(key);
      return curve === undefined ? undefined : ecMembers(key, curve.name, curve.coordinateBytes);
    }
    case KEY_OID.ed25519: {
      if (key.parameters !== undefined || key.bits.byteLength !== 32) return undefined;
      return { members: { crv: 'Ed25519', kty: 'OKP', x: base64url(key.bits) }, algs: ['EdDSA'] };
    }
    case KEY_OID.rsa: {
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
