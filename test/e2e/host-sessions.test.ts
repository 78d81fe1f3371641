/** Streams of records through the host: what it carries is bytes, in order, bounded, and ended when it must be. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { MAX_SESSION_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import type { CallHandler } from '../../enclave/wire/link.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { MAX_RECORD_STREAMS_OF_CALLER, MAX_RECORDS_OF_STREAM } from '../../src/host/limits.ts';
import {
  call,
  explain,
  HostBed,
  until,
  type HostProcess,
  type Outcome,
} from '../support/host-harness.ts';

const PATH = METHODS.streamSession;
const bed = new HostBed();
let host: HostProcess;
let client: Client;

const MIB = 1024 * 1024;
const MOST_SHOWN = 128 * 1024;

const echo: CallHandler = ({ body }) => Uint8Array.from(body);
const bytes = (value: Buffer): Buffer => value;

/** One stream, and what came of it. */
class Pipe {
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  readonly answers: string[] = [];
  readonly ended: Promise<Outcome | undefined>;

  constructor(from: Client = client) {
    this.stream = from.makeBidiStreamRequest(PATH, bytes, bytes);
    this.stream.on('data', (answer: Buffer) =>
      this.answers.push(answer.toString('latin1', 0, MOST_SHOWN)),
    );
    this.ended = new Promise((resolve) => {
      this.stream.on('error', (error) => {
        resolve(explain(error as ServiceError));
      });
      this.stream.on('end', () => {
        // An error, if there is one, comes with it.
        setImmediate(() => {
          resolve(undefined);
        });
      });
    });
  }

  send(...records: readonly string[]): this {
    for (const record of records) this.stream.write(Buffer.from(record));
    return this;
  }

  async answered(count: number): Promise<readonly string[]> {
    await until(() => this.answers.length >= count, `${String(count)} answers`);
    return this.answers;
  }
}

const seen = (): string[] => bed.enclave.calls.map(({ body }) => Buffer.from(body).toString());
const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `record ${String(i)}`);

beforeAll(async () => {
  host = await bed.serve();
  client = bed.client(host);
});
beforeEach(() => {
  bed.enclave.calls.length = 0;
  bed.enclave.on(PATH, echo);
});
afterAll(() => bed.close());

/** Answers when the test says so, and in the order that it says. */
function held(): { readonly answer: (at: number) => void; readonly count: () => number } {
  const waiting: (() => void)[] = [];
  bed.enclave.on(
    PATH,
    ({ body }) =>
      new Promise((resolve) => {
        const copy = Uint8Array.from(body);
        waiting.push(() => {
          resolve(copy);
        });
      }),
  );
  return { answer: (at) => waiting[at]?.(), count: () => waiting.length };
}

describe('records in a stream', () => {
  it('reach the enclave in their order, without a word about who calls; answers come as they come', async () => {
    const { answer, count } = held();
    const pipe = new Pipe().send('a', 'b', 'c');
    await until(() => count() === 3, 'three records');
    expect(seen()).toEqual(['a', 'b', 'c']);
    expect(bed.enclave.calls.map(({ untrustedCaller }) => untrustedCaller)).toEqual(
      Array(3).fill(undefined),
    );
    for (const at of [2, 0, 1]) {
      answer(at);
      await pipe.answered(pipe.answers.length + 1);
    }
    expect(pipe.answers).toEqual(['c', 'a', 'b']);
    pipe.stream.end();
    expect(await pipe.ended).toBeUndefined();
  });

  it('of many in a row keep their order', async () => {
    const records = names(2_000);
    const pipe = new Pipe().send(...records);
    pipe.stream.end();
    expect(await pipe.ended).toBeUndefined();
    expect(seen()).toEqual(records);
    expect([...pipe.answers].sort()).toEqual([...records].sort());
  });

  it('that nobody answers are at most 64: the next ones wait at the host', async () => {
    const { answer, count } = held();
    const records = names(2 * MAX_RECORDS_OF_STREAM);
    const pipe = new Pipe().send(...records);
    await until(() => count() >= MAX_RECORDS_OF_STREAM, 'a full window');
    // A call on another connection has passed meanwhile.
    await call(bed.unixClient(), METHODS.getStatus);
    // One or two may have been on their way within the stream when it was stopped.
    expect(count()).toBeLessThanOrEqual(MAX_RECORDS_OF_STREAM + 2);
    for (let at = 0; at < records.length; at += 1) {
      await until(() => count() > at, 'the next record');
      answer(at);
    }
    expect([...(await pipe.answered(records.length))].sort()).toEqual([...records].sort());
    expect(seen()).toEqual(records);
    pipe.stream.end();
    expect(await pipe.ended).toBeUndefined();
  });

  it('whose answers nobody reads are not read any further, until somebody does', async () => {
    const answer = new Uint8Array(MIB / 4);
    bed.enclave.on(PATH, () => answer);
    const pipe = new Pipe();
    pipe.stream.pause();
    const records = names(1_000);
    pipe.send(...records);
    pipe.stream.end();
    // As many as are under way when the connection is full, and what Node keeps on both sides.
    for (let before = -1; before < bed.enclave.calls.length;) {
      before = bed.enclave.calls.length;
      await sleep(300);
    }
    expect(bed.enclave.calls.length).toBeLessThan(2 * MAX_RECORDS_OF_STREAM);
    pipe.stream.resume();
    await pipe.answered(records.length);
    expect(seen()).toEqual(records);
  });

  it('of 65 KiB pass, and one byte more ends the stream', async () => {
    const pipe = new Pipe();
    pipe.stream.write(Buffer.alloc(MAX_SESSION_MESSAGE_BYTES, 'x'));
    expect((await pipe.answered(1))[0]).toHaveLength(MAX_SESSION_MESSAGE_BYTES);
    pipe.stream.write(Buffer.alloc(MAX_SESSION_MESSAGE_BYTES + 1));
    expect(await pipe.ended).toMatchObject({
      code: 8,
      reason: 'FRAME_TOO_LARGE',
      metadata: {
        limitBytes: String(MAX_SESSION_MESSAGE_BYTES),
        actualBytes: String(MAX_SESSION_MESSAGE_BYTES + 1),
      },
    });
    expect(bed.enclave.calls).toHaveLength(1);
  });
});

