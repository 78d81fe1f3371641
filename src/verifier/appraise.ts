/**
 * Appraisal (RFC 9334 §8.2): verified evidence held against what a relying party wants. The verdict follows
 * from the checks alone, and every question that was not asked is listed with its reason.
 */
import { toHex } from '../../enclave/wire/bytes.ts';
import type { EvidenceKind } from '../../enclave/wire/layouts.ts';
import { appraiseClaims } from './appraise-claims.ts';
import { appraiseTime } from './appraise-time.ts';
import { appraiseNonce, checkNonceInput, type NonceExpectation } from './nonce.ts';
import type { AppraisalPolicy } from './appraisal-policy.ts';
import { judge, warn, worstVerdict, type Check, type Verdict } from './check.ts';
import type { Claims } from './claims.ts';
import { REGISTER_NAMES } from './evidence-format.ts';
import { anchorCheck, simulatedCheck, sourceCheck } from './policy-checks.ts';
import { valueCheck } from './value-check.ts';
import { assertVerified, type VerifiedEvidence } from './verify-evidence.ts';

/** What an appraisal is done with. Either `nonce` or `noNonce`, never both, never neither. */
export type AppraisalInput = NonceExpectation & {
  /** The relying party's own clock, milliseconds since the Unix epoch. */
  readonly now: number;
  /** The kind that is wanted; default `evidence`. No kind is accepted for the other. */
  readonly kind?: EvidenceKind;
};

/** An Attestation Result (RFC 9334 §4.1), with AR4SI's tiers. */
export interface AttestationResult {
  /** The worst of all checks. */
  readonly verdict: Verdict;
  readonly format: string;
  readonly simulated: boolean;
  /** All questions, also those that were not asked. */
  readonly checks: readonly Check[];
  /** Names the claims, lower-case hex. */
  readonly evidenceDigest: string;
  /** What the enclave says. To be believed only with the verdict. */
  readonly claims: Claims;
}

/**
 * Holds verified evidence against a policy. `affirming` only when nothing failed, all registers and the cluster
 * were required, the values come from a release, and the platform is real.
 *
 * It does NOT look at key statements ({@link verifyKeyStatement}), the log's checkpoint, or at whether the caller
 * drew its nonce at random and once.
 * @throws RangeError for an empty, short or long nonce, an empty reason, or a time that is not an integer
 * @throws TypeError when `evidence` was not made by `verifyEvidence`
 */
export function appraise(
  evidence: VerifiedEvidence,
  policy: AppraisalPolicy,
  input: AppraisalInput,
): AttestationResult {
  assertVerified(evidence);
  checkNonceInput(input);
  if (!Number.isSafeInteger(input.now) || input.now < 0) throw new RangeError('now: not a time');
  const checks = [
    ...evidence.checks,
    kindCheck(evidence, input.kind ?? 'evidence'),
    anchorCheck(evidence.anchor, policy.trustAnchors),
    simulatedCheck(evidence.simulated, policy.simulated),
    ...REGISTER_NAMES.map((name) =>
      valueCheck(name, evidence.attested.registers[name], policy.registers[name], input.now),
    ),
    ...svnAndDebugChecks(evidence, policy),
    ...appraiseClaims(evidence, policy, input.now),
    ...appraiseTime(evidence, policy.time, input.now),
    appraiseNonce(evidence, input),
    sourceCheck(policy.source),
    completenessCheck(policy, evidence.claims.kind),
  ];
  return {
    verdict: worstVerdict(checks),
    format: evidence.format,
    simulated: evidence.simulated,
    checks,
    evidenceDigest: toHex(evidence.evidenceDigest),
    claims: evidence.claims,
  };
}

function kindCheck(evidence: VerifiedEvidence, kind: EvidenceKind): Check {
  return judge(evidence.claims.kind === kind, {
    id: 'kind',
    expected: kind,
    found: evidence.claims.kind,
    otherwise: 'one kind of evidence is never accepted for the other',
  });
}

function svnAndDebugChecks(evidence: VerifiedEvidence, policy: AppraisalPolicy): Check[] {
  const { svn, debug } = evidence.attested;
  return [
    judge(svn >= policy.svnAtLeast, {
      id: 'svn',
      expected: `at least ${String(policy.svnAtLeast)}`,
      found: String(svn),
      otherwise: 'a release that must not be trusted any more',
    }),
    judge(!debug, {
      id: 'debug',
      expected: 'off',
      found: debug ? 'on' : 'off',
      otherwise: 'a debugged enclave has no secrets',
    }),
  ];
}

/** Without these the evidence says "some enclave", so nothing can be affirmed (PROTOCOLS §2, §6). */
function completenessCheck({ registers, cluster }: AppraisalPolicy, kind: EvidenceKind): Check {
  const skipped: string[] = REGISTER_NAMES.filter((name) => registers[name].rule === 'skip');
  // Setup evidence is made before there is a cluster that could be required.
  if (cluster.rule === 'skip' && kind === 'evidence') skipped.push('cluster');
  const question = {
    id: 'completeness',
    expected: 'all registers and the cluster are required',
    found: skipped.length === 0 ? 'all are' : `skipped: ${skipped.join(', ')}`,
    otherwise: 'another enclave or another cluster would pass too',
  };
  return skipped.length === 0 ? judge(true, question) : warn(question);
}
