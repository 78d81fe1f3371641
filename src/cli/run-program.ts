/** Runs the program that stands after `--`, with our stdin, stdout and stderr. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { usageError } from './cli-error.ts';
import type { StopSignal } from './stop-signals.ts';

/** Resolves with the program's exit status; 128 + number for one that a signal ended, as shells do. */
export function runProgram(
  [command = '', ...args]: readonly string[],
  variables: Readonly<Record<string, string>>,
  stopped: Promise<StopSignal>,
): Promise<number> {
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...variables } });
  void stopped.then((signal) => {
    // A terminal sends Ctrl-C to the program too; a second copy would read as impatience.
    const fromTerminal = signal === 'SIGINT' && process.stdin.isTTY;
    if (!fromTerminal) child.kill(signal);
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(
        usageError(
          `${command} does not start: ${error.message}`,
          'a program',
          'correct what stands after "--"',
        ),
      );
    });
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
