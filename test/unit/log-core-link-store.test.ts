import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LinkLogStore } from '../../enclave/io/log-store.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal, type Reason } from '../../enclave/wire/error-code.ts';
import {
  LogAppendRequest,
  LogCheckpointRequest,
  LogReadRequest,
  LogReadResponse,
  LogStateResponse,
} from '../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { Link, type CallHandler } from '../../enclave/wire/link.ts';
import { LOG_METHODS } from '../../enclave/wire/methods.ts';
import '../support/matchers.ts';

const EMPTY = new Uint8Array(0);
const leaves = [utf8('one'), utf8('two')];
const edge = utf8('sealed edge');

/** The enclave's end of a link, and a host that answers from the test. */
function linkTo(handle: CallHandler): Link {
  const common = { fail: () => undefined, onBug: () => undefined };
  const link: Link = new Link({
    ...common,
    send: (bytes) => {
      host.receive(bytes);
    },
    handle: () => EMPTY,
  });
  const host: Link = new Link({
    ...common,
    send: (bytes) => {
      link.receive(bytes);
    },
    handle,
  });
  return link;
}

const storeOf = (handle: CallHandler): LinkLogStore => {
  const link = linkTo(handle);
  return new LinkLogStore({ current: () => Promise.resolve(link) });
};

const never = (): Promise<Uint8Array> => new Promise(() => undefined);

/** What became of a promise so far. */
function watched(promise: Promise<unknown>): { state: string } {
  const seen = { state: 'pending' };
  promise.then(
    () => {
      seen.state = 'done';
    },
    (error: unknown) => {
      seen.state = error instanceof Refusal ? error.reason : 'bug';
    },
  );
  return seen;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('an append over the link', () => {
  test('names first index, leaves and edge, and resolves with the host’s answer', async () => {
    let stalls = 0;
    const store = storeOf((call) => {
      expect(call.method).toBe(LOG_METHODS.append);
      expect(LogAppendRequest.decode(call.body)).toMatchObject({
        firstIndex: 7n,
        leaves,
        sealedEdge: edge,
      });
      return EMPTY;
    });
    await store.append(7, leaves, edge, () => (stalls += 1));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(stalls).toBe(0);
  });

  test.each([
    'LOG_STORE_FULL',
    'STORE_UNAVAILABLE',
    'RATE_LIMITED',
    'INTERNAL',
    'REQUEST_MALFORMED',
    'LOG_UNAVAILABLE',
  ] as const)(
    'that is refused with %s is asked again in the same bytes until it is taken',
    async (reason: Reason) => {
      const bodies = new Set<string>();
      let asked = 0;
      let full = true;
      let stalls = 0;
      const store = storeOf((call) => {
        asked += 1;
        bodies.add(toHex(call.body));
        if (full) throw new Refusal(reason);
        return EMPTY;
      });
      const seen = watched(store.append(0, leaves, edge, () => (stalls += 1)));
      await vi.advanceTimersByTimeAsync(600_000);
      expect(seen.state).toBe('pending');
      expect(stalls).toBeGreaterThan(0);
      // Ten times a second at most: a full disk is no reason to burn a core.
      expect(asked).toBeGreaterThan(1000);
      expect(asked).toBeLessThan(6100);
      full = false;
      await vi.advanceTimersByTimeAsync(200);
      expect(seen.state).toBe('done');
      expect(bodies.size).toBe(1);
    },
  );

  test.each(['LOG_STORE_FAILED', 'LOG_STORE_CONFLICT'] as const)(
    'that is refused with %s rejects, and is not asked again',
    async (reason) => {
      let asked = 0;
      const store = storeOf(() => {
        asked += 1;
        throw new Refusal(reason);
      });
      await expect(store.append(0, leaves, edge, () => undefined)).toRefuseWith(reason);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(asked).toBe(1);
    },
  );

  test('that is not answered stalls after 1.5 seconds and is asked again after its deadline', async () => {
    let asked = 0;
    let stalls = 0;
    const store = storeOf(() => {
      asked += 1;
      return asked < 3 ? never() : EMPTY;
    });
    const seen = watched(store.append(0, leaves, edge, () => (stalls += 1)));
    await vi.advanceTimersByTimeAsync(1_499);
    expect(stalls).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(stalls).toBe(1);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(seen.state).toBe('done');
    expect(asked).toBe(3);
    expect(stalls).toBe(1);
  });

  test('whose link closes goes to the next host, in the same bytes', async () => {
    const bodies: string[] = [];
    const first: Link = linkTo((call) => {
      bodies.push(toHex(call.body));
      return never();
    });
    const second = linkTo((call) => {
      bodies.push(toHex(call.body));
      return EMPTY;
    });
    let current: Promise<Link> = Promise.resolve(first);
    const store = new LinkLogStore({ current: () => current });
    const seen = watched(store.append(3, leaves, edge, () => undefined));
    await vi.advanceTimersByTimeAsync(10);
    let connect: (link: Link) => void = () => undefined;
    current = new Promise((resolve) => {
      connect = resolve;
    });
    first.closed();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen.state).toBe('pending');
    connect(second);
    await vi.advanceTimersByTimeAsync(10);
    expect(seen.state).toBe('done');
    expect(bodies).toHaveLength(2);
    expect(bodies[0]).toBe(bodies[1]);
  });

  test('whose answer is no message counts for nothing', async () => {
    let asked = 0;
    const store = storeOf(() => {
      asked += 1;
      return asked === 1 ? Uint8Array.of(0xff) : EMPTY;
    });
    const seen = watched(store.append(0, leaves, edge, () => undefined));
    await vi.advanceTimersByTimeAsync(50);
    expect(seen.state).toBe('pending');
    await vi.advanceTimersByTimeAsync(100);
    expect(seen.state).toBe('done');
    expect(asked).toBe(2);
  });
});

