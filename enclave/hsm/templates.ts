/**
 * Templates of new objects, and what must be read back from them at birth, at each boot and whenever a worker finds
 * them anew (PROTOCOLS §5). Everything is named, false values too: modules differ in their defaults.
 */
import { algorithmRow, RSA_MODULUS_BITS, type AlgorithmName } from '../wire/algorithm.ts';
import { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY, type Attribute } from './cryptoki.ts';

/** PKCS#11 v3.1 §4, pkcs11t.h. */
export const CKA = {
  CLASS: 0x0,
  TOKEN: 0x1,
  PRIVATE: 0x2,
  LABEL: 0x3,
  KEY_TYPE: 0x100,
  ID: 0x102,
  SENSITIVE: 0x103,
  ENCRYPT: 0x104,
  DECRYPT: 0x105,
  WRAP: 0x106,
  UNWRAP: 0x107,
  SIGN: 0x108,
  SIGN_RECOVER: 0x109,
  VERIFY: 0x10a,
  VERIFY_RECOVER: 0x10b,
  DERIVE: 0x10c,
  MODULUS: 0x120,
  MODULUS_BITS: 0x121,
  PUBLIC_EXPONENT: 0x122,
  VALUE_LEN: 0x161,
  EXTRACTABLE: 0x162,
  LOCAL: 0x163,
  NEVER_EXTRACTABLE: 0x164,
  ALWAYS_SENSITIVE: 0x165,
  MODIFIABLE: 0x170,
  COPYABLE: 0x171,
  EC_PARAMS: 0x180,
  EC_POINT: 0x181,
  ALWAYS_AUTHENTICATE: 0x202,
} as const;

export type AttributeName = keyof typeof CKA;

const CKK_RSA = 0x0;
const CKK_EC = 0x3;
const CKK_GENERIC_SECRET = 0x10;
const CKK_EC_EDWARDS = 0x40;

const SECRET_BYTES = 32;
const RSA_PUBLIC_EXPONENT = Buffer.from([1, 0, 1]);
/** DER of 1.3.101.112, id-Ed25519 (RFC 8410 §3; v3.1 §6.3.3 allows it as CKA_EC_PARAMS). */
const ED25519_OID = Buffer.from('06032b6570', 'hex');

/** Boolean attributes that are read back, in this order; one that a module does not know is left out. */
export const READ_BACK = [
  'TOKEN',
  'PRIVATE',
  'SENSITIVE',
  'EXTRACTABLE',
  'MODIFIABLE',
  'COPYABLE',
  'SIGN',
  'SIGN_RECOVER',
  'VERIFY',
  'ENCRYPT',
  'DECRYPT',
  'WRAP',
  'UNWRAP',
  'DERIVE',
  'LOCAL',
  'ALWAYS_SENSITIVE',
  'NEVER_EXTRACTABLE',
  'ALWAYS_AUTHENTICATE',
] as const satisfies readonly AttributeName[];

/** Must be known to the module, and true. */
export const REQUIRED_TRUE = [
  'TOKEN',
  'PRIVATE',
  'SENSITIVE',
  'SIGN',
  'LOCAL',
  'ALWAYS_SENSITIVE',
  'NEVER_EXTRACTABLE',
] as const satisfies readonly AttributeName[];

/**
 * Must be known to the module, and false: without these two a key's value can leave the token, or a second object
 * without the protection can be made from it.
 */
export const REQUIRED_FALSE = [
  'EXTRACTABLE',
  'MODIFIABLE',
] as const satisfies readonly AttributeName[];

/** Must be false where the module knows them: older modules lack some, and a class has not all of them. */
export const FALSE_IF_KNOWN = [
  'COPYABLE',
  'SIGN_RECOVER',
  'ENCRYPT',
  'DECRYPT',
  'WRAP',
  'UNWRAP',
  'DERIVE',
  'ALWAYS_AUTHENTICATE',
] as const satisfies readonly AttributeName[];

