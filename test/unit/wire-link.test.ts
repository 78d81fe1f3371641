import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { concatBytes, u32, utf8 } from '../../enclave/wire/bytes.ts';
import { ERROR_CODES, Refusal } from '../../enclave/wire/error-code.ts';
import type { FrameError } from '../../enclave/wire/frame.ts';
import { decodeFrame, encodeFrame, MessageReader } from '../../enclave/wire/frame.ts';
import { FrameKind, type Frame } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import {
  DEFAULT_DEADLINE_MS,
  MAX_DEADLINE_MS,
  MAX_FRAME_BYTES,
  MAX_IN_FLIGHT,
  MAX_IN_FLIGHT_BYTES,
} from '../../enclave/wire/limits.ts';
import {
  InFlight,
  Link,
  LinkClosed,
  type CallHandler,
  type IncomingCall,
} from '../../enclave/wire/link.ts';
import '../support/matchers.ts';
import { thrown } from '../support/vectors.ts';

const EMPTY: Frame = {
  version: 1,
  streamId: 1n,
  kind: FrameKind.FRAME_KIND_REQUEST,
  method: 'm',
  body: new Uint8Array(0),
  timeoutMs: 0,
  untrustedCaller: undefined,
  code: 0,
  details: [],
};

/** One end, with a test at the other. */
class End {
  readonly sent: Frame[] = [];
  readonly bugs: unknown[] = [];
  failure: FrameError | undefined;
  readonly link: Link;
  readonly #reader = new MessageReader();

  constructor(handle: CallHandler = () => new Uint8Array(0), inFlight = new InFlight()) {
    this.link = new Link({
      inFlight,
      send: (bytes) => {
        for (const message of this.#reader.push(bytes)) this.sent.push(decodeFrame(message));
      },
      fail: (error) => {
        this.failure = error;
      },
      handle,
      onBug: (error) => {
        this.bugs.push(error);
      },
    });
  }

  receive(...frames: readonly Partial<Frame>[]): void {
    this.link.receive(concatBytes(...frames.map((frame) => encodeFrame({ ...EMPTY, ...frame }))));
  }

  get last(): Frame | undefined {
    return this.sent.at(-1);
  }
}

/** Two ends that hear each other at once. */
function pair(handle: CallHandler): { readonly caller: Link; readonly called: Link } {
  const fail = (error: FrameError): void => {
    throw error;
  };
  const onBug = (): void => undefined;
  const caller: Link = new Link({
    send: (bytes) => {
      called.receive(bytes);
    },
    fail,
    handle: () => new Uint8Array(0),
    onBug,
  });
  const called: Link = new Link({
    send: (bytes) => {
      caller.receive(bytes);
    },
    fail,
    handle,
    onBug,
  });
  return { caller, called };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a call', () => {
  test('is answered, at once and later', async () => {
    const { caller } = pair((call) =>
      call.method === 'now' ? call.body : Promise.resolve(Uint8Array.from(call.body).reverse()),
    );
    const body = Uint8Array.of(1, 2);
    expect(await caller.call('now', body)).toEqual(Uint8Array.of(1, 2));
    expect(await caller.call('later', body)).toEqual(Uint8Array.of(2, 1));
    expect(caller.inFlight).toBe(0);
  });

  test('carries deadline and caller, and the receiver cuts the deadline', () => {
    const calls: IncomingCall[] = [];
    const end = new End((call) => {
      calls.push(call);
      return new Uint8Array(0);
    });
    const untrustedCaller = { rank: 3, certificates: [Uint8Array.of(1)], socket: '' };
    end.receive(
      { streamId: 1n, timeoutMs: 1234, untrustedCaller },
      { streamId: 2n, timeoutMs: 0 },
      { streamId: 3n, timeoutMs: 0xffff_ffff },
    );
    expect(calls.map((call) => call.timeoutMs)).toEqual([
      1234,
      DEFAULT_DEADLINE_MS,
      MAX_DEADLINE_MS,
    ]);
    expect(calls[0]?.untrustedCaller).toMatchObject({ rank: 3 });
    expect(calls[1]?.untrustedCaller).toBeUndefined();
  });

  test('is answered out of order', async () => {
    const release: ((body: Uint8Array) => void)[] = [];
    const { caller, called } = pair(() => new Promise((resolve) => release.push(resolve)));
    const first = caller.call('a', new Uint8Array(0));
    const second = caller.call('b', new Uint8Array(0));
    expect(called.serving).toBe(2);
    release[1]?.(Uint8Array.of(2));
    expect(await second).toEqual(Uint8Array.of(2));
    release[0]?.(Uint8Array.of(1));
    expect(await first).toEqual(Uint8Array.of(1));
  });

  test.each([
    [0, 1],
    [-5, 1],
    [0.5, 1],
    [1500.2, 1501],
    [MAX_DEADLINE_MS + 1, MAX_DEADLINE_MS],
    [Number.POSITIVE_INFINITY, MAX_DEADLINE_MS],
  ])('with a deadline of %d ms says %d', (timeoutMs, said) => {
    const end = new End();
    end.link.call('m', new Uint8Array(0), { timeoutMs }).catch(() => undefined);
    expect(end.last?.timeoutMs).toBe(said);
    end.link.closed();
  });

  test('that is too large for a frame is refused here, and the link goes on', async () => {
    const end = new End();
    const limitBytes = String(MAX_FRAME_BYTES);
    const body = new Uint8Array(MAX_FRAME_BYTES);
    await expect(end.link.call('m', body)).toRefuseWith('FRAME_TOO_LARGE', { limitBytes });
    expect(end.link.inFlight).toBe(0);
    end.link.call('m', new Uint8Array(0)).catch(() => undefined);
    // No number was spent on what was never sent.
    expect(end.last?.streamId).toBe(1n);
    end.link.closed();
  });
});

