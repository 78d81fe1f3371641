/**
 * Bytes of requests that have begun to arrive and have not ended, over all connections. grpc-js buffers a
 * message until it is whole; with thousands of streams that begin and never end, that is all our memory.
 * When the budget is spent, the oldest unfinished request goes: an honest one takes milliseconds.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { MAX_ARRIVING_BYTES } from './limits.ts';

/** Node tells of every server stream here; grpc-js offers no place to see one. */
const STREAM_STARTED = 'http2.server.stream.start';

export class ArrivalBudget {
  /** Oldest first: a Map keeps the order of insertion. */
  readonly #arriving = new Map<ServerHttp2Stream, number>();
  readonly #maxBytes: number;
  #total = 0;

  constructor(maxBytes = MAX_ARRIVING_BYTES) {
    this.#maxBytes = maxBytes;
  }

  start(): void {
    subscribe(STREAM_STARTED, this.#onStream);
  }

  stop(): void {
    unsubscribe(STREAM_STARTED, this.#onStream);
  }

  get arrivingBytes(): number {
    return this.#total;
  }

  readonly #onStream = (message: unknown): void => {
    const { stream } = message as { readonly stream: ServerHttp2Stream };
    // A 'data' listener makes a stream flow. Before grpc-js has paused it, that would lose the request: the
    // stream is handed to grpc-js one tick from now, so we listen one tick later, before anything is read.
    process.nextTick(() => {
      process.nextTick(() => {
        this.#count(stream);
      });
    });
  };

  #count(stream: ServerHttp2Stream): void {
    stream.on('data', (chunk: Buffer) => {
      this.#add(stream, chunk.byteLength);
    });
    const done = (): void => {
      this.#remove(stream);
    };
    stream.once('end', done);
    stream.once('close', done);
  }

  #add(stream: ServerHttp2Stream, bytes: number): void {
    this.#arriving.set(stream, (this.#arriving.get(stream) ?? 0) + bytes);
    this.#total += bytes;
    while (this.#total > this.#maxBytes) {
      const oldest = this.#arriving.keys().next().value;
      if (oldest === undefined) return;
      this.#remove(oldest);
      oldest.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }

  #remove(stream: ServerHttp2Stream): void {
    this.#total -= this.#arriving.get(stream) ?? 0;
    this.#arriving.delete(stream);
  }
}
