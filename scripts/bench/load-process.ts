/**
 * The callers of the benchmark, as a process of their own. Gets one Load by IPC, connects and warms up, says `ready`. For
 * each time that it gets after that, it calls so long and says what it saw. Ends when IPC does.
 */
import process from 'node:process';
import { Http2Caller, type Target } from './http2-caller.ts';
import {
  plainChannel,
  sessionChannel,
  type Carrier,
  type Channel,
  type SessionPeer,
} from './session-channel.ts';

export interface Load {
  readonly target: Target;
  /** Of the method that is called. */
  readonly path: string;
  /** The calls travel in a session; without, as they are. */
  readonly session?: { readonly peer: SessionPeer; readonly carrier: Carrier };
  readonly message: Uint8Array;
  /** Where 4 bytes of the message are counted up, so that no two calls are alike. */
  readonly countAt: readonly number[];
  /** Connections, each with one call at a time. */
  readonly callers: number;
  readonly warmUpMs: number;
}

export interface Seen {
  readonly seconds: number;
  /** What each call took, ms. */
  readonly times: Float64Array;
  /** Some messages with their answers. */
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly message: Uint8Array;
  readonly answer: Uint8Array;
}

export type LoadEvent =
  | { readonly event: 'ready' }
  | { readonly event: 'seen'; readonly seen: Seen }
  | { readonly event: 'failed'; readonly problem: string };

const MAX_SAMPLES = 50;
const LONGEST_CALL_MS = 30_000;

const tell = (event: LoadEvent): unknown => process.send?.(event);

class Callers {
  readonly #load: Load;
  readonly #channel: Channel;
  readonly #callers: readonly Http2Caller[];
  #count = 0;

  private constructor(load: Load, channel: Channel, callers: readonly Http2Caller[]) {
    this.#load = load;
    this.#channel = channel;
    this.#callers = callers;
  }

  static async start(load: Load): Promise<Callers> {
    const { target, path, session } = load;
    const channel =
      session === undefined
        ? plainChannel(path)
        : await sessionChannel(target, session.peer, session.carrier, path);
    const connecting = Array.from({ length: load.callers }, () =>
      Http2Caller.connect(target, channel.method),
    );
    const callers = new Callers(load, channel, await Promise.all(connecting));
    await callers.measure(load.warmUpMs);
    return callers;
  }

  /** Calls that are under way when the time is over end, and don't count. */
  async measure(ms: number): Promise<Seen> {
    const times: number[] = [];
    const samples: Sample[] = [];
    let seconds = 0;
    const isOver = (): boolean => seconds > 0;
    const call = async (caller: Http2Caller): Promise<void> => {
      const message = Buffer.from(this.#load.message);
      while (!isOver()) {
        for (const at of this.#load.countAt) message.writeUInt32BE((this.#count += 1), at);
        const begun = performance.now();
        const answer = this.#channel.unwrap(await caller.call(this.#channel.wrap(message)));
        if (isOver()) return;
        times.push(performance.now() - begun);
        if (samples.length < MAX_SAMPLES && times.length % 20 === 1)
          samples.push({ message: Uint8Array.from(message), answer: Uint8Array.from(answer) });
      }
    };
    const begun = performance.now();
    const all = Promise.all(this.#callers.map(call));
    const pause = (forMs: number): Promise<unknown> =>
      Promise.race([new Promise((resolve) => setTimeout(resolve, forMs)), all]);
    await pause(ms);
    // The first call of a cold service can take longer than a short figure.
    while (times.length === 0 && performance.now() - begun < LONGEST_CALL_MS) await pause(1);
    seconds = (performance.now() - begun) / 1000;
    await all;
    return { seconds, times: Float64Array.from(times), samples };
  }
}

process.once('message', (load: Load) => {
  const failed = (error: unknown): void => {
    tell({ event: 'failed', problem: String(error) });
  };
  Callers.start(load).then((callers) => {
    process.on('message', (ms: number) => {
      callers.measure(ms).then((seen) => tell({ event: 'seen', seen }), failed);
    });
    tell({ event: 'ready' });
  }, failed);
});
process.once('disconnect', () => {
  process.exit(0);
});
