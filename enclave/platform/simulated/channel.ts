/**
 * The private channel to the simulated platform: u32 length ‖ protobuf, both ways, over a stream that
 * the entry opened. It forgives nothing: whatever is not this protocol ends the channel, and a process
 * without its platform must not go on.
 */
import { u32 } from '../../wire/bytes.ts';
import { MessageReader } from '../../wire/frame.ts';
import {
  PlatformMessage,
  PlatformRequest,
  type Launch,
  type PlatformResponse,
} from '../../wire/gen/sealwright/enclave/v1/platform.ts';

/** The part of a socket that the channel uses. */
export interface ChannelStream {
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  write(bytes: Uint8Array): unknown;
  destroy(): unknown;
}

/** The platform is gone, refused a call, or spoke something else. Carries no detail on purpose. */
export class PlatformGone extends Error {
  override readonly name = 'PlatformGone';
}

/** Launch: command lines, manifest and certificates; answers are below 1 KiB. */
const MAX_MESSAGE_BYTES = 256 * 1024;

interface Waiter {
  resolve(response: PlatformResponse): void;
  reject(error: PlatformGone): void;
}

export class PlatformChannel {
  readonly #stream: ChannelStream;
  readonly #reader = new MessageReader(MAX_MESSAGE_BYTES);
  readonly #waiting = new Map<bigint, Waiter>();
  readonly #launch: Promise<Launch>;
  #onLaunch: ((launch: Launch) => void) | undefined;
  #rejectLaunch: (error: PlatformGone) => void = () => undefined;
  readonly #onClose: () => void;
  #nextId = 1n;
  #closed = false;

  /** `onClose` is called once, when the platform is gone: the process must end then. */
  constructor(stream: ChannelStream, onClose: () => void) {
    this.#stream = stream;
    this.#onClose = onClose;
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

  /** One call. Rejects with PlatformGone when it is refused or the channel ends. */
  async call(call: NonNullable<PlatformRequest['call']>): Promise<Uint8Array> {
    if (this.#closed) throw new PlatformGone();
    const id = this.#nextId;
    this.#nextId += 1n;
    const answer = new Promise<PlatformResponse>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    const bytes = PlatformRequest.encode({ id, call }).finish();
    this.#stream.write(u32(bytes.byteLength));
    this.#stream.write(bytes);
    const response = await answer;
    if (response.refused) throw new PlatformGone();
    // A copy: decoded bytes are a view on the stream's buffer.
    return Uint8Array.from(response.result);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.destroy();
    this.#rejectLaunch(new PlatformGone());
    for (const waiter of this.#waiting.values()) waiter.reject(new PlatformGone());
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
      if (this.#onLaunch === undefined) throw new PlatformGone();
      this.#onLaunch(message.value);
      this.#onLaunch = undefined;
      return;
    }
    const waiter = message === undefined ? undefined : this.#waiting.get(message.value.id);
    if (message === undefined || waiter === undefined) throw new PlatformGone();
    this.#waiting.delete(message.value.id);
    waiter.resolve(message.value);
  }
}
