/**
 * Verifies and judges one piece of platform evidence. It imports the verifier and nothing of Node, so that the
 * browser test can bundle it and get the same answers.
 */
import {
  MalformedEvidence,
  appraisePlatform,
  parsePlatformPolicy,
  verifyPlatformEvidence,
  type Check,
} from '../../src/verifier/index.ts';
import type { Outcome } from './run-evidence-vector.ts';

/** Bytes are lower-case hex, so that a case can travel to a browser. */
export interface PlatformCase {
  readonly evidence: string;
  /** By file name. */
  readonly collateral: Readonly<Record<string, string>>;
  readonly policy: unknown;
  /** Unix milliseconds. */
  readonly now: number;
  readonly nonce?: string;
  /** By field name. */
  readonly given?: Readonly<Record<string, string>>;
}

export function unhex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.byteLength; i += 1) {
    bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

const bytesByName = (hex: Readonly<Record<string, string>>): Map<string, Uint8Array> =>
  new Map(Object.entries(hex).map(([name, text]) => [name, unhex(text)]));

export interface PlatformOutcome extends Outcome {
  readonly checks: readonly Check[];
}

/** Never rejects but for a bug: malformed bytes are an outcome. */
export async function judgePlatform(input: PlatformCase): Promise<PlatformOutcome> {
  const policy = parsePlatformPolicy(input.policy);
  const nonce =
    input.nonce === undefined ? { noNonce: 'recorded long ago' } : { nonce: unhex(input.nonce) };
  try {
    const evidence = await verifyPlatformEvidence(unhex(input.evidence), {
      ...policy,
      collateral: bytesByName(input.collateral),
    });
    const { verdict, checks } = appraisePlatform(evidence, policy, {
      now: input.now,
      ...nonce,
      ...(input.given === undefined ? {} : { given: bytesByName(input.given) }),
    });
    const ids = (wanted: string): string[] =>
      checks.filter((check) => check.verdict === wanted).map(({ id }) => id);
    return {
      verdict,
      failed: ids('contraindicated'),
      warned: ids('warning'),
      place: undefined,
      checks,
    };
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    return { verdict: 'malformed', failed: [], warned: [], place: error.place, checks: [] };
  }
}
