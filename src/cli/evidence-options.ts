/** What the commands about evidence share: nonces, times, files, and where evidence comes from. */
import { readFileSync } from 'node:fs';
import { MAX_NONCE_BYTES, MIN_NONCE_BYTES } from '../../enclave/wire/layouts.ts';
import {
  AppraisalPolicyError,
  MAX_PLATFORM_NONCE_BYTES,
  MIN_PLATFORM_NONCE_BYTES,
  parseAppraisalPolicy,
  type AppraisalPolicy,
  type NonceExpectation,
  type PlatformNonce,
} from '../verifier/index.ts';
import { readJsonFile } from './canonical-file.ts';
import { usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';

export const NONCE_OPTIONS = {
  nonce: { value: 'HEX', help: '16 to 64 random bytes that the evidence must answer' },
  'no-nonce': { value: 'WHY', help: 'no freshness is asked for, and why' },
} as const;

/** When to judge, and what is enough. */
export const JUDGING_OPTIONS = {
  time: {
    value: 'TIME',
    help: 'now (default), at-issue, or a time like 2026-11-22T12:00:00Z to judge at',
  },
  'accept-simulated': {
    value: 'WHY',
    help: 'a simulated platform is enough, and why; the verdict is at most a warning',
  },
} as const;

/** Random bytes for a nonce that nobody gave. */
export const NONCE_BYTES = 32;

/** undefined when neither option is given. Throws CliError. */
export function nonceOf(input: Arguments): NonceExpectation | undefined {
  const nonce = input.text('nonce');
  const noNonce = input.text('no-nonce');
  if (nonce !== undefined && noNonce !== undefined) {
    throw usageError('--nonce and --no-nonce are both given', 'one of them', 'leave one away');
  }
  if (nonce !== undefined) return { nonce: parseNonce(nonce) };
  if (noNonce === undefined) return undefined;
  if (noNonce.trim() === '') {
    throw usageError('--no-nonce gives no reason', 'the reason in words', 'say why');
  }
  return { noNonce };
}

/** Throws CliError when neither option is given. */
export function requiredNonce(input: Arguments): NonceExpectation {
  const nonce = nonceOf(input);
  if (nonce !== undefined) return nonce;
  throw usageError(
    '--nonce is missing',
    '--nonce HEX, or --no-nonce WHY for evidence that may be old',
    'draw one: openssl rand -hex 32',
  );
}

/** As {@link requiredNonce}, of the lengths that platforms carry. */
export function platformNonce(input: Arguments): PlatformNonce {
  const text = input.text('nonce');
  if (text === undefined || input.text('no-nonce') !== undefined) {
    const { noNonce } = requiredNonce(input);
    return { noNonce: noNonce ?? '' };
  }
  return { nonce: parseNonce(text, MIN_PLATFORM_NONCE_BYTES, MAX_PLATFORM_NONCE_BYTES) };
}

function parseNonce(text: string, min = MIN_NONCE_BYTES, max = MAX_NONCE_BYTES): Uint8Array {
  const bytes = /^(?:[0-9a-fA-F]{2})+$/.test(text) ? Buffer.from(text, 'hex') : undefined;
  const length = bytes?.byteLength ?? 0;
  if (bytes === undefined || length < min || length > max) {
    throw usageError(
      `--nonce is "${text}"`,
      `${String(min)} to ${String(max)} bytes in hex`,
      'draw one: openssl rand -hex 32',
    );
  }
  return Uint8Array.from(bytes);
}

/** An appraisal policy. Throws CliError (64) with all problems of the file. */
export function readReference(path: string): AppraisalPolicy {
  const document: unknown = readJsonFile(path);
  try {
    return parseAppraisalPolicy(document);
  } catch (error) {
    if (!(error instanceof AppraisalPolicyError)) throw error;
    throw usageError(
      `--reference: ${path} is no appraisal policy:\n    ${error.message.replaceAll('\n', '\n    ')}`,
      'docs/spec/appraisal-policy.md',
      'correct the file, or write one with "npx sealwright reference-values"',
    );
  }
}

/** Options only ever say more than the file: which simulated platform is enough, which moment counts. */
export function policyFor(input: Arguments, path: string, atIssue: boolean): AppraisalPolicy {
  const policy = readReference(path);
  const because = input.text('accept-simulated');
  const asksForNow = input.text('time') === 'now' && policy.time.mode === 'at-issue';
  return {
    ...policy,
    ...(because === undefined ? {} : { simulated: { rule: 'accept-simulated', because } }),
    ...(atIssue ? { time: { mode: 'at-issue' } } : {}),
    ...(asksForNow ? { time: { mode: 'now' } } : {}),
  };
}

/** A file named by a word of the command line; `-` is stdin. Throws CliError (64). */
export function readNamedFile(path: string): Uint8Array {
  try {
    return readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    throw usageError((error as Error).message, 'a readable file, or -', 'correct the path');
  }
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2})$/;

/** `--time`: the moment to judge at, and whether that is the moment of issue. */
export function timeOf(input: Arguments): { readonly now: number; readonly atIssue: boolean } {
  const text = input.text('time') ?? 'now';
  if (text === 'now' || text === 'at-issue')
    return { now: Date.now(), atIssue: text === 'at-issue' };
  const now = RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
  if (now >= 0) return { now, atIssue: false };
  throw usageError(
    `--time is "${text}"`,
    'now, at-issue, or a time like 2026-11-22T12:00:00Z',
    'correct it',
  );
}
