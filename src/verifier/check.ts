/**
 * Checks and verdicts. Every question that verification or appraisal asks becomes one check with what was
 * expected and what was found, so that a result shows what was proved and what nobody looked at.
 */

/** The tiers of AR4SI (draft-ietf-rats-ar4si §2.3). `none`: no statement is made. */
export type Verdict = 'affirming' | 'warning' | 'contraindicated' | 'none';

/** One question and its answer; all texts are printable ASCII or were checked to hold no control character. */
export interface Check {
  /** Stable name, for programs. */
  readonly id: string;
  readonly expected: string;
  readonly found: string;
  /** `none`: not checked, and `reason` says why. */
  readonly verdict: Verdict;
  /** For people: what it means. */
  readonly reason: string;
  /** Where the vendor's document demands it, for what a vendor's document demands. */
  readonly clause?: string;
}

/** What a check asks, before its verdict. */
export interface Question {
  readonly id: string;
  readonly expected: string;
  readonly found: string;
  /** Why this matters when it fails. */
  readonly otherwise: string;
  readonly clause?: string;
}

/** Affirming or contraindicated: for questions whose answer leaves no middle. */
export function judge(passed: boolean, question: Question): Check {
  return passed
    ? answer(question, 'affirming', 'as expected')
    : answer(question, 'contraindicated', question.otherwise);
}

function answer(question: Question, verdict: Verdict, reason: string): Check {
  const { id, expected, found, clause } = question;
  return { id, expected, found, verdict, reason, ...(clause === undefined ? {} : { clause }) };
}

/** A question that nobody asked, with the reason of whoever decided so. */
export function notChecked(id: string, found: string, because: string): Check {
  return { id, expected: 'not checked', found, verdict: 'none', reason: because };
}

/** What weakens the result although nothing is wrong. */
export function warn(question: Question): Check {
  return answer(question, 'warning', question.otherwise);
}

/**
 * The verdict over all checks: the worst of them. Checks that were not made do not count; those that must
 * not be left out come with a check of their own that warns.
 */
export function worstVerdict(checks: readonly Check[]): Verdict {
  for (const verdict of ['contraindicated', 'warning', 'affirming'] as const) {
    if (checks.some((check) => check.verdict === verdict)) return verdict;
  }
  return 'none';
}

/** A moment as people read it. Numbers beyond JavaScript's calendar stay numbers. */
export function moment(unixMs: number): string {
  return Math.abs(unixMs) <= 8.64e15 ? new Date(unixMs).toISOString() : `${String(unixMs)} ms`;
}
