/** What a command says when it does not believe the host. */
import { expect } from 'vitest';
import type { Finished } from './stack.ts';

interface Doubt {
  readonly check: string;
  readonly checks: readonly {
    readonly id: string;
    readonly expected: string;
    readonly found: string;
  }[];
}

/** Ids of the checks that failed, of a command with `--json`; asserts exit 2 and that nothing was printed. */
export function doubtedChecks({ status, stdout, stderr }: Finished): string[] {
  expect([status, stdout], stderr).toEqual([2, '']);
  const { check, checks } = (JSON.parse(stderr) as { error: Doubt }).error;
  expect(check).toBe(checks[0]?.id);
  for (const { expected, found } of checks) expect([expected, found]).not.toContain('');
  return checks.map(({ id }) => id);
}
