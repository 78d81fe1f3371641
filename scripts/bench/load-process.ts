/**
 * The callers of the benchmark, as a process of their own. Gets one Load by IPC, warms up, says `begin`, calls for its
 * time, says `end` with what it saw.
 */
import process from 'node:process';
import { Http2Caller, type Target } from './http2-caller.ts';

export interface Load {
  readonly target: Target;
  readonly path: string;
  readonly message: Uint8Array;
  /** Where 4 bytes of the message are counted up, so that no two calls are alike. */
  readonly countAt: readonly number[];
  /** Connections, each with one call at a time. */
  readonly callers: number;
  readonly warmUpMs: number;
  readonly forMs: number;
}

export interface Seen {
  readonly calls: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Some messages with their answers. */
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly message: Uint8Array;
  readonly answer: Uint8Array;
}

export type LoadEvent =
  | { readonly event: 'begin' }
  | { readonly event: 'end'; readonly seen: Seen }
  | { readonly event: 'failed'; readonly problem: string };

const MAX_SAMPLES = 50;
const LONGEST_CALL_MS = 30_000;

/** Resolves when the event has left this process. */
function tell(event: LoadEvent): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(event, () => {
      resolve();
    });
  });
}

async function run(load: Load): Promise<Seen> {
  const callers = await Promise.all(
    Array.from({ length: load.callers }, () =>
      Http2Caller.connect(load.target, load.path, load.message),
    ),
  );
  const times: number[] = [];
  const samples: Sample[] = [];
  let count = 0;
  let measuring = false;
  let ended = false;
  const begin = async (caller: Http2Caller): Promise<void> => {
    const { message } = caller;
    while (!ended) {
      for (const at of load.countAt) message.writeUInt32BE((count += 1), at);
      const begun = performance.now();
      const answer = await caller.call();
      if (!measuring) continue;
      times.push(performance.now() - begun);
      if (samples.length < MAX_SAMPLES && times.length % 20 === 1)
        samples.push({ message: Uint8Array.from(message), answer: Uint8Array.from(answer) });
    }
  };
  const all = Promise.all(callers.map(begin));
  const pause = (ms: number): Promise<unknown> =>
    Promise.race([new Promise((resolve) => setTimeout(resolve, ms)), all]);
  await pause(load.warmUpMs);
  await tell({ event: 'begin' });
  measuring = true;
  const begun = performance.now();
  await pause(load.forMs);
  // The first call of a cold service can take longer than a short figure.
  while (times.length === 0 && performance.now() - begun < LONGEST_CALL_MS) await pause(1);
  measuring = false;
  const seconds = (performance.now() - begun) / 1000;
  ended = true;
  const calls = times.length;
  times.sort((a, b) => a - b);
  const part = (share: number): number => times[Math.floor(calls * share)] ?? NaN;
  const seen = { calls, seconds, p50Ms: part(0.5), p99Ms: part(0.99), samples };
  await tell({ event: 'end', seen });
  await all;
  for (const caller of callers) caller.close();
  return seen;
}

process.once('message', (load: Load) => {
  run(load)
    .catch((error: unknown) => tell({ event: 'failed', problem: String(error) }))
    .finally(() => {
      process.disconnect();
    });
});
