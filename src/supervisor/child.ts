/**
 * One child process of ours: started with the pinned Node in a group of its own, so that Ctrl-C in a
 * terminal reaches the supervisor only, which then stops its children in order. Its stdin is a pipe that
 * nobody else holds: when this process dies, however it dies, the child reads end-of-file and ends.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { REPOSITORY_FOLDER } from '../simulator/defaults.ts';

export interface ChildPlan {
  /** Program, relative to the repository. */
  readonly program: string;
  readonly args: readonly string[];
  /** Node's own, besides those that every child gets. */
  readonly flags?: readonly string[];
  /** The program does not watch its stdin by itself. */
  readonly endWithSupervisor: boolean;
  /** File that stderr is appended to; undefined: our own stderr. */
  readonly logFile: string | undefined;
  /** Called with each parsed JSON line of stdout. */
  readonly onMessage: (message: Record<string, unknown>) => void;
}

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it wrote to its log file in this life. */
  readonly log: string;
}

// Text of warnings would get between the JSON lines.
const FLAGS = ['--disable-warning=ExperimentalWarning'] as const;
const GUARD = new URL('end-with-supervisor.ts', import.meta.url).href;

export class Child {
  readonly #process: ChildProcess;
  readonly #stdin: Writable;
  readonly ended: Promise<ChildEnd>;
  constructor(plan: ChildPlan) {
    const log = plan.logFile === undefined ? undefined : openSync(plan.logFile, 'a', 0o600);
    const from = log === undefined ? 0 : fstatSync(log).size;
    this.#process = spawn(
      process.execPath,
      [
        ...FLAGS,
        ...(plan.flags ?? []),
        ...(plan.endWithSupervisor ? ['--import', GUARD] : []),
        join(REPOSITORY_FOLDER, plan.program),
        ...plan.args,
      ],
      { stdio: ['pipe', 'pipe', log ?? 'inherit'], detached: true, env: childEnvironment() },
    );
    if (log !== undefined) closeSync(log);
    const { stdin, stdout } = this.#process;
    if (stdin === null || stdout === null) throw new Error('a child without pipes');
    this.#stdin = stdin;
    createInterface({ input: stdout }).on('line', (line) => {
      const message = parseLine(line);
      if (message !== undefined) plan.onMessage(message);
    });
    // A write after the child's end is no news: `ended` tells.
    this.#stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        resolve({ code: null, signal: null, log: error.message });
      });
      // Not 'close': an enclave that outlives a killed platform for a moment may hold its stdout.
      this.#process.once('exit', (code, signal) => {
        resolve({
          code,
          signal,
          log: plan.logFile === undefined ? '' : readFrom(plan.logFile, from),
        });
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  send(message: Record<string, unknown>): void {
    this.#stdin.write(`${JSON.stringify(message)}\n`);
  }

  closeStdin(): void {
    this.#stdin.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Resolves when the child has ended; kills it when that takes longer than `patienceMs`. */
  async endWithin(patienceMs: number): Promise<ChildEnd> {
    const timer = setTimeout(() => {
      this.kill('SIGKILL');
    }, patienceMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }
}

function childEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env };
  // It can load foreign code into every Node.
  delete environment['NODE_OPTIONS'];
  // Saves a third of a child's start; the enclave itself runs measured bundles and never sees this.
  environment['NODE_COMPILE_CACHE'] = join(REPOSITORY_FOLDER, 'build', 'compile-cache');
  return environment;
}

function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function readFrom(path: string, offset: number): string {
  try {
    return readFileSync(path).subarray(offset).toString('utf8');
  } catch {
    return '';
  }
}
