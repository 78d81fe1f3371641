/** Algorithm → PKCS#11 mechanisms and their parameters, and what a token must offer for it. */
import {
  algorithmRow,
  RSA_MODULUS_BITS,
  type AlgorithmName,
  type HashName,
} from '../wire/algorithm.ts';
import { CKF_GENERATE_KEY_PAIR, CKF_SIGN, type Mechanism } from './cryptoki.ts';

/** PKCS#11 v3.1, pkcs11t.h. pkcs11js 2.1.7 lacks the Edwards ones. */
export const CKM = {
  CKM_RSA_PKCS_KEY_PAIR_GEN: 0x0,
  CKM_RSA_PKCS: 0x1,
  CKM_RSA_PKCS_PSS: 0xd,
  CKM_GENERIC_SECRET_KEY_GEN: 0x350,
  CKM_SHA256_HMAC: 0x251,
  CKM_EC_KEY_PAIR_GEN: 0x1040,
  CKM_ECDSA: 0x1041,
  CKM_EC_EDWARDS_KEY_PAIR_GEN: 0x1055,
  CKM_EDDSA: 0x1057,
  CKM_ML_DSA_KEY_PAIR_GEN: 0x1c,
  CKM_ML_DSA: 0x1d,
} as const;

export type MechanismName = keyof typeof CKM;

/** CKM_SHA256 and CKG_MGF1_SHA256 and their kin (v3.1 §6.1.11). */
const PSS_HASH = {
  sha256: { hashAlg: 0x250, mgf: 2, saltLen: 32 },
  sha384: { hashAlg: 0x260, mgf: 3, saltLen: 48 },
  sha512: { hashAlg: 0x270, mgf: 4, saltLen: 64 },
} as const satisfies Record<HashName, object>;

/** pkcs11js: CK_PARAMS_RSA_PSS. */
const CK_PARAMS_RSA_PSS = 5;

/** RFC 8017 §9.2 note 1: DER of DigestInfo up to the digest. */
const DIGEST_INFO = {
  sha256: Buffer.from('3031300d060960864801650304020105000420', 'hex'),
  sha384: Buffer.from('3041300d060960864801650304020205000430', 'hex'),
  sha512: Buffer.from('3051300d060960864801650304020305000440', 'hex'),
} as const satisfies Record<HashName, Buffer>;

/** DigestInfo ‖ digest: what EMSA-PKCS1-v1_5 pads. */
export function digestInfo(hash: HashName, digest: Uint8Array): Buffer {
  return Buffer.concat([DIGEST_INFO[hash], digest]);
}

export interface SigningPlan {
  readonly mechanism: Mechanism;
  /** Exact length of the input; undefined for EdDSA, which takes the message. */
  readonly inputBytes: number | undefined;
  /** Turns the input into what C_Sign gets. */
  readonly prepare: (input: Buffer) => Buffer;
}

const asItIs = (input: Buffer): Buffer => input;

function makePlan(algorithm: AlgorithmName): SigningPlan | undefined {
  const row = algorithmRow(algorithm);
  switch (row.family) {
    // No CKM_ECDSA_SHA*: SoftHSM 2.6 lacks them, and every module has the raw mechanism (v3.1 §6.3.12).
    case 'ecdsa':
      return {
        mechanism: { mechanism: CKM.CKM_ECDSA },
        inputBytes: row.digestBytes,
        prepare: asItIs,
      };
    // Without a parameter: pure Ed25519 (v3.1 §6.3.15).
    case 'eddsa':
      return { mechanism: { mechanism: CKM.CKM_EDDSA }, inputBytes: undefined, prepare: asItIs };
    case 'rsa-pkcs1':
      return {
        mechanism: { mechanism: CKM.CKM_RSA_PKCS },
        inputBytes: row.digestBytes,
        prepare: (input) => digestInfo(row.hash, input),
      };
    case 'rsa-pss':
      return {
        mechanism: {
          mechanism: CKM.CKM_RSA_PKCS_PSS,
          parameter: { type: CK_PARAMS_RSA_PSS, ...PSS_HASH[row.hash] },
        },
        inputBytes: row.digestBytes,
        prepare: asItIs,
      };
    // Not in a token yet: the residencies of the table say so.
    case 'ml-dsa':
      return undefined;
  }
}

const PLANS = new Map<AlgorithmName, SigningPlan | undefined>();

/** How a token signs with this algorithm; undefined when the algorithm has no residency `hsm`. */
export function signingPlan(algorithm: AlgorithmName): SigningPlan | undefined {
  if (!PLANS.has(algorithm)) PLANS.set(algorithm, makePlan(algorithm));
  return PLANS.get(algorithm);
}

/** One row of C_GetMechanismInfo. */
export interface OfferedMechanism {
  readonly mechanism: number;
  readonly minKeySize: number;
  readonly maxKeySize: number;
  readonly flags: number;
}

interface NeededMechanism {
  readonly name: MechanismName;
  readonly flag: number;
  /** Key size that must lie in the offered range; undefined where modules disagree on the unit. */
  readonly bits: number | undefined;
}

const CURVE_BITS = { 'P-256': 256, 'P-384': 384, 'P-521': 521 } as const;

export function neededMechanisms(
  algorithm: AlgorithmName,
): readonly [NeededMechanism, NeededMechanism] {
  const pair = (keyGen: MechanismName, sign: MechanismName, bits: number | undefined) =>
    [
      { name: keyGen, flag: CKF_GENERATE_KEY_PAIR, bits },
      { name: sign, flag: CKF_SIGN, bits },
    ] as const;
  const row = algorithmRow(algorithm);
  switch (row.family) {
    case 'ecdsa':
      return pair('CKM_EC_KEY_PAIR_GEN', 'CKM_ECDSA', CURVE_BITS[row.curve]);
    case 'eddsa':
      return pair('CKM_EC_EDWARDS_KEY_PAIR_GEN', 'CKM_EDDSA', undefined);
    case 'rsa-pkcs1':
      return pair('CKM_RSA_PKCS_KEY_PAIR_GEN', 'CKM_RSA_PKCS', RSA_MODULUS_BITS);
    case 'rsa-pss':
      return pair('CKM_RSA_PKCS_KEY_PAIR_GEN', 'CKM_RSA_PKCS_PSS', RSA_MODULUS_BITS);
    case 'ml-dsa':
      return pair('CKM_ML_DSA_KEY_PAIR_GEN', 'CKM_ML_DSA', undefined);
  }
}

/** The first needed mechanism that is not offered with its flag and key size, by name. */
export function firstMissingMechanism(
  algorithm: AlgorithmName,
  offered: ReadonlyMap<number, OfferedMechanism>,
): MechanismName | undefined {
  for (const { name, flag, bits } of neededMechanisms(algorithm)) {
    const info = offered.get(CKM[name]);
    if (info === undefined || (info.flags & flag) === 0) return name;
    // A module that knows no limits says 0.
    if (
      bits !== undefined &&
      info.maxKeySize !== 0 &&
      (bits < info.minKeySize || bits > info.maxKeySize)
    )
      return name;
  }
  return undefined;
}
