/** Bytes of a simulated quote (docs/spec/simulated-quote.md), for the platform that signs them. */
import { sign, type KeyObject } from 'node:crypto';
import type { Registers } from './measurement.ts';

const LABEL = 'sealwright/simulated-quote/v1\0';
const LAYOUT_VERSION = 1;

export const STATEMENT_BYTES = 280;
export const QUOTE_BYTES = 376;
export const REPORT_DATA_BYTES = 64;

const OFFSETS = {
  layoutVersion: 30,
  svn: 32,
  flags: 36,
  platformId: 40,
  registers: [72, 120, 168],
  reportData: 216,
} as const;

export interface Statement {
  readonly svn: number;
  readonly debug: boolean;
  /** 32 bytes. */
  readonly platformId: Uint8Array;
  readonly registers: Registers;
  /** 64 bytes. */
  readonly reportData: Uint8Array;
}

function place(target: Uint8Array, offset: number, bytes: Uint8Array, length: number): void {
  if (bytes.byteLength !== length) throw new RangeError(`expected ${String(length)} bytes`);
  target.set(bytes, offset);
}

/** The signed 280 bytes. Throws RangeError for a field of another length. */
export function encodeStatement(statement: Statement): Uint8Array {
  const bytes = new Uint8Array(STATEMENT_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(LABEL));
  view.setUint16(OFFSETS.layoutVersion, LAYOUT_VERSION);
  view.setUint32(OFFSETS.svn, statement.svn);
  view.setUint32(OFFSETS.flags, statement.debug ? 1 : 0);
  place(bytes, OFFSETS.platformId, statement.platformId, 32);
  statement.registers.forEach((register, i) => {
    place(bytes, OFFSETS.registers[i] ?? STATEMENT_BYTES, register, 48);
  });
  place(bytes, OFFSETS.reportData, statement.reportData, REPORT_DATA_BYTES);
  return bytes;
}

/** Statement ‖ signature. */
export function signQuote(statement: Statement, attestationKey: KeyObject): Uint8Array {
  const signed = encodeStatement(statement);
  // P1363, because Web Crypto reads no other form.
  const signature = sign('sha384', signed, { key: attestationKey, dsaEncoding: 'ieee-p1363' });
  const quote = new Uint8Array(QUOTE_BYTES);
  quote.set(signed);
  place(quote, STATEMENT_BYTES, signature, QUOTE_BYTES - STATEMENT_BYTES);
  return quote;
}
