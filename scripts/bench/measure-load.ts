/** Runs the callers against a server, and takes the CPU of the server's processes over the same time. */
import { cpuSeconds, ended, forkProcess } from './child.ts';
import type { Load, LoadEvent, Sample } from './load-process.ts';

export interface LoadFigures {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Microseconds a call, by the name of the processes. */
  readonly cpuUsPerCall: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

/** Rejects when a call was refused. */
export async function measureLoad(
  load: Load,
  processes: Readonly<Record<string, readonly number[]>>,
): Promise<LoadFigures> {
  const names = Object.keys(processes);
  const cpuNow = (): number[] => names.map((name) => cpuSeconds(processes[name] ?? []));
  const child = forkProcess('load-process.ts');
  let before: number[] = [];
  const figures = await new Promise<LoadFigures>((resolve, reject) => {
    // Not `exit`: that can be seen before the last message is.
    child.once('disconnect', () => {
      reject(new Error(`${load.path}: the callers ended without a figure`));
    });
    child.on('message', (event: LoadEvent) => {
      if (event.event === 'failed') reject(new Error(`${load.path}: ${event.problem}`));
      else if (event.event === 'begin') before = cpuNow();
      else {
        const { calls, seconds, p50Ms, p99Ms, samples } = event.seen;
        const used = cpuNow().map((after, i) => after - (before[i] ?? 0));
        const cpuUsPerCall = Object.fromEntries(
          names.map((name, i) => [name, ((used[i] ?? 0) * 1e6) / calls]),
        );
        resolve({ callsPerSecond: calls / seconds, p50Ms, p99Ms, cpuUsPerCall, samples });
      }
    });
    child.send(load);
  });
  await ended(child);
  return figures;
}
