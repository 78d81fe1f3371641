/** Files that commands write; `-` is stdout, which has room for one thing only. */
import { writeFileSync } from 'node:fs';
import { usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';

/** Throws CliError (64) when `--json` and these options want stdout more than once. */
export function requireOneStdout(input: Arguments, options: readonly string[]): void {
  const wanting = [
    ...(input.json ? ['--json'] : []),
    ...options.filter((name) => input.text(name) === '-').map((name) => `--${name} -`),
  ];
  if (wanting.length < 2) return;
  const both = wanting.length === 2 ? 'both ' : '';
  throw usageError(`${wanting.join(' and ')} ${both}want stdout`, 'one of them', 'write to a file');
}

/** Throws CliError (64). */
export function writeOutput(option: string, path: string, bytes: Uint8Array): void {
  if (path === '-') {
    process.stdout.write(bytes);
    return;
  }
  try {
    writeFileSync(path, bytes);
  } catch (error) {
    throw usageError(
      `--${option}: ${(error as Error).message}`,
      'a file that can be written',
      'correct the path',
    );
  }
}