/** The first attribute that is not as it must be, or undefined. */
export function wrongAttribute(
  attributes: Readonly<Record<string, boolean>>,
): AttributeName | undefined {
  return (
    REQUIRED_TRUE.find((name) => attributes[name] !== true) ??
    REQUIRED_FALSE.find((name) => attributes[name] !== false) ??
    FALSE_IF_KNOWN.find((name) => attributes[name] === true)
  );
}

const is = (name: AttributeName, value: Exclude<Attribute['value'], undefined>): Attribute => ({
  type: CKA[name],
  value,
});

const allFalse = (...names: AttributeName[]): Attribute[] => names.map((name) => is(name, false));

export function privateKeyTemplate(
  id: Buffer,
  label: string,
  algorithm: AlgorithmName,
): Attribute[] {
  return [
    is('CLASS', CKO_PRIVATE_KEY),
    is('KEY_TYPE', keyTypeOf(algorithm)),
    is('ID', id),
    is('LABEL', label),
    is('TOKEN', true),
    is('PRIVATE', true),
    is('SENSITIVE', true),
    is('SIGN', true),
    // No CKA_WRAP: a private key has no such attribute (v3.1 table 17), and modules refuse it.
    ...allFalse(
      'EXTRACTABLE',
      'MODIFIABLE',
      'COPYABLE',
      'SIGN_RECOVER',
      'DECRYPT',
      'UNWRAP',
      'DERIVE',
    ),
  ];
}

/**
 * The public half is a session object, read once and destroyed: the enclave keeps the public key itself, and no
 * object that anybody may plant without a PIN has a meaning.
 */
export function publicKeyTemplate(algorithm: AlgorithmName): Attribute[] {
  return [
    is('CLASS', CKO_PUBLIC_KEY),
    is('KEY_TYPE', keyTypeOf(algorithm)),
    is('VERIFY', true),
    ...allFalse('TOKEN', 'PRIVATE', 'ENCRYPT', 'WRAP', 'VERIFY_RECOVER', 'DERIVE'),
    ...domainParameters(algorithm),
  ];
}

export function secretTemplate(id: Buffer, label: string): Attribute[] {
  return [
    is('CLASS', CKO_SECRET_KEY),
    is('KEY_TYPE', CKK_GENERIC_SECRET),
    is('VALUE_LEN', SECRET_BYTES),
    is('ID', id),
    is('LABEL', label),
    is('TOKEN', true),
    is('PRIVATE', true),
    is('SENSITIVE', true),
    is('SIGN', true),
    ...allFalse(
      'EXTRACTABLE',
      'MODIFIABLE',
      'COPYABLE',
      'VERIFY',
      'ENCRYPT',
      'DECRYPT',
      'WRAP',
      'UNWRAP',
      'DERIVE',
    ),
  ];
}

/** CKA_KEY_TYPE. Throws for an algorithm without residency `hsm`. */
export function keyTypeOf(algorithm: AlgorithmName): number {
  const row = algorithmRow(algorithm);
  switch (row.family) {
    case 'ecdsa':
      return CKK_EC;
    case 'eddsa':
      return CKK_EC_EDWARDS;
    case 'rsa-pkcs1':
    case 'rsa-pss':
      return CKK_RSA;
    case 'ml-dsa':
      throw new RangeError('no key type: residency hsm is not in the table');
  }
}

function domainParameters(algorithm: AlgorithmName): Attribute[] {
  const row = algorithmRow(algorithm);
  switch (row.family) {
    case 'ecdsa':
      return [is('EC_PARAMS', Buffer.from(row.curveOid, 'hex'))];
    case 'eddsa':
      return [is('EC_PARAMS', ED25519_OID)];
    case 'rsa-pkcs1':
    case 'rsa-pss':
      return [is('MODULUS_BITS', RSA_MODULUS_BITS), is('PUBLIC_EXPONENT', RSA_PUBLIC_EXPONENT)];
    case 'ml-dsa':
      return [];
  }
}
