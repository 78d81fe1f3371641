/** Checks as `src/verifier/check.ts` has them, which this folder can't import: the arrow goes the other way. */

export type CheckVerdict = 'affirming' | 'warning' | 'contraindicated' | 'none';

/** One question and its answer; texts hold no control character. */
export interface LogCheck {
  /** Stable name, for programs. */
  readonly id: string;
  readonly expected: string;
  readonly found: string;
  /** `none`: not checked, and `reason` says why. */
  readonly verdict: CheckVerdict;
  readonly reason: string;
}

/** Affirming or contraindicated; `otherwise` is why it matters. */
export function judge(
  passed: boolean,
  question: Omit<LogCheck, 'verdict' | 'reason'>,
  otherwise: string,
): LogCheck {
  return passed
    ? { ...question, verdict: 'affirming', reason: 'as expected' }
    : { ...question, verdict: 'contraindicated', reason: otherwise };
}

export function notChecked(id: string, found: string, because: string): LogCheck {
  return { id, expected: 'not checked', found, verdict: 'none', reason: because };
}

/** The worst of the verdicts; checks that were not made do not count. */
export function worstVerdict(checks: readonly LogCheck[]): CheckVerdict {
  for (const verdict of ['contraindicated', 'warning', 'affirming'] as const) {
    if (checks.some((check) => check.verdict === verdict)) return verdict;
  }
  return 'none';
}
