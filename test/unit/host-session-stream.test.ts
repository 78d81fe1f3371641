/** The time that a stream of records may be silent; everything else of it is in test/e2e/host-sessions.test.ts. */
import { EventEmitter } from 'node:events';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CallOptions } from '../../enclave/wire/link.ts';
import type { Caller } from '../../src/host/caller.ts';
import type { EnclaveLink } from '../../src/host/enclave-link.ts';
import { REQUEST_ARRIVAL_MS, STREAM_IDLE_MS } from '../../src/host/limits.ts';
import { forwardRecords } from '../../src/host/session-stream.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const KNOWN = { known: true } as Caller;

/** A stream as grpc-js hands it over, and an enclave that never answers, or with what it got. */
class Bed extends EventEmitter {
  readonly written: Uint8Array[] = [];
  readonly cancelled: string[] = [];
  readonly errors: { readonly code: number; readonly details: string }[] = [];
  caller: Caller | undefined = KNOWN;
  answers = false;
  readonly writableNeedDrain = false;

  constructor() {
    super();
    const link = {
      call: (_path: string, body: Uint8Array, { signal }: CallOptions) =>
        this.answers
          ? Promise.resolve(body)
          : new Promise((_resolve, reject) => {
              signal?.addEventListener('abort', () => {
                this.cancelled.push(Buffer.from(body).toString());
                reject(new Error('cancelled'));
              });
            }),
    };
    const stream = this as unknown as ServerDuplexStream<Buffer, Uint8Array>;
    const identify = (): Caller | undefined => this.caller;
    forwardRecords(link as unknown as EnclaveLink, () => undefined, identify)(stream);
    this.on('error', (error: { code: number; details: string }) => this.errors.push(error));
  }

  send(record: string): void {
    this.emit('data', Buffer.from(record));
  }

  getPeer(): string {
    return 'peer';
  }

  write(answer: Uint8Array): void {
    this.written.push(answer);
  }

  resume(): void {
    this.emit('resumed');
  }
}

const DEADLINE_EXCEEDED = 4;

test('a stream on which nothing ever comes ends when a request would have had to be there', () => {
  const bed = new Bed();
  vi.advanceTimersByTime(REQUEST_ARRIVAL_MS - 1);
  expect(bed.errors).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(bed.errors).toMatchObject([{ code: DEADLINE_EXCEEDED }]);
});

test('every record begins the minute anew; at its end what is under way is cancelled', () => {
  const bed = new Bed();
  for (const record of ['a', 'b', 'c']) {
    bed.send(record);
    vi.advanceTimersByTime(STREAM_IDLE_MS - 1);
  }
  bed.send('d');
  vi.advanceTimersByTime(STREAM_IDLE_MS - 1);
  expect([bed.errors, bed.cancelled]).toEqual([[], []]);
  vi.advanceTimersByTime(1);
  expect(bed.errors).toMatchObject([{ code: DEADLINE_EXCEEDED }]);
  expect(bed.cancelled).toEqual(['a', 'b', 'c', 'd']);
});

test('after its end nothing is forwarded, nothing is written, and no timer is left', async () => {
  const bed = new Bed();
  bed.answers = true;
  bed.send('answered too late');
  bed.emit('cancelled');
  await Promise.resolve();
  bed.send('late');
  expect([bed.written, bed.errors]).toEqual([[], []]);
  expect(vi.getTimerCount()).toBe(0);
});

test('a record of a connection that is gone is not forwarded', () => {
  const bed = new Bed();
  bed.caller = undefined;
  bed.send('a');
  const CANCELLED = 1;
  expect(bed.errors).toMatchObject([{ code: CANCELLED }]);
  expect(bed.cancelled).toEqual([]);
});