describe('a stream ends', () => {
  it('at the first record that the enclave refuses, and what was under way is cancelled', async () => {
    bed.enclave.on(PATH, ({ body }) => {
      if (body.byteLength > 4) throw new Refusal('SESSION_REFUSED');
      return new Promise(() => undefined);
    });
    const pipe = new Pipe().send('kept', 'refused', 'late');
    expect(await pipe.ended).toMatchObject({ code: 16, reason: 'SESSION_REFUSED', metadata: {} });
    expect(pipe.answers).toEqual([]);
    await until(() => bed.enclave.calls[0]?.cancelled === true, 'CANCEL');
  });

  it('when its caller gives up, and the enclave is told', async () => {
    const { count } = held();
    const pipe = new Pipe().send('a', 'b');
    await until(() => count() === 2, 'two records');
    pipe.stream.cancel();
    expect(await pipe.ended).toMatchObject({ code: 1 });
    await until(() => bed.enclave.calls.every(({ cancelled }) => cancelled), 'CANCEL');
  });

  it('with its enclave, and says that another try may help', async () => {
    const { count } = held();
    const pipe = new Pipe().send('a');
    await until(() => count() === 1, 'a record');
    await bed.enclave.kill();
    expect(await pipe.ended).toMatchObject({ code: 14, reason: 'ENCLAVE_NOT_READY' });
    await bed.enclave.listen();
    bed.enclave.on(PATH, echo);
    await until(async () => {
      const again = new Pipe().send('b');
      again.stream.end();
      return (await again.ended) === undefined;
    }, 'the enclave');
  });

  it('after its answers when the caller has no more to send', async () => {
    const { answer, count } = held();
    const pipe = new Pipe().send('a');
    pipe.stream.end();
    await until(() => count() === 1, 'a record');
    answer(0);
    expect(await pipe.ended).toBeUndefined();
    expect(pipe.answers).toEqual(['a']);
  });
});

describe('streams', () => {
  it('of a caller without a certificate are none', async () => {
    const stranger = bed.client(host, 'none');
    const pipe = new Pipe(stranger).send('a');
    expect(await pipe.ended).toMatchObject({ code: 16, reason: 'CALLER_UNAUTHENTICATED' });
    expect(bed.enclave.calls).toHaveLength(0);
  });

  it('are counted, by how they ended too', async () => {
    const pipe = new Pipe().send('a');
    await pipe.answered(1);
    await until(
      async () => (await host.metrics()).includes('sealwright_open_streams 1'),
      'a stream',
    );
    pipe.stream.end();
    await pipe.ended;
    await until(
      async () => (await host.metrics()).includes('sealwright_open_streams 0'),
      'no stream',
    );
    const metrics = await host.metrics();
    expect(metrics).toMatch(/^sealwright_calls_total\{method="[^"]*StreamSession"[^}]*\} \d+$/m);
  });

  it('of one caller are 64 at once, and not one more; others’ and unary calls go on', async () => {
    // By whichever connection they come.
    const second = bed.client(host);
    const pipes = Array.from({ length: MAX_RECORD_STREAMS_OF_CALLER }, (_, i) =>
      new Pipe(i % 2 === 0 ? client : second).send(`stream ${String(i)}`),
    );
    await until(() => pipes.every(({ answers }) => answers.length === 1), 'all streams');
    const more = new Pipe(second).send('one more');
    expect(await more.ended).toMatchObject({
      code: 8,
      reason: 'RATE_LIMITED',
      metadata: { expected: `at most ${String(MAX_RECORD_STREAMS_OF_CALLER)} at once` },
    });
    const other = new Pipe(bed.unixClient()).send('of a socket');
    await other.answered(1);
    pipes.push(other);
    bed.enclave.on(METHODS.callSession, echo);
    expect((await call(client, METHODS.callSession, Buffer.from('x'))).code).toBe(0);
    for (const { stream } of pipes) stream.end();
    await Promise.all(pipes.map(({ ended }) => ended));
    const again = new Pipe().send('again');
    await again.answered(1);
    again.stream.cancel();
    await again.ended;
  });

  it('end with a drain, which waits for none of them', async () => {
    const draining = await bed.start({
      storeFile: bed.path('draining.db'),
      unixSockets: [],
      drainSeconds: 30,
    });
    await until(async () => (await draining.readyz()).status === 200, 'ready');
    held();
    const [idle, waiting] = [new Pipe(bed.client(draining)), new Pipe(bed.client(draining))];
    waiting.send('a');
    idle.send('b');
    await until(() => bed.enclave.calls.length === 2, 'records');
    const since = performance.now();
    const exit = draining.stop();
    for (const { ended } of [idle, waiting]) {
      expect(await ended).toMatchObject({ code: 14, reason: 'ENCLAVE_NOT_READY' });
    }
    expect(await exit).toBe(0);
    expect(performance.now() - since).toBeLessThan(15_000);
    expect(draining.noise).toEqual([]);
  });
});
