/** Straight PKCS#11 on a test token, as an attacker or another program would use it. */
import { createHash, createPublicKey, verify } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import { algorithmRow, type AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { softhsmModule, type SoftHsm } from './softhsm.ts';

export interface RawSession {
  readonly module: pkcs11js.PKCS11;
  readonly slot: pkcs11js.Handle;
  readonly session: pkcs11js.Handle;
}

/** Runs `use` with a read-write session, logged in when `pin` is given. The module is loaded for this call only. */
export function withRawSession<T>(
  hsm: SoftHsm,
  serial: string,
  pin: string | undefined,
  use: (raw: RawSession) => T,
): T {
  process.env['SOFTHSM2_CONF'] = hsm.environment['SOFTHSM2_CONF'];
  const module = new pkcs11js.PKCS11();
  module.load(softhsmModule ?? '');
  module.C_Initialize();
  try {
    const slot = module
      .C_GetSlotList(true)
      .find((candidate) => module.C_GetTokenInfo(candidate).serialNumber.trim() === serial);
    if (slot === undefined) throw new Error(`no token ${serial}`);
    const session = module.C_OpenSession(
      slot,
      pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION,
    );
    if (pin !== undefined) module.C_Login(session, pkcs11js.CKU_USER, pin);
    return use({ module, slot, session });
  } finally {
    module.C_Finalize();
    module.close();
    delete process.env['SOFTHSM2_CONF'];
  }
}

/** A P-256 pair with chosen attributes of the private key. */
export function plantKeyPair(
  { module, session }: RawSession,
  id: Uint8Array,
  attributes: Readonly<Record<number, boolean>>,
): void {
  module.C_GenerateKeyPair(
    session,
    { mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN },
    [
      { type: pkcs11js.CKA_EC_PARAMS, value: Buffer.from('06082a8648ce3d030107', 'hex') },
      { type: pkcs11js.CKA_TOKEN, value: false },
    ],
    [
      { type: pkcs11js.CKA_ID, value: Buffer.from(id) },
      { type: pkcs11js.CKA_TOKEN, value: true },
      { type: pkcs11js.CKA_SIGN, value: true },
      ...Object.entries(attributes).map(([type, value]) => ({ type: Number(type), value })),
    ],
  );
}

/** What the token gets for a message, and whether its answer verifies under the public key. */
export function inputFor(algorithm: AlgorithmName, message: Uint8Array): Uint8Array {
  const row = algorithmRow(algorithm);
  return 'hash' in row ? createHash(row.hash).update(message).digest() : message;
}

export function verifies(
  algorithm: AlgorithmName,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const row = algorithmRow(algorithm);
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  const pss = row.family === 'rsa-pss' ? { padding: 6, saltLength: row.digestBytes } : {};
  return verify(
    'hash' in row ? row.hash : null,
    message,
    { key, dsaEncoding: 'ieee-p1363', ...pss },
    signature,
  );
}
