/** Receipts as files: the two forms, and which of them a file has. */
import { usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';
import type { Receipt } from '../tlog/receipt-file.ts';
import {
  encodeReceipt,
  encodeReceiptAsTlogProof,
  parseReceipt,
  parseReceiptFromTlogProof,
} from '../tlog/receipt-file.ts';

export const RECEIPT_FORMATS = ['json', 'tlog-proof'] as const;
export type ReceiptFormat = (typeof RECEIPT_FORMATS)[number];

export function formatOf(input: Arguments): ReceiptFormat | undefined {
  return RECEIPT_FORMATS.find((format) => format === input.text('format'));
}

export function encodeAs(format: ReceiptFormat, receipt: Receipt): Uint8Array {
  return format === 'json' ? encodeReceipt(receipt) : encodeReceiptAsTlogProof(receipt);
}

const OPENING_BRACE = 0x7b;

/** Without a format its first byte tells. Throws CliError (64) and MalformedReceipt. */
export function decodeReceipt(
  bytes: Uint8Array,
  format: ReceiptFormat = bytes[0] === OPENING_BRACE ? 'json' : 'tlog-proof',
  salt?: Uint8Array,
): Receipt {
  if (format === 'tlog-proof') return parseReceiptFromTlogProof(bytes, salt);
  if (salt === undefined) return parseReceipt(bytes);
  throw usageError(
    '--salt is given with a JSON receipt',
    'no --salt: it is in the file',
    'leave it away',
  );
}

/** `--salt`, for the form that has no place for it. Throws CliError (64). */
export function saltOf(input: Arguments): Uint8Array | undefined {
  const text = input.text('salt');
  if (text === undefined) return undefined;
  if (/^[0-9a-f]{64}$/.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'));
  throw usageError(
    `--salt is "${text}"`,
    '32 bytes as lower-case hex',
    '"sealwright sign --format tlog-proof" tells it',
  );
}