describe('what the other side may not do', () => {
  test.each<readonly [string, string, readonly Partial<Frame>[]]>([
    ['replay a request', 'order', [{ streamId: 4n }, { streamId: 4n }]],
    ['reorder requests', 'order', [{ streamId: 4n }, { streamId: 3n }]],
    ['answer what was never asked', 'never-asked', [{ kind: FrameKind.FRAME_KIND_RESPONSE }]],
    ['send no kind', 'kind', [{ kind: FrameKind.FRAME_KIND_UNSPECIFIED }]],
    ['send another kind', 'kind', [{ kind: 9 as FrameKind }]],
    ['number a call 0', 'stream-id', [{ streamId: 0n }]],
    ['speak another version', 'version', [{ version: 2 }]],
  ])('%s', (_, rule, frames) => {
    const end = new End();
    end.receive(...frames);
    expect(end.failure?.rule).toBe(rule);
  });

  test('send a length above the limit, or none', () => {
    for (const length of [0, MAX_FRAME_BYTES + 1]) {
      const end = new End();
      end.link.receive(u32(length));
      expect(end.failure?.rule).toBe('length');
    }
  });

  test('be heard after a malformed frame', async () => {
    let handled = 0;
    const end = new End(() => {
      handled += 1;
      return new Uint8Array(0);
    });
    const waiting = end.link.call('m', new Uint8Array(0));
    end.link.receive(u32(0));
    await expect(waiting).rejects.toBeInstanceOf(LinkClosed);
    end.receive({ streamId: 1n });
    expect(handled).toBe(0);
    await expect(end.link.call('m', new Uint8Array(0))).rejects.toBeInstanceOf(LinkClosed);
  });

  test('be heard in the same chunk after the handler closed the transport', () => {
    let handled = 0;
    const end: End = new End(() => {
      handled += 1;
      end.link.closed();
      return new Uint8Array(0);
    });
    end.receive({ streamId: 1n }, { streamId: 2n });
    expect(handled).toBe(1);
    expect(end.sent).toHaveLength(0);
  });

  test('settle a call twice', async () => {
    const end = new End();
    const call = end.link.call('m', new Uint8Array(0));
    const answer = { kind: FrameKind.FRAME_KIND_RESPONSE, method: '', streamId: 1n };
    end.receive({ ...answer, body: Uint8Array.of(1) }, { ...answer, body: Uint8Array.of(2) });
    expect(await call).toEqual(Uint8Array.of(1));
    expect(end.failure).toBeUndefined();
  });

  test('have more calls in flight than the limit', () => {
    const end = new End(() => new Promise(() => undefined));
    for (let i = 1; i <= MAX_IN_FLIGHT; i += 1) end.receive({ streamId: BigInt(i) });
    expect(end.link.serving).toBe(MAX_IN_FLIGHT);
    end.receive({ streamId: BigInt(MAX_IN_FLIGHT + 1) });
    expect(end.last).toMatchObject({
      streamId: BigInt(MAX_IN_FLIGHT + 1),
      code: ERROR_CODES.RATE_LIMITED,
    });
    // A cancelled call still occupies its place: the work goes on.
    end.receive({ streamId: 1n, kind: FrameKind.FRAME_KIND_CANCEL });
    end.receive({ streamId: BigInt(MAX_IN_FLIGHT + 2) });
    expect(end.last?.code).toBe(ERROR_CODES.RATE_LIMITED);
    end.link.closed();
  });
});

