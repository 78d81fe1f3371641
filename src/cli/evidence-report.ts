/** How the verdict over evidence is told, and which exit status it is. */
import type {
  AttestationResult,
  Check,
  MalformedEvidence,
  PlatformResult,
  Verdict,
} from '../verifier/index.ts';
import { EXIT } from './exit-status.ts';
import { hex, note, printJson, printText } from './output.ts';
import { SIMULATED_WARNING } from './status.ts';

const WORDS = {
  affirming: 'ok',
  warning: 'warn',
  contraindicated: 'FAIL',
  none: 'not checked',
} as const satisfies Record<Verdict, string>;

const STATUS = {
  affirming: EXIT.ok,
  warning: EXIT.warning,
  contraindicated: EXIT.verificationFailed,
  // A result whose every question was left out proves nothing.
  none: EXIT.verificationFailed,
} as const satisfies Record<Verdict, number>;

export function statusOf(verdict: Verdict): number {
  return STATUS[verdict];
}

const WIDTH = Math.max(...Object.values(WORDS).map((word) => word.length));

/** One line: verdict, id, and what a person needs to know. */
export function checkLine(check: Check): string {
  const { id, expected, found, verdict, reason, clause } = check;
  const word = WORDS[verdict].padEnd(WIDTH);
  switch (verdict) {
    case 'affirming':
      return `${word}  ${id}: ${found}`;
    case 'none':
      return `${word}  ${id}: ${reason}`;
    default:
      return `${word}  ${id}: ${reason}; expected ${expected}; found ${found}${clause === undefined ? '' : ` [${clause}]`}`;
  }
}

/** What a last line is made from. */
export type Judgement = Pick<AttestationResult, 'verdict' | 'simulated' | 'checks'>;

export function lastLine(result: Judgement): string {
  switch (result.verdict) {
    case 'affirming':
      return 'PASSED';
    case 'warning': {
      if (result.simulated) return `WARNING: ${SIMULATED_WARNING}`;
      const reasons = result.checks.filter(({ verdict }) => verdict === 'warning');
      return `WARNING: ${reasons.map(({ reason }) => reason).join('; ')}`;
    }
    default:
      return 'FAILED';
  }
}

export function printResult(result: AttestationResult, json: boolean): void {
  const { verdict, format, simulated, evidenceDigest, checks, claims } = result;
  if (json) {
    const clusterId = claims.kind === 'evidence' ? { clusterId: hex(claims.clusterId) } : {};
    printJson({ verdict, format, simulated, evidenceDigest, ...clusterId, checks });
    return;
  }
  for (const check of checks) printText(checkLine(check));
  printText(lastLine(result));
}

export function printPlatformResult(result: PlatformResult, json: boolean): void {
  const { verdict, format, simulated, evidenceDigest, checks } = result;
  if (json) {
    printJson({ verdict, format, simulated, evidenceDigest, checks });
    return;
  }
  for (const check of checks) printText(checkLine(check));
  printText(lastLine(result));
}

/** What can't be decoded has no checks, hence no verdict. */
export function printMalformed(
  { place, problem }: Pick<MalformedEvidence, 'place' | 'problem'>,
  json: boolean,
): void {
  const where = place === '' ? '/' : place;
  if (json) {
    printJson({ verdict: 'none', malformed: { place: where, problem }, checks: [] });
    return;
  }
  note(`not decodable: ${where}: ${problem}`);
  printText('FAILED');
}
