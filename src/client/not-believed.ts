/** What a careful client throws when an answer of the host fails a check. */
import type { Check } from '../verifier/index.ts';

/** The failed checks of an answer; nothing of that answer was used. Never a matter of trying again. */
export class NotBelieved extends Error {
  override readonly name = 'NotBelieved';
  /** At least one, each contraindicated. */
  readonly checks: readonly Check[];
  constructor(checks: readonly Check[]) {
    super(checks.map(({ id, reason }) => `${id}: ${reason}`).join('; '));
    this.checks = checks;
  }
}

export function failedOf(checks: readonly Check[]): readonly Check[] {
  return checks.filter(({ verdict }) => verdict === 'contraindicated');
}

/** Throws NotBelieved when any check failed. */
export function requireAll(checks: readonly Check[]): void {
  const failed = failedOf(checks);
  if (failed.length > 0) throw new NotBelieved(failed);
}

export interface Asked {
  readonly id: string;
  readonly expected: string;
  readonly found: string;
}

/** Affirming or contraindicated; `otherwise` is why it matters. */
export function judge(passed: boolean, asked: Asked, otherwise: string): Check {
  return passed
    ? { ...asked, verdict: 'affirming', reason: 'as expected' }
    : { ...asked, verdict: 'contraindicated', reason: otherwise };
}

/** What stands in the place of a thing that can't be decoded, or that is not there at all. */
export function formCheck(
  id: string,
  expected: string,
  error: { readonly place: string; readonly problem: string },
): Check {
  const place = error.place === '' ? '/' : error.place;
  return judge(
    false,
    { id, expected, found: `${place}: ${error.problem}` },
    'what can’t be decoded can’t be checked',
  );
}
