/**
 * Sealed records (PROTOCOLS §4, docs/spec/sealing.md). A record opens only as what the index says it
 * is: type, id and version are authenticated, so that no record can stand in for another.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Entropy } from '../ports.ts';
import { concatBytes, label, lengthPrefixed, u16, u32, u64, utf8 } from '../wire/bytes.ts';
import { hkdf } from './kdf.ts';

const FORMAT = 1;
const VERSION_AT = 2;
const SALT_AT = VERSION_AT + 8;
const CIPHERTEXT_AT = SALT_AT + 32;
const TAG_BYTES = 16;
// The key is used once, so the nonce may be constant.
const ZERO_NONCE = new Uint8Array(12);

/** What a record is, as the index names it. */
export interface RecordName {
  readonly type: string;
  readonly id: string;
  /** Counts the rewrites of this (type, id), from 1. */
  readonly version: bigint;
}

/** The record does not open under this key as this record. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

export function sealedAad(clusterId: Uint8Array, name: RecordName): Uint8Array {
  return concatBytes(
    label('sealwright/sealed/v1'),
    u16(FORMAT),
    clusterId,
    lengthPrefixed(utf8(name.type)),
    lengthPrefixed(utf8(name.id)),
    u64(name.version),
  );
}

/** u16 format ‖ u64 version ‖ salt[32] ‖ ciphertext ‖ tag[16]. */
export function seal(
  typeKey: Uint8Array,
  clusterId: Uint8Array,
  name: RecordName,
  plaintext: Uint8Array,
  entropy: Entropy,
): Uint8Array {
  const salt = entropy.bytes(32);
  const aad = sealedAad(clusterId, name);
  const cipher = createCipheriv('aes-256-gcm', hkdf(typeKey, salt, aad), ZERO_NONCE);
  cipher.setAAD(aad);
  const ciphertext = concatBytes(cipher.update(plaintext), cipher.final());
  return concatBytes(u16(FORMAT), u64(name.version), salt, ciphertext, cipher.getAuthTag());
}

/** The version that a sealed record claims; undefined when it is not one. Believed only after `unseal`. */
export function claimedVersion(sealed: Uint8Array): bigint | undefined {
  if (sealed.byteLength < CIPHERTEXT_AT + TAG_BYTES) return undefined;
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  return view.getUint16(0) === FORMAT ? view.getBigUint64(VERSION_AT) : undefined;
}

/** Throws SealError when the record is not the named one, or the key is another. */
export function unseal(
  typeKey: Uint8Array,
  clusterId: Uint8Array,
  name: RecordName,
  sealed: Uint8Array,
): Uint8Array {
  if (claimedVersion(sealed) !== name.version) throw new SealError();
  const aad = sealedAad(clusterId, name);
  const key = hkdf(typeKey, sealed.subarray(SALT_AT, CIPHERTEXT_AT), aad);
  const decipher = createDecipheriv('aes-256-gcm', key, ZERO_NONCE, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.byteLength - TAG_BYTES));
  try {
    const body = sealed.subarray(CIPHERTEXT_AT, sealed.byteLength - TAG_BYTES);
    return concatBytes(decipher.update(body), decipher.final());
  } catch {
    throw new SealError();
  }
}

/** Key of the boot record. */
export function bootKey(bootSecret: Uint8Array, clusterId: Uint8Array): Uint8Array {
  return hkdf(bootSecret, clusterId, label('sealwright/seal/boot/v1'));
}

/** What the HSM computes an HMAC over to open the root record. */
export function rootHmacInput(clusterId: Uint8Array, generation: number): Uint8Array {
  return concatBytes(label('sealwright/seal/root/v1'), clusterId, u32(generation));
}

/** Key of the root record: platform secret and HSM must agree. */
export function rootSealKey(
  rootSecret: Uint8Array,
  hsmMac: Uint8Array,
  clusterId: Uint8Array,
): Uint8Array {
  return hkdf(concatBytes(rootSecret, hsmMac), clusterId, label('sealwright/seal/root/v1'));
}

/** Key of all records of one type. */
export function typeKey(rootKey: Uint8Array, clusterId: Uint8Array, type: string): Uint8Array {
  const info = concatBytes(label('sealwright/seal/type/v1'), lengthPrefixed(utf8(type)));
  return hkdf(rootKey, clusterId, info);
}

/** What the HSM secret of one enclave key version computes its HMAC over. */
export function enclaveKeyHmacInput(
  clusterId: Uint8Array,
  ring: string,
  version: number,
): Uint8Array {
  return concatBytes(
    label('sealwright/seal/key/v1'),
    clusterId,
    lengthPrefixed(utf8(ring)),
    u32(version),
  );
}

/** Key of one enclave key's PKCS#8: without its HSM secret no backup opens. */
export function enclaveKeySealKey(
  keyTypeKey: Uint8Array,
  hsmMac: Uint8Array,
  clusterId: Uint8Array,
): Uint8Array {
  return hkdf(concatBytes(keyTypeKey, hsmMac), clusterId, label('sealwright/seal/key/v1'));
}
