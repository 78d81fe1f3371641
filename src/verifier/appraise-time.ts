/** Time: claims and certificates held against the relying party's clock, or against the moment of issue. */
import type { TimeRule } from './appraisal-policy.ts';
import { judge, moment, notChecked, type Check } from './check.ts';
import { validityChecks } from './validity-checks.ts';
import type { VerifiedEvidence } from './verify-evidence.ts';

/** Evidence of a clock that runs ahead of ours by more than this is from the future. */
export const CLOCK_SKEW_MS = 60_000;

/** Claims are issued for at most an hour (docs/spec/evidence.md). */
export const MAX_LIFETIME_MS = 3_600_000;

export function appraiseTime(evidence: VerifiedEvidence, rule: TimeRule, now: number): Check[] {
  const { issuedAtMs, notAfterMs } = evidence.claims;
  const checks = [
    judge(issuedAtMs <= now + CLOCK_SKEW_MS, {
      id: 'issued-at',
      expected: `not after ${moment(now + CLOCK_SKEW_MS)}`,
      found: moment(issuedAtMs),
      otherwise: 'issued in the future: one of the two clocks is wrong',
    }),
    judge(issuedAtMs < notAfterMs && notAfterMs - issuedAtMs <= MAX_LIFETIME_MS, {
      id: 'lifetime',
      expected: `at most ${String(MAX_LIFETIME_MS / 1000)} s`,
      found: `${String((notAfterMs - issuedAtMs) / 1000)} s`,
      otherwise: 'no enclave issues claims for longer',
    }),
    rule.mode === 'at-issue'
      ? notChecked('not-after', moment(notAfterMs), 'time mode at-issue: old evidence is wanted')
      : judge(now <= notAfterMs, {
          id: 'not-after',
          expected: `${moment(now)} or later`,
          found: moment(notAfterMs),
          otherwise: 'old evidence: its keys are gone, and who knows what runs now',
        }),
  ];
  if (rule.mode === 'max-age') {
    checks.push(
      judge(now - issuedAtMs <= rule.seconds * 1000, {
        id: 'max-age',
        expected: `at most ${String(rule.seconds)} s`,
        found: `${String((now - issuedAtMs) / 1000)} s`,
        otherwise: 'older than the policy allows',
      }),
    );
  }
  checks.push(...validityChecks(evidence.validity, rule.mode === 'at-issue' ? issuedAtMs : now));
  return checks;
}