describe('bytes in flight', () => {
  /** A frame of the largest size, of which the body is the smallest part. */
  const large = { body: new Uint8Array(16), method: 'm'.repeat(MAX_FRAME_BYTES - 64) };
  const most = Math.floor(MAX_IN_FLIGHT_BYTES / MAX_FRAME_BYTES);
  const never: CallHandler = () => new Promise(() => undefined);

  test('are those of whole frames, whatever their calls look at', () => {
    const end = new End(never);
    for (let i = 1; i <= most + 1; i += 1) end.receive({ ...large, streamId: BigInt(i) });
    expect(end.link.serving).toBe(most);
    expect(end.last).toMatchObject({ code: ERROR_CODES.RATE_LIMITED, streamId: BigInt(most + 1) });
    // A small one still fits.
    end.receive({ streamId: BigInt(most + 2) });
    expect(end.link.serving).toBe(most + 1);
  });

  test('are given back when a call ends, however it ends', async () => {
    const ends: CallHandler[] = [
      () => new Uint8Array(0),
      () => Promise.resolve(new Uint8Array(0)),
      () => Promise.reject(new Refusal('INTERNAL')),
      () => {
        throw new Error('a bug');
      },
    ];
    const end = new End((call) => (ends[call.timeoutMs % 4] ?? never)(call));
    for (let i = 1; i <= 2 * most; i += 1) {
      end.receive({ ...large, streamId: BigInt(i), timeoutMs: i });
      await Promise.resolve();
    }
    expect(end.sent).toHaveLength(2 * most);
    expect(end.sent.some(({ code }) => code === ERROR_CODES.RATE_LIMITED)).toBe(false);
  });

  test('of a link that closed are still held, and only by what still works', async () => {
    const inFlight = new InFlight();
    let finish: () => void = () => undefined;
    const work = new Promise<Uint8Array>((resolve) => {
      finish = () => {
        resolve(new Uint8Array(0));
      };
    });
    const first = new End(() => work, inFlight);
    for (let i = 1; i <= MAX_IN_FLIGHT; i += 1) first.receive({ streamId: BigInt(i) });
    first.link.closed();
    const second = new End(() => new Uint8Array(0), inFlight);
    second.receive({ streamId: 1n });
    expect(second.last?.code).toBe(ERROR_CODES.RATE_LIMITED);
    finish();
    await work;
    await Promise.resolve();
    second.receive({ streamId: 2n });
    expect(second.last?.code).toBe(0);
  });
});

