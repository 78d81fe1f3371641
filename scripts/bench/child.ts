/** Processes of the benchmark: each is ended by its id when the benchmark ends, however that is. */
import {
  fork,
  spawn,
  type ChildProcess,
  type ChildProcessWithoutNullStreams,
} from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const FLAGS = ['--disable-warning=ExperimentalWarning'];
const running = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function kept<Child extends ChildProcess>(child: Child): Child {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** A program of ours, relative to this folder, with IPC that carries bytes. */
export function forkProcess(file: string): ChildProcess {
  return kept(fork(pathOf(file), { execArgv: FLAGS, serialization: 'advanced' }));
}

export interface SpawnOptions {
  /** Of Node. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A program of ours, relative to this folder, with pipes. */
export function spawnNode(
  file: string,
  args: readonly string[],
  { flags = [], env = {} }: SpawnOptions = {},
): ChildProcessWithoutNullStreams {
  return kept(
    spawn(process.execPath, [...FLAGS, ...flags, pathOf(file), ...args], {
      env: { ...process.env, ...env },
    }),
  );
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Seconds of CPU that the processes have used, all their threads; the kernel counts it in nanoseconds. */
export function cpuSeconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    const tasks = `/proc/${String(pid)}/task`;
    for (const task of readdirSync(tasks)) {
      nanoseconds += Number(readFileSync(`${tasks}/${task}/schedstat`, 'latin1').split(' ')[0]);
    }
  }
  return nanoseconds / 1e9;
}

/** Processes that this one started. */
export function childrenOf(pid: number): readonly number[] {
  const path = `/proc/${String(pid)}/task/${String(pid)}/children`;
  return readFileSync(path, 'latin1').trim().split(' ').filter(Boolean).map(Number);
}
