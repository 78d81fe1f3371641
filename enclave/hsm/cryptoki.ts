/**
 * The part of PKCS#11 v3.1 that a worker uses, as a type, so that only the worker's entry imports pkcs11js;
 * and one form for its errors.
 */

/** Slots, sessions and objects are 8-byte native-endian buffers in pkcs11js. */
export type Handle = Buffer;

export interface Attribute {
  readonly type: number;
  readonly value?: Buffer | string | number | boolean;
}

export interface Mechanism {
  readonly mechanism: number;
  readonly parameter?: {
    readonly type: number;
    readonly hashAlg: number;
    readonly mgf: number;
    readonly saltLen: number;
  };
}

export interface CkTokenInfo {
  readonly label: string;
  readonly manufacturerID: string;
  readonly model: string;
  readonly serialNumber: string;
  readonly flags: number;
}

export interface Cryptoki {
  C_Initialize(): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Handle[];
  C_GetTokenInfo(slot: Handle): CkTokenInfo;
  C_GetMechanismList(slot: Handle): number[];
  C_GetMechanismInfo(
    slot: Handle,
    mechanism: number,
  ): { readonly minKeySize: number; readonly maxKeySize: number; readonly flags: number };
  C_InitToken(slot: Handle, soPin: string, label: string): unknown;
  C_InitPIN(session: Handle, pin: string): void;
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_GetSessionInfo(session: Handle): { readonly state: number };
  C_Login(session: Handle, userType: number, pin: string): void;
  C_Logout(session: Handle): void;
  C_FindObjectsInit(session: Handle, template: Attribute[]): void;
  C_FindObjects(session: Handle, maxObjectCount: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(
    session: Handle,
    object: Handle,
    template: Attribute[],
  ): { readonly value?: unknown }[];
  C_DestroyObject(session: Handle, object: Handle): void;
  C_GenerateKey(session: Handle, mechanism: Mechanism, template: Attribute[]): Handle;
  C_GenerateKeyPair(
    session: Handle,
    mechanism: Mechanism,
    publicTemplate: Attribute[],
    privateTemplate: Attribute[],
  ): { readonly publicKey: Handle; readonly privateKey: Handle };
  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Sign(session: Handle, data: Buffer, signature: Buffer): Buffer;
}

/** Every function of {@link Cryptoki}: the closed list of what a worker can be made to call. */
export const CRYPTOKI_FUNCTIONS = [
  'C_Initialize',
  'C_Finalize',
  'C_GetSlotList',
  'C_GetTokenInfo',
  'C_GetMechanismList',
  'C_GetMechanismInfo',
  'C_InitToken',
  'C_InitPIN',
  'C_OpenSession',
  'C_CloseSession',
  'C_GetSessionInfo',
  'C_Login',
  'C_Logout',
  'C_FindObjectsInit',
  'C_FindObjects',
  'C_FindObjectsFinal',
  'C_GetAttributeValue',
  'C_DestroyObject',
  'C_GenerateKey',
  'C_GenerateKeyPair',
  'C_SignInit',
  'C_Sign',
] as const satisfies readonly (keyof Cryptoki)[];

/** A CKR_* other than CKR_OK. */
export class CryptokiError extends Error {
  override readonly name = 'CryptokiError';
  readonly rv: number;
  readonly functionName: string;
  constructor(rv: number, functionName: string) {
    super(`${functionName}: 0x${rv.toString(16)}`);
    this.rv = rv;
    this.functionName = functionName;
  }
}

/**
 * The return value inside what pkcs11js throws: Pkcs11Error with `code`, or (C_FindObjects, C_CreateObject,
 * C_CopyObject, C_SetAttributeValue) a plain Error whose message ends in `:number`. The CKR_ name is not trusted:
 * pkcs11js has wrong names for codes that it does not know.
 */
export function returnValueOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'number' && error.code !== 0) return error.code;
  const match = /^CKR_\w+:(\d+)/.exec(error.message);
  return match === null ? undefined : Number(match[1]);
}

/** The same module, throwing CryptokiError for every CKR_* and leaving every other error as it is. */
export function withUniformErrors(module: Cryptoki): Cryptoki {
  const wrapped: Record<string, unknown> = {};
  for (const name of CRYPTOKI_FUNCTIONS) {
    const original = module[name].bind(module) as (...parameters: unknown[]) => unknown;
    wrapped[name] = (...parameters: unknown[]): unknown => {
      try {
        return original(...parameters);
      } catch (error) {
        const rv = returnValueOf(error);
        throw rv === undefined ? error : new CryptokiError(rv, name);
      }
    };
  }
  return wrapped as unknown as Cryptoki;
}

/** CKU_*, CKF_* and CKS_* (PKCS#11 v3.1, pkcs11t.h). */
export const CKU_SO = 0;
export const CKU_USER = 1;
export const CKF_RW_SESSION = 0x2;
export const CKF_SERIAL_SESSION = 0x4;
export const CKS_RW_USER_FUNCTIONS = 3;
export const CKF_TOKEN_INITIALIZED = 0x400;
/** CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED. */
export const CKF_USER_PIN_AT_RISK = 0x10000 | 0x20000 | 0x40000;
/** Mechanism flags. */
export const CKF_SIGN = 0x800;
export const CKF_GENERATE = 0x8000;
export const CKF_GENERATE_KEY_PAIR = 0x10000;

export const CKO_PUBLIC_KEY = 2;
export const CKO_PRIVATE_KEY = 3;
export const CKO_SECRET_KEY = 4;