test('our own calls in flight are bounded', async () => {
  const end = new End();
  const calls = Array.from({ length: MAX_IN_FLIGHT }, () => end.link.call('m', new Uint8Array(0)));
  await expect(end.link.call('m', new Uint8Array(0))).toRefuseWith('RATE_LIMITED');
  expect(end.sent).toHaveLength(MAX_IN_FLIGHT);
  end.link.closed();
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.every((outcome) => outcome.status === 'rejected')).toBe(true);
});

describe('refusals', () => {
  const refusing =
    (error: unknown): CallHandler =>
    () => {
      throw error;
    };

  test.each([
    ['thrown', refusing(new Refusal('KEY_NOT_FOUND', { keyId: 'a' }))],
    ['rejected', () => Promise.reject(new Refusal('KEY_NOT_FOUND', { keyId: 'a' }))],
  ])('that are %s travel with their details', async (_, handle) => {
    const { caller } = pair(handle);
    await expect(caller.call('m', new Uint8Array(0))).toRefuseWith('KEY_NOT_FOUND', { keyId: 'a' });
  });

  test.each([
    ['thrown', refusing(new Error('the PIN is 1234'))],
    ['rejected', () => Promise.reject(new Error('the PIN is 1234'))],
    ['no error at all', refusing('the PIN is 1234')],
  ])('for a bug (%s) are INTERNAL without a word', async (_, handle) => {
    const end = new End(handle);
    end.receive({ streamId: 1n });
    await settled();
    expect(end.last).toMatchObject({ code: ERROR_CODES.INTERNAL, details: [], method: '' });
    expect(end.last?.body).toHaveLength(0);
    expect(end.bugs).toHaveLength(1);
  });

  test('drop details that are not in the list, and cut long ones', async () => {
    const end = new End();
    const call = end.link.call('m', new Uint8Array(0));
    end.receive({
      kind: FrameKind.FRAME_KIND_RESPONSE,
      code: ERROR_CODES.INTERNAL,
      details: [
        { key: 'stack', value: 'secret' },
        { key: '__proto__', value: 'x' },
        { key: 'ring', value: 'a'.repeat(300) },
      ],
    });
    await expect(call).toRefuseWith('INTERNAL', { ring: 'a'.repeat(256) });
  });

  test('cut long details before they are sent', () => {
    const end = new End(refusing(new Refusal('KEY_NOT_FOUND', { keyId: 'a'.repeat(300) })));
    end.receive({ streamId: 1n });
    expect(end.last?.details[0]?.value).toHaveLength(256);
  });

  test.each([1, 99, 901, 0xffff_ffff])('with the unknown code %d become INTERNAL', async (code) => {
    const end = new End();
    const call = end.link.call('m', new Uint8Array(0));
    end.receive({ kind: FrameKind.FRAME_KIND_RESPONSE, code });
    await expect(call).toRefuseWith('INTERNAL', {});
  });

  test.each([
    ['at once', (body: Uint8Array) => body],
    ['later', (body: Uint8Array) => Promise.resolve(body)],
  ])('stand for an answer (%s) that no frame holds, and the link goes on', async (_, give) => {
    let size = MAX_FRAME_BYTES;
    const end = new End(() => give(new Uint8Array(size)));
    end.receive({ streamId: 1n });
    await settled();
    expect(end.last).toMatchObject({ streamId: 1n, code: ERROR_CODES.FRAME_TOO_LARGE });
    expect(end.failure).toBeUndefined();
    size = 3;
    end.receive({ streamId: 2n });
    await settled();
    expect(end.last).toMatchObject({ streamId: 2n, code: 0 });
  });
});

