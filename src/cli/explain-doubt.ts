/** Why an answer was not believed, in words. */
import type { Check } from '../verifier/index.ts';
import { CliError } from './cli-error.ts';
import { checkLine } from './evidence-report.ts';
import { EXIT } from './exit-status.ts';

/** What is read of a NotBelieved. */
export interface Doubt extends Error {
  readonly checks: readonly Check[];
}

export function explainDoubt({ checks }: Doubt): CliError {
  const lines = checks.map((check) => `\n    ${checkLine(check)}`);
  return new CliError({
    status: EXIT.verificationFailed,
    problem: `the answer of the host is not believed, and nothing of it was used:${lines.join('')}`,
    wayOut:
      'if the service was changed on purpose, get its new reference file from its admins; if not, ' +
      'do not use it ("npx sealwright verify-evidence" shows everything that evidence says)',
    facts: { check: checks[0]?.id, checks },
  });
}