describe('reading over the link', () => {
  test('gives copies of what the host has', async () => {
    const state = LogStateResponse.encode({ size: 5n, sealedEdge: edge }).finish();
    const read = LogReadResponse.encode({ leaves }).finish();
    const store = storeOf((call) => {
      if (call.method === LOG_METHODS.state) return state;
      expect(LogReadRequest.decode(call.body)).toMatchObject({ firstIndex: 2n, count: 3 });
      return read;
    });
    expect(await store.state()).toEqual({ size: 5, sealedEdge: edge });
    const found = await store.read(2, 3);
    state.fill(0);
    read.fill(0);
    expect(found).toEqual(leaves);
  });

  test.each([
    ['bytes that are no message', () => Uint8Array.of(0xff, 0xff)],
    ['a cut message', () => LogReadResponse.encode({ leaves }).finish().slice(0, -1)],
    ['a group', () => Uint8Array.of(0x0c)],
  ])('of %s ends as a store that does not answer', async (_, answer) => {
    let asked = 0;
    const store = storeOf(() => {
      asked += 1;
      return answer();
    });
    for (const ask of [() => store.state(), () => store.read(0, 10)]) {
      asked = 0;
      const seen = watched(ask());
      await vi.advanceTimersByTimeAsync(10_000);
      expect(seen.state).toBe('STORE_UNAVAILABLE');
      expect(asked).toBe(10);
    }
  });

  test.each(['LOG_STORE_FAILED', 'LOG_STORE_CONFLICT', 'STORE_UNAVAILABLE'] as const)(
    'that is refused with %s gives up with that word',
    async (reason) => {
      const store = storeOf(() => {
        throw new Refusal(reason);
      });
      for (const ask of [() => store.state(), () => store.read(0, 10)]) {
        const seen = watched(ask());
        await vi.advanceTimersByTimeAsync(10_000);
        expect(seen.state).toBe(reason);
      }
    },
  );

  test('that is never answered gives up', async () => {
    const seen = watched(storeOf(never).state());
    await vi.advanceTimersByTimeAsync(90_000);
    expect(seen.state).toBe('pending');
    await vi.advanceTimersByTimeAsync(30_000);
    expect(seen.state).toBe('DEADLINE_EXCEEDED');
  });
});

describe('a checkpoint over the link', () => {
  test('is sent once, and nobody minds its end', async () => {
    for (const end of ['ok', 'refused', 'never', 'closed'] as const) {
      let asked = 0;
      const link = linkTo((call) => {
        expect(call.method).toBe(LOG_METHODS.checkpoint);
        asked += 1;
        if (end === 'refused') throw new Refusal('REQUEST_MALFORMED');
        return end === 'never' ? never() : EMPTY;
      });
      if (end === 'closed') link.closed();
      const store = new LinkLogStore({ current: () => Promise.resolve(link) });
      store.publishCheckpoint('a note');
      await vi.advanceTimersByTimeAsync(60_000);
      expect(asked).toBe(end === 'closed' ? 0 : 1);
    }
  });

  test('waits for the one before it, and only the newest is sent', async () => {
    const sent: string[] = [];
    let release: () => void = () => undefined;
    const link = linkTo((call) => {
      sent.push(LogCheckpointRequest.decode(call.body).checkpoint);
      return sent.length > 1
        ? EMPTY
        : new Promise((resolve) => {
            release = () => {
              resolve(EMPTY);
            };
          });
    });
    const store = new LinkLogStore({ current: () => Promise.resolve(link) });
    for (let i = 0; i < 2000; i += 1) {
      store.publishCheckpoint(String(i));
      if (i % 100 === 0) await vi.advanceTimersByTimeAsync(1);
    }
    expect(link.inFlight).toBe(1);
    release();
    await vi.advanceTimersByTimeAsync(10);
    expect(sent).toEqual(['0', '1999']);
    store.publishCheckpoint('last');
    await vi.advanceTimersByTimeAsync(10);
    expect(sent.at(-1)).toBe('last');
  });
});
