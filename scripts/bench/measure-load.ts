/** Runs callers against a server, and takes the CPU of the server's processes, and of theirs, over the same time. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpuSeconds, ended, forkProcess } from './child.ts';
import type { Load, LoadEvent, Sample, Seen } from './load-process.ts';

export interface LoadFigures {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Microseconds a call, by the name of the processes. */
  readonly cpuUsPerCall: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

/** Ids by the name of what they are. */
export type Processes = Readonly<Record<string, readonly number[]>>;

/** A process of callers, and all that was seen of it. */
class LoadProcess {
  readonly #path: string;
  readonly #child: ChildProcess;
  readonly #processes: Processes;
  readonly #used = new Map<string, number>();
  readonly #seen: Seen[] = [];

  private constructor(path: string, child: ChildProcess, processes: Processes) {
    this.#path = path;
    this.#child = child;
    this.#processes = { ...processes, callers: [child.pid ?? 0] };
  }

  static async start(load: Load, processes: Processes): Promise<LoadProcess> {
    const child = forkProcess('load-process.ts');
    const started = new LoadProcess(load.path, child, processes);
    child.send(load);
    await started.#event();
    return started;
  }

  /** Rejects when a call was refused. */
  async measure(ms: number): Promise<void> {
    const before = this.#cpu();
    this.#child.send(ms);
    const event = await this.#event();
    if (event.event !== 'seen') throw new Error(`${this.#path}: ${event.event} is no figure`);
    this.#seen.push(event.seen);
    for (const [name, after] of this.#cpu()) {
      this.#used.set(name, (this.#used.get(name) ?? 0) + after - (before.get(name) ?? 0));
    }
  }

  get figures(): LoadFigures {
    const times = this.#seen.flatMap((seen) => [...seen.times]).sort((a, b) => a - b);
    const seconds = this.#seen.reduce((sum, seen) => sum + seen.seconds, 0);
    const part = (share: number): number => times[Math.floor(times.length * share)] ?? NaN;
    const perCall = ([name, used]: readonly [string, number]): [string, number] => [
      name,
      (used * 1e6) / times.length,
    ];
    return {
      callsPerSecond: times.length / seconds,
      p50Ms: part(0.5),
      p99Ms: part(0.99),
      cpuUsPerCall: Object.fromEntries([...this.#used].map(perCall)),
      samples: this.#seen.flatMap(({ samples }) => samples),
    };
  }

  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await ended(this.#child);
  }

  #cpu(): Map<string, number> {
    const named = Object.entries(this.#processes);
    return new Map(named.map(([name, pids]) => [name, cpuSeconds(pids)]));
  }

  async #event(): Promise<Exclude<LoadEvent, { event: 'failed' }>> {
    const waiting = new AbortController();
    const { signal } = waiting;
    const gone = once(this.#child, 'exit', { signal }).then(() => {
      throw new Error(`${this.#path}: the callers ended without a figure`);
    });
    gone.catch(() => undefined);
    try {
      const [event] = (await Promise.race([once(this.#child, 'message', { signal }), gone])) as [
        LoadEvent,
      ];
      if (event.event === 'failed') throw new Error(`${this.#path}: ${event.problem}`);
      return event;
    } finally {
      waiting.abort();
    }
  }
}

/** Rejects when a call was refused. */
export async function measureLoad(
  load: Load,
  processes: Processes,
  ms: number,
): Promise<LoadFigures> {
  const [figures] = await measureInTurns([load], processes, ms);
  if (figures === undefined) throw new Error(load.path);
  return figures;
}

/** Long enough for what is under way at its ends not to matter, short against what else a machine does. */
const TURN_MS = 250;

/**
 * The figures of several loads on one service, each over that time, in short turns: whatever else the machine does meanwhile, it
 * does to all of them. Rejects when a call was refused.
 */
export async function measureInTurns(
  loads: readonly Load[],
  processes: Processes,
  ms: number,
): Promise<readonly LoadFigures[]> {
  const running: LoadProcess[] = [];
  try {
    for (const load of loads) running.push(await LoadProcess.start(load, processes));
    const turns = loads.length === 1 ? 1 : Math.max(1, Math.round(ms / TURN_MS));
    for (let turn = 0; turn < turns; turn += 1) {
      for (const one of running) await one.measure(ms / turns);
    }
    return running.map(({ figures }) => figures);
  } finally {
    for (const one of running) await one.stop();
  }
}
