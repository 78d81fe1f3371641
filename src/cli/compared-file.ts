/** The file that a receipt is said to be about, in the forms in which a key may have signed it. */
import { createHash } from 'node:crypto';
import { algorithmRow, isAlgorithmName } from '../../enclave/wire/algorithm.ts';
import { MAX_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import { judge } from '../client/not-believed.ts';
import type { ReceiptResult } from '../tlog/verify-receipt.ts';
import { readChunks } from './input-file.ts';

export interface ComparedForm {
  readonly toBeSigned: Uint8Array;
  /** A sentence about what was compared. */
  readonly says: string;
}

/**
 * What the key may have signed: the file itself, or its digest. A leaf does not say which, so without `payload` (what
 * the key's statement says) both are tried. Throws CliError (64) for a file that can't be read.
 */
export async function formsOf(
  path: string,
  alg: string,
  payload: string | undefined,
): Promise<readonly ComparedForm[]> {
  const row = isAlgorithmName(alg) ? algorithmRow(alg) : undefined;
  const hash = row !== undefined && 'hash' in row ? createHash(row.hash) : undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  await readChunks('--in', path, (chunk) => {
    hash?.update(chunk);
    length += chunk.byteLength;
    // No message is longer, so only the digest of this file can have been signed.
    if (length <= MAX_MESSAGE_BYTES) chunks.push(chunk);
  });
  const forms: ComparedForm[] = [];
  if (length <= MAX_MESSAGE_BYTES && payload !== 'digest') {
    const says = `Compared was ${path} as a message, which the enclave hashed itself.`;
    forms.push({ toBeSigned: Buffer.concat(chunks), says });
  }
  if (hash !== undefined && payload !== 'message') {
    const says = `Compared was the digest of ${path}, which the caller computed.`;
    forms.push({ toBeSigned: Uint8Array.from(hash.digest()), says });
  }
  return forms;
}

/** What a receipt for a message is worth for a file that no key can have signed as one. */
export function tooLarge(alone: ReceiptResult, path: string): ReceiptResult {
  const id = 'receipt-to-be-signed';
  const asked = {
    id,
    expected: `a message of at most ${String(MAX_MESSAGE_BYTES)} bytes`,
    found: `${path} is larger`,
  };
  const check = judge(false, asked, 'the leaf is about another message');
  return {
    ...alone,
    verdict: 'contraindicated',
    checks: [...alone.checks.filter((one) => one.id !== id), check],
    says: ['This receipt proves nothing.', `${id}: ${check.reason}.`],
  };
}
