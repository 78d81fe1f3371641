/**
 * A whole development stack in a private temporary folder: real host, real enclave, real token. Every
 * stack takes free ports, so that they run side by side, and stops only what it started itself.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { SealwrightClient } from '../../src/client/client.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = join(REPOSITORY, 'bin/sealwright.mjs');
const NODE = join(REPOSITORY, 'node_modules', `node-linux-${process.arch}`, 'bin/node');
const FLAGS = ['--disable-warning=ExperimentalWarning'];
const START_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 20_000;

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Root of the clone whose command line runs; this one's without. */
  readonly clone?: string;
  /** Sent to stdin. */
  readonly input?: string | Uint8Array;
  /** Of the process, when root runs the tests. */
  readonly uid?: number;
}

/** Variables of whoever runs the tests must not decide which service a command finds. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(SEALWRIGHT_|NODE_OPTIONS$|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(own), ...more };
}

/** Starts the command line without waiting for it. The caller has to end it. */
export function spawnSealwright(
  args: readonly string[],
  options: RunOptions = {},
): ChildProcessWithoutNullStreams {
  const program = options.clone === undefined ? PROGRAM : join(options.clone, 'bin/sealwright.mjs');
  return spawn(NODE, [...FLAGS, program, ...args], {
    cwd: options.cwd ?? REPOSITORY,
    env: environment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
}

/** Runs one command to its end. */
export async function runSealwright(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const child = spawnSealwright(args, options);
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { status: code ?? -1, stdout, stderr };
}

/** The next line of a program's stdout. Rejects when it ends first. */
export function lineOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', (code) => {
      reject(new Error(`no line, but an end with status ${String(code)}`));
    });
  });
}

/** What `dev --json` says when it is ready, or halted. */
export interface Ready {
  readonly phase: string;
  readonly state: string;
  readonly clusterId: string;
  readonly address: string;
  readonly http: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly sockets: readonly string[];
  readonly runFolder: string;
}

export type ProcessName = 'host' | 'platform' | 'enclave';
type Event = Readonly<Record<string, unknown>>;

export class Stack {
  readonly ready: Ready;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #events: readonly Event[];
  readonly #folder: string;
  readonly #keep: boolean;

  constructor(
    child: ChildProcessWithoutNullStreams,
    ready: Ready,
    events: readonly Event[],
    folder: string,
    keep: boolean,
  ) {
    this.#child = child;
    this.ready = ready;
    this.#events = events;
    this.#folder = folder;
    this.#keep = keep;
  }

  get state(): string {
    return this.ready.state;
  }

  get supervisorPid(): number {
    return this.#child.pid ?? 0;
  }

  /** A new client of the stack's mTLS port, or of its Unix socket. The caller closes it. */
  client(way: 'tls' | 'socket' = 'tls'): SealwrightClient {
    const { address, ca, cert, key, sockets } = this.ready;
    if (way === 'socket') return new SealwrightClient({ kind: 'socket', path: sockets[0] ?? '' });
    const [caPem, certPem, keyPem] = [ca, cert, key].map((path) => readFileSync(path)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    return new SealwrightClient({ kind: 'tls', address, ca: caPem, cert: certPem, key: keyPem });
  }

  /** Runs a command against this stack. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return runSealwright(args, {
      ...options,
      env: { SEALWRIGHT_STATE: this.state, ...options.env },
    });
  }

  /** The process as it was started last. */
  pid(name: ProcessName): number {
    const started = this.#events.findLast(
      ({ event, process: who }) => event === 'process.started' && who === name,
    );
    return Number(started?.['pid'] ?? 0);
  }

  /** Everything that supervisor told so far. */
  get events(): readonly Event[] {
    return this.#events;
  }

  /** SIGTERM; resolves with the exit status. */
  async stop(): Promise<number> {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS);
      await ended;
      clearTimeout(timer);
    }
    if (!this.#keep) rmSync(this.#folder, { recursive: true, force: true });
    return child.exitCode ?? -1;
  }

  /** SIGKILL to the supervisor alone, as the kernel's memory killer would. Leaves the state folder. */
  async killSupervisor(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** A private temporary folder. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sw-stack-'));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Starts `dev`. With `state` the folder is the caller's and stays; without, it is removed by `stop`. */
export async function startStack(
  options: { readonly state?: string; readonly args?: readonly string[] } & RunOptions = {},
): Promise<Stack> {
  const folder = options.state ?? mkdtempSync(join(tmpdir(), 'sw-stack-'));
  const child = spawnSealwright(
    [
      'dev',
      '--json',
      '--state',
      folder,
      '--listen',
      '127.0.0.1:0',
      '--http',
      '127.0.0.1:0',
      ...(options.args ?? []),
    ],
    options,
  );
  const events: Event[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors.push(line);
    if (line.startsWith('{')) events.push(JSON.parse(line) as Event);
  });
  const ready = await new Promise<Ready>((resolve, reject) => {
    const giveUp = (why: string): void => {
      child.kill('SIGTERM');
      if (options.state === undefined) rmSync(folder, { recursive: true, force: true });
      reject(new Error(`the stack did not start (${why}):\n${errors.join('\n')}`));
    };
    const timer = setTimeout(() => {
      giveUp('too slow');
    }, START_PATIENCE_MS);
    child.once('exit', (code) => {
      clearTimeout(timer);
      giveUp(`status ${String(code)}`);
    });
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer);
      resolve(JSON.parse(line) as Ready);
    });
  });
  return new Stack(child, ready, events, folder, options.state !== undefined);
}

/** Processes of which the command line names this folder: what a stack has left running. */
export function processesOf(folder: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => commandLine(name).includes(folder))
    .map(Number);
}

function commandLine(pid: string): string {
  const path = `/proc/${pid}/cmdline`;
  try {
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  } catch {
    return '';
  }
}

/** Asks again and again; throws after `patienceMs`. Resolves with the milliseconds that it took. */
export async function until(
  what: () => boolean | Promise<boolean>,
  patienceMs = 10_000,
): Promise<number> {
  const begun = performance.now();
  while (performance.now() - begun < patienceMs) {
    if (await what()) return performance.now() - begun;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not within ${String(patienceMs)} ms`);
}
