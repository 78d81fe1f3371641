/** Evidence for tests: the maker that the vectors use, and the calls of the verifier around it. */
import { NONCE, NOW, makeEvidence, makePolicy, utf8 } from '../../scripts/evidence/index.ts';
import type { Changes, EvidenceShape, JsonObject } from '../../scripts/evidence/index.ts';
import {
  appraise,
  decodeBundle,
  parseAppraisalPolicy,
  verifyEvidence,
  type AppraisalInput,
  type AttestationResult,
  type VerifiedEvidence,
} from '../../src/verifier/index.ts';

export * from '../../scripts/evidence/index.ts';

/** Verified, but not appraised. */
export async function verified(
  shape: Partial<EvidenceShape> = {},
  policy: JsonObject = makePolicy(),
): Promise<VerifiedEvidence> {
  const bundle = decodeBundle(utf8(makeEvidence(shape).text));
  return verifyEvidence(bundle, parseAppraisalPolicy(policy));
}

/** Both steps, with a policy that good evidence meets, but for `changes`. */
export async function appraised(
  shape: Partial<EvidenceShape> = {},
  changes: Changes = {},
  input: AppraisalInput = { now: NOW, nonce: NONCE },
): Promise<AttestationResult> {
  const policy = makePolicy(changes, shape.platform);
  return appraise(await verified(shape, policy), parseAppraisalPolicy(policy), input);
}

/** Ids of the checks that failed, in order. */
export function failedChecks({ checks }: Pick<AttestationResult, 'checks'>): string[] {
  return checks.filter(({ verdict }) => verdict === 'contraindicated').map(({ id }) => id);
}

/** A generator of reproducible numbers below 2^32 (xorshift32): a failing run can be run again. */
export function seededNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
