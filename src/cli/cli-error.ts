import { EXIT } from './exit-status.ts';
import type { ExitStatus } from './exit-status.ts';

export interface CliErrorFacts {
  readonly status: ExitStatus;
  /** What was wrong. */
  readonly problem: string;
  /** What would have been right. */
  readonly expected?: string | undefined;
  /** What to do now. */
  readonly wayOut?: string | undefined;
  /** Facts for programs, in `--json` only. */
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
}

/** Every failure that a command foresees. Anything else is a bug and prints its stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly status: ExitStatus;
  readonly expected: string | undefined;
  readonly wayOut: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  constructor({ status, problem, expected, wayOut, facts = {} }: CliErrorFacts) {
    super(problem);
    this.status = status;
    this.expected = expected;
    this.wayOut = wayOut;
    this.facts = facts;
  }
}

/** Wrong arguments or files: nothing was tried. */
export function usageError(problem: string, expected: string, wayOut: string): CliError {
  return new CliError({ status: EXIT.usage, problem, expected, wayOut });
}

export function unavailable(problem: string, wayOut: string): CliError {
  return new CliError({ status: EXIT.unavailable, problem, wayOut });
}