describe('giving up', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('at the deadline tells the other side and drops its answer', async () => {
    const end = new End();
    const call = end.link.call('m', new Uint8Array(0), { timeoutMs: 50 });
    const refused = expect(call).toRefuseWith('DEADLINE_EXCEEDED');
    await vi.advanceTimersByTimeAsync(49);
    expect(end.sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    await refused;
    expect(end.last).toMatchObject({ streamId: 1n, kind: FrameKind.FRAME_KIND_CANCEL });
    end.receive({ kind: FrameKind.FRAME_KIND_RESPONSE });
    expect(end.failure).toBeUndefined();
    expect(end.link.inFlight).toBe(0);
  });

  test('without a deadline of its own takes the default', async () => {
    const end = new End();
    const refused = expect(end.link.call('m', new Uint8Array(0))).toRefuseWith('DEADLINE_EXCEEDED');
    await vi.advanceTimersByTimeAsync(DEFAULT_DEADLINE_MS);
    await refused;
  });

  test('by a signal tells the other side', async () => {
    const end = new End();
    const control = new AbortController();
    const call = end.link.call('m', new Uint8Array(0), { signal: control.signal });
    control.abort();
    await expect(call).toRefuseWith('CANCELLED');
    expect(end.last?.kind).toBe(FrameKind.FRAME_KIND_CANCEL);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('before the call sends nothing', async () => {
    const end = new End();
    const signal = AbortSignal.abort();
    await expect(end.link.call('m', new Uint8Array(0), { signal })).toRefuseWith('CANCELLED');
    expect(end.sent).toHaveLength(0);
  });

  test('after the answer changes nothing', async () => {
    const end = new End();
    const control = new AbortController();
    const call = end.link.call('m', new Uint8Array(0), { signal: control.signal });
    end.receive({ kind: FrameKind.FRAME_KIND_RESPONSE, body: utf8('x') });
    control.abort();
    await vi.advanceTimersByTimeAsync(MAX_DEADLINE_MS);
    expect(await call).toEqual(utf8('x'));
    expect(end.sent).toHaveLength(1);
  });

  test('is seen by the handler, and its answer is dropped', async () => {
    let seen: IncomingCall | undefined;
    let release: ((body: Uint8Array) => void) | undefined;
    const end = new End((call) => {
      seen = call;
      return new Promise((resolve) => {
        release = resolve;
      });
    });
    end.receive({ streamId: 1n });
    expect(seen?.cancelled).toBe(false);
    end.receive({ streamId: 1n, kind: FrameKind.FRAME_KIND_CANCEL });
    expect(seen?.cancelled).toBe(true);
    release?.(new Uint8Array(0));
    await vi.advanceTimersByTimeAsync(0);
    expect(end.sent).toHaveLength(0);
    expect(end.link.serving).toBe(0);
  });

  test('on calls that nobody made is nothing', () => {
    const end = new End();
    end.receive({ streamId: 77n, kind: FrameKind.FRAME_KIND_CANCEL });
    end.receive({ streamId: 1n });
    expect(end.failure).toBeUndefined();
    expect(end.sent).toHaveLength(1);
  });
});

describe('a closed transport', () => {
  test('ends calls of ours and cancels calls of theirs', async () => {
    let seen: IncomingCall | undefined;
    let release: ((body: Uint8Array) => void) | undefined;
    const end = new End((call) => {
      seen = call;
      return new Promise((resolve) => {
        release = resolve;
      });
    });
    const call = end.link.call('m', new Uint8Array(0));
    end.receive({ streamId: 1n });
    end.link.closed();
    await expect(call).rejects.toBeInstanceOf(LinkClosed);
    expect(seen?.cancelled).toBe(true);
    release?.(new Uint8Array(0));
    await settled();
    expect(end.sent).toHaveLength(1);
  });

  test('may be told twice', () => {
    const end = new End();
    end.link.closed();
    expect(
      thrown(() => {
        end.link.closed();
      }),
    ).toBeUndefined();
  });

  test('takes no call', async () => {
    const end = new End();
    end.link.closed();
    await expect(end.link.call('m', new Uint8Array(0))).rejects.toBeInstanceOf(LinkClosed);
  });
});
