/**
 * The private channel to the simulated platform: u32 length ‖ protobuf, both ways, over a stream that
 * the entry opened. It forgives nothing: whatever is not this protocol ends the channel, and a process
 * without its platform must not go on.
 */
import { PlatformFailure } from '../../ports.ts';
import { u32 } from '../../wire/bytes.ts';
import { MessageReader } from '../../wire/frame.ts';
import {
  PlatformMessage,
  PlatformRequest,
  type Launch,
  type PlatformResponse,
} from '../../wire/gen/sealwright/enclave/v1/platform.ts';
import { MAX_PLATFORM_CALLS, PLATFORM_DEADLINE_MS } from '../../wire/limits.ts';

/** The part of a socket that the channel uses. */
export interface ChannelStream {
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  write(bytes: Uint8Array): unknown;
  destroy(): unknown;
}

/** Launch: command lines, manifest and certificates; answers are below 1 KiB. */
const MAX_MESSAGE_BYTES = 256 * 1024;

interface Waiter {
  resolve(response: PlatformResponse): void;
  reject(error: PlatformFailure): void;
}

export class PlatformChannel {
  readonly #stream: ChannelStream;
  readonly #reader = new MessageReader(MAX_MESSAGE_BYTES);
  readonly #deadlineMs: number;
  /** Calls without an answer; those that were given up stay, so that a late answer is known for one. */
  readonly #waiting = new Map<bigint, Waiter>();
  readonly #launch: Promise<Launch>;
  #onLaunch: ((launch: Launch) => void) | undefined;
  #rejectLaunch: (error: PlatformFailure) => void = () => undefined;
  readonly #onClose: () => void;
  #nextId = 1n;
  #closed = false;

  /** `onClose` is called once, when the platform is gone: the process must end then. */
  constructor(
    stream: ChannelStream,
    onClose: () => void,
    { deadlineMs = PLATFORM_DEADLINE_MS }: { readonly deadlineMs?: number } = {},
  ) {
    this.#stream = stream;
    this.#onClose = onClose;
    this.#deadlineMs = deadlineMs;
    this.#launch = new Promise((resolve, reject) => {
      this.#onLaunch = resolve;
      this.#rejectLaunch = reject;
    });
    // Whoever waits for the launch sees the rejection; without a waiter `onClose` says it.
    this.#launch.catch(() => undefined);
    stream.on('data', (chunk) => {
      this.#receive(chunk);
    });
    stream.on('error', () => {
      this.close();
    });
    stream.on('close', () => {
      this.close();
    });
  }

  /** The platform's first message, unchecked. */
  launch(): Promise<Launch> {
    return this.#launch;
  }

  /** One call. Throws PlatformFailure. */
  async call(call: NonNullable<PlatformRequest['call']>): Promise<Uint8Array> {
    if (this.#closed) throw new PlatformFailure('gone');
    if (this.#waiting.size >= MAX_PLATFORM_CALLS) throw new PlatformFailure('silent');
    const id = this.#nextId;
    this.#nextId += 1n;
    const answer = this.#answer(id);
    const bytes = PlatformRequest.encode({ id, call }).finish();
    this.#stream.write(u32(bytes.byteLength));
    this.#stream.write(bytes);
    const response = await answer;
    if (response.refused) throw new PlatformFailure('refused');
    // A copy: decoded bytes are a view on the stream's buffer.
    return Uint8Array.from(response.result);
  }

  #answer(id: bigint): Promise<PlatformResponse> {
    return new Promise<PlatformResponse>((resolve, reject) => {
      const timer = setTimeout(() => {
        // An answer that came while this process was stopped is read before this runs.
        setImmediate(() => {
          reject(new PlatformFailure('silent'));
        });
      }, this.#deadlineMs);
      const settle = <T>(then: (value: T) => void): ((value: T) => void) => {
        return (value) => {
          clearTimeout(timer);
          then(value);
        };
      };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.destroy();
    this.#rejectLaunch(new PlatformFailure('gone'));
    for (const waiter of this.#waiting.values()) waiter.reject(new PlatformFailure('gone'));
    this.#waiting.clear();
    this.#onClose();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closed) return;
    try {
      for (const bytes of this.#reader.push(chunk)) this.#dispatch(PlatformMessage.decode(bytes));
    } catch {
      this.close();
    }
  }

  /** Throws for anything out of order. */
  #dispatch({ message }: PlatformMessage): void {
    if (message?.$case === 'launch') {
      if (this.#onLaunch === undefined) throw new RangeError('out of order');
      this.#onLaunch(message.value);
      this.#onLaunch = undefined;
      return;
    }
    const waiter = message === undefined ? undefined : this.#waiting.get(message.value.id);
    if (message === undefined || waiter === undefined) throw new RangeError('out of order');
    this.#waiting.delete(message.value.id);
    waiter.resolve(message.value);
  }
}
