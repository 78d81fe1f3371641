/** What a worker does with a module before a token is open: list tokens, find one, initialise one. */
import type {
  InitTokenRequest,
  TokenInfo,
  TokenOpened,
} from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import {
  CKF_RW_SESSION,
  CKF_SERIAL_SESSION,
  CKF_TOKEN_INITIALIZED,
  CKU_SO,
  type Cryptoki,
  type Handle,
} from './cryptoki.ts';
import { CKM } from './mechanisms.ts';
import { Refusal } from './refusal.ts';

/** CK_TOKEN_INFO.label: 32 bytes, blank-padded, no terminator (v3.1 §3.2). */
const LABEL_BYTES = 32;

export interface SlotToken {
  readonly slot: Handle;
  readonly info: TokenInfo;
}

export function listSlots(module: Cryptoki): SlotToken[] {
  return module.C_GetSlotList(true).map((slot) => ({ slot, info: tokenInfo(module, slot) }));
}

export function tokenInfo(module: Cryptoki, slot: Handle): TokenInfo {
  const info = module.C_GetTokenInfo(slot);
  return {
    label: trim(info.label),
    manufacturer: trim(info.manufacturerID),
    model: trim(info.model),
    serial: trim(info.serialNumber),
    flags: info.flags >>> 0,
  };
}

/** By serial number, never by label: a label is whatever the last C_InitToken said. Two with one serial are none. */
export function requireToken(module: Cryptoki, serial: string): SlotToken {
  const [found, second] = listSlots(module).filter(
    ({ info }) => (info.flags & CKF_TOKEN_INITIALIZED) !== 0 && info.serial === serial,
  );
  if (found === undefined || second !== undefined || serial === '')
    throw new Refusal('token-missing');
  return found;
}

/** C_InitToken, then C_InitPIN as SO (v3.1 §5.5.7, §5.5.8). */
export function initToken(
  module: Cryptoki,
  request: InitTokenRequest,
  soPin: string,
  userPin: string,
): TokenInfo {
  const { slot } = requireCandidate(module);
  if (!/^[\x20-\x7e]{1,32}$/.test(request.label)) throw new Refusal('bad-request');
  // pkcs11js hands the label over unpadded, and the module reads 32 bytes of it.
  module.C_InitToken(slot, soPin, request.label.padEnd(LABEL_BYTES));
  const session = module.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION);
  module.C_Login(session, CKU_SO, soPin);
  module.C_InitPIN(session, userPin);
  module.C_Logout(session);
  module.C_CloseSession(session);
  return tokenInfo(module, slot);
}

/** The token that may be initialised. */
export function requireCandidate(module: Cryptoki): SlotToken {
  const found = listSlots(module).find(({ info }) => (info.flags & CKF_TOKEN_INITIALIZED) === 0);
  if (found === undefined) throw new Refusal('token-missing');
  return found;
}

/** The token and those of its mechanisms that we have a use for. */
export function describeToken(module: Cryptoki, { slot, info }: SlotToken): TokenOpened {
  const wanted = new Set<number>(Object.values(CKM));
  const offered = module.C_GetMechanismList(slot).filter((mechanism) => wanted.has(mechanism));
  const mechanisms = offered.map((mechanism) => {
    const { minKeySize, maxKeySize, flags } = module.C_GetMechanismInfo(slot, mechanism);
    return {
      mechanism,
      minKeySize: minKeySize >>> 0,
      maxKeySize: maxKeySize >>> 0,
      flags: flags >>> 0,
    };
  });
  return { token: info, mechanisms };
}

/** Blank-padded by the standard; some modules pad with NUL. */
function trim(text: string): string {
  return text.replaceAll('\0', ' ').trim();
}
