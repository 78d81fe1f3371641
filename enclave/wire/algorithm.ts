/**
 * The algorithms, one row each. Names are those of the IANA JOSE registry; numbers are those of
 * `sealwright.v1.Algorithm`. Everything that must know an algorithm reads this table: payload checks,
 * key templates, PKCS#11 mechanisms, verification.
 */

export type HashName = 'sha256' | 'sha384' | 'sha512';

/** Where a private key may live (DESIGN.md §7). */
export type Residency = 'hsm' | 'enclave';

interface RowOf<Family extends string> {
  readonly family: Family;
  /** `sealwright.v1.Algorithm` number. */
  readonly wire: number;
  readonly residencies: readonly Residency[];
}

export interface EcdsaRow extends RowOf<'ecdsa'> {
  readonly hash: HashName;
  readonly digestBytes: number;
  /** Name of the curve in OpenSSL and Web Crypto. */
  readonly curve: 'P-256' | 'P-384' | 'P-521';
  /** DER of the curve's OBJECT IDENTIFIER, hex: the value of CKA_EC_PARAMS. */
  readonly curveOid: string;
  /** Length of r and of s in the P1363 form. */
  readonly coordinateBytes: number;
}

export interface EddsaRow extends RowOf<'eddsa'> {
  readonly curve: 'Ed25519';
}

export interface RsaRow extends RowOf<'rsa-pkcs1' | 'rsa-pss'> {
  readonly hash: HashName;
  readonly digestBytes: number;
}

export interface MlDsaRow extends RowOf<'ml-dsa'> {
  readonly parameterSet: 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87';
}

export type AlgorithmRow = EcdsaRow | EddsaRow | RsaRow | MlDsaRow;

const BOTH = ['hsm', 'enclave'] as const;
const ENCLAVE_ONLY = ['enclave'] as const;

export const ALGORITHMS = {
  ES256: {
    family: 'ecdsa',
    wire: 1,
    residencies: BOTH,
    hash: 'sha256',
    digestBytes: 32,
    curve: 'P-256',
    curveOid: '06082a8648ce3d030107',
    coordinateBytes: 32,
  },
  ES384: {
    family: 'ecdsa',
    wire: 2,
    residencies: BOTH,
    hash: 'sha384',
    digestBytes: 48,
    curve: 'P-384',
    curveOid: '06052b81040022',
    coordinateBytes: 48,
  },
  ES512: {
    family: 'ecdsa',
    wire: 3,
    residencies: BOTH,
    hash: 'sha512',
    digestBytes: 64,
    curve: 'P-521',
    curveOid: '06052b81040023',
    coordinateBytes: 66,
  },
  EdDSA: { family: 'eddsa', wire: 4, residencies: BOTH, curve: 'Ed25519' },
  RS256: { family: 'rsa-pkcs1', wire: 5, residencies: BOTH, hash: 'sha256', digestBytes: 32 },
  RS384: { family: 'rsa-pkcs1', wire: 6, residencies: BOTH, hash: 'sha384', digestBytes: 48 },
  RS512: { family: 'rsa-pkcs1', wire: 7, residencies: BOTH, hash: 'sha512', digestBytes: 64 },
  PS256: { family: 'rsa-pss', wire: 8, residencies: BOTH, hash: 'sha256', digestBytes: 32 },
  PS384: { family: 'rsa-pss', wire: 9, residencies: BOTH, hash: 'sha384', digestBytes: 48 },
  PS512: { family: 'rsa-pss', wire: 10, residencies: BOTH, hash: 'sha512', digestBytes: 64 },
  'ML-DSA-44': { family: 'ml-dsa', wire: 11, residencies: ENCLAVE_ONLY, parameterSet: 'ml-dsa-44' },
  'ML-DSA-65': { family: 'ml-dsa', wire: 12, residencies: ENCLAVE_ONLY, parameterSet: 'ml-dsa-65' },
  'ML-DSA-87': { family: 'ml-dsa', wire: 13, residencies: ENCLAVE_ONLY, parameterSet: 'ml-dsa-87' },
} as const satisfies Record<string, AlgorithmRow>;

export type AlgorithmName = keyof typeof ALGORITHMS;

/** Modulus of every RSA key, bits (SP 800-131A: at least 2,048). */
export const RSA_MODULUS_BITS = 2048;

export function isAlgorithmName(name: string): name is AlgorithmName {
  return Object.hasOwn(ALGORITHMS, name);
}

/** The row of a name, at its widest type, so that `family` can be switched on. */
export function algorithmRow(name: AlgorithmName): AlgorithmRow {
  return ALGORITHMS[name];
}

const BY_WIRE = new Map<number, AlgorithmName>(
  Object.entries(ALGORITHMS).map(([name, row]) => [row.wire, name as AlgorithmName]),
);

/** The name of a `sealwright.v1.Algorithm` number; undefined for 0 and for numbers that are not in the table. */
export function algorithmFromWire(wire: number): AlgorithmName | undefined {
  return BY_WIRE.get(wire);
}
