/** Secrets that only one measurement on one platform gets (docs/spec/simulated-quote.md). */
import { hkdfSync } from 'node:crypto';
import type { Registers } from './measurement.ts';

const SALT = 'sealwright/simulated-secret/v1\0';
/** A real platform's derivation would never begin like this (PROTOCOLS §13). */
const KIND = 'simulated\0';
export const SECRET_BYTES = 32;

/** The closed list. */
export const SECRET_LABELS = ['boot/v1', 'root/v1'] as const;
export type SecretLabel = (typeof SECRET_LABELS)[number];

export function isSecretLabel(label: string): label is SecretLabel {
  return (SECRET_LABELS as readonly string[]).includes(label);
}

export function derivePlatformSecret(
  rootSecret: Uint8Array,
  registers: Registers,
  svn: number,
  label: SecretLabel,
): Uint8Array {
  const labelBytes = Buffer.from(label);
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(svn, 0);
  numbers.writeUInt32BE(labelBytes.byteLength, 4);
  const info = Buffer.concat([Buffer.from(KIND), ...registers, numbers, labelBytes]);
  return new Uint8Array(hkdfSync('sha256', rootSecret, SALT, info, SECRET_BYTES));
}
