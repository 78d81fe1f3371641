import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { RequestIds, type RequestIdentity } from '../../enclave/log/request-ids.ts';
import { TokenFailure } from '../../enclave/ports.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import {
  MAX_KEPT_ANSWERS,
  MAX_KEPT_ANSWERS_OF_CALLER,
  MAX_KEPT_BYTES_OF_CALLER,
} from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { SECOND_CALLER, SECOND_PEER } from '../support/fakes/callers.ts';
import {
  MTLS_CALLER,
  PEER_CALLER,
  signRequest,
  World,
  type Running,
} from '../support/fakes/world.ts';
import { kindsOf } from '../support/log-audit.ts';
import '../support/matchers.ts';

const RINGS = {
  ec: { algorithm: 'ES256' },
  other: { algorithm: 'ES256' },
  hsm: { algorithm: 'ES256', residency: 'hsm' },
  open: { algorithm: 'ES256', lowestRank: 'peer' },
} as const;
const message = utf8('release 1.2.3');
const requestId = new Uint8Array(16).fill(7);
const TEN_MINUTES_MS = 10 * 60 * 1000;

class Bench {
  readonly world: World;
  readonly running: Running;
  readonly #start: number;

  constructor(world: World, running: Running) {
    this.world = world;
    this.running = running;
    this.#start = world.logStore.leaves.length;
  }

  static async begin(seed: string): Promise<Bench> {
    const world = new World(`request ids ${seed}`);
    return new Bench(world, await world.begin(RINGS));
  }

  /** Leaves of signatures since the genesis. */
  get leaves(): number {
    return kindsOf(this.world.logStore).slice(this.#start).length;
  }

  /** Hex of the answer's bytes. */
  async sign(ring = 'ec', text = message, id = requestId, caller = MTLS_CALLER): Promise<string> {
    const body = signRequest(ring, { message: text, requestId: id });
    return toHex(await this.running.call(METHODS.sign, body, { untrustedCaller: caller }));
  }
}

describe('a request id', () => {
  test('makes a retry get the same bytes, and no second leaf', async () => {
    const bench = await Bench.begin('retry');
    const first = await bench.sign();
    bench.world.clock.advance(5 * 60_000);
    for (let i = 0; i < 3; i += 1) expect(await bench.sign()).toBe(first);
    expect(bench.leaves).toBe(1);
    // Without an id the same request is another signature.
    const none = new Uint8Array(0);
    expect(await bench.sign('ec', message, none)).not.toBe(await bench.sign('ec', message, none));
    expect(bench.leaves).toBe(3);
  });

  test('is in flight until the answer is there', async () => {
    const bench = await Bench.begin('in flight');
    const release = bench.world.logStore.hold();
    const first = bench.sign();
    await turn();
    await expect(bench.sign()).toRefuseWith('REQUEST_IN_FLIGHT', {});
    await expect(bench.sign('ec', utf8('x'))).toRefuseWith('REQUEST_ID_REUSED', {});
    release();
    const answer = await first;
    expect(await bench.sign()).toBe(answer);
    expect(bench.leaves).toBe(1);
  });

  test('twice in one turn is signed once', async () => {
    const bench = await Bench.begin('one turn');
    const calls = [bench.sign(), bench.sign(), bench.sign()];
    const ends = await Promise.allSettled(calls);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    await expect(calls[1]).toRefuseWith('REQUEST_IN_FLIGHT');
    expect(bench.leaves).toBe(1);
  });

  test.each([
    ['message', signRequest('ec', { message: utf8('x'), requestId })],
    ['encoding', signRequest('ec', { message, requestId, encoding: 2 })],
    ['algorithm', signRequest('ec', { message, requestId, algorithm: 1 })],
    ['unknown field', Uint8Array.of(...signRequest('ec', { message, requestId }), 0xa0, 0x1f, 1)],
  ])('of a request with another %s is refused', async (_, body) => {
    const bench = await Bench.begin('reused');
    const first = await bench.sign();
    await expect(bench.running.call(METHODS.sign, body)).toRefuseWith('REQUEST_ID_REUSED', {});
    expect(await bench.sign()).toBe(first);
    expect(bench.leaves).toBe(1);
  });

  test('belongs to caller, rank and ring', async () => {
    const bench = await Bench.begin('independent');
    const answers = [
      await bench.sign('ec'),
      await bench.sign('other'),
      await bench.sign('ec', message, requestId, SECOND_CALLER),
      await bench.sign('open', utf8('1')),
      await bench.sign('open', utf8('2'), requestId, SECOND_CALLER),
      await bench.sign('open', utf8('3'), requestId, PEER_CALLER),
      await bench.sign('open', utf8('4'), requestId, SECOND_PEER),
    ];
    expect(new Set(answers).size).toBe(7);
    expect(bench.leaves).toBe(7);
    expect(await bench.sign()).toBe(answers[0]);
  });

  test('is forgotten after ten minutes, not before', async () => {
    const bench = await Bench.begin('forgotten');
    const first = await bench.sign();
    bench.world.clock.advance(TEN_MINUTES_MS - 1);
    expect(await bench.sign()).toBe(first);
    await expect(bench.sign('ec', utf8('x'))).toRefuseWith('REQUEST_ID_REUSED');
    bench.world.clock.advance(1);
    expect(await bench.sign()).not.toBe(first);
    expect(bench.leaves).toBe(2);
  });

  test('is forgotten by a restart', async () => {
    const bench = await Bench.begin('restart');
    const first = await bench.sign();
    const again = new Bench(bench.world, await bench.world.reboot(bench.running));
    expect(await again.sign()).not.toBe(first);
  });

  test.each([1, 8, 15, 17, 32])('of %d bytes is refused', async (length) => {
    const bench = await Bench.begin(`length ${String(length)}`);
    await expect(bench.sign('ec', message, new Uint8Array(length))).toRefuseWith(
      'REQUEST_MALFORMED',
      { field: 'request_id', expectedBytes: '16', actualBytes: String(length) },
    );
    expect(bench.leaves).toBe(0);
  });

  test('of a request that failed may be tried again', async () => {
    const bench = await Bench.begin('failed');
    bench.world.tokens.fault = () => new TokenFailure('unavailable', 'sign');
    await expect(bench.sign('hsm')).toRefuseWith('TOKEN_UNAVAILABLE');
    bench.world.tokens.fault = undefined;
    const answer = await bench.sign('hsm');
    expect(await bench.sign('hsm')).toBe(answer);
    expect(bench.leaves).toBe(2);
  });

  test('of a request that a stalled log turned away may be tried again', async () => {
    const bench = await Bench.begin('turned away');
    const release = bench.world.logStore.hold();
    const wait = bench.world.logStore.beforeAppend;
    bench.world.logStore.beforeAppend = (onStall) => {
      onStall();
      return wait(onStall);
    };
    await expect(bench.sign()).toRefuseWith('LOG_UNAVAILABLE');
    await expect(bench.sign()).toRefuseWith('LOG_UNAVAILABLE');
    release();
    await turn();
    const answer = await bench.sign();
    expect(await bench.sign()).toBe(answer);
    // The first intent became durable after all: it counts as issued.
    expect(bench.leaves).toBe(2);
  });

  test('of a refused request is not taken', async () => {
    const bench = await Bench.begin('refused');
    await expect(bench.sign('ec', message, requestId, PEER_CALLER)).toRefuseWith(
      'SIGNING_POLICY_DENIED',
    );
    await expect(bench.sign('ec', new Uint8Array(61_441))).toRefuseWith('MESSAGE_TOO_LARGE');
    await bench.sign();
    expect(bench.leaves).toBe(1);
  });

  test('is not a way around the policy: who may not ask gets no answer of before', async () => {
    const bench = await Bench.begin('policy');
    await bench.sign();
    await expect(
      bench.sign('ec', message, requestId, {
        ...PEER_CALLER,
        certificates: MTLS_CALLER.certificates,
      }),
    ).toRefuseWith('SIGNING_POLICY_DENIED');
    await expect(
      bench.sign('ec', message, requestId, { ...MTLS_CALLER, certificates: [] }),
    ).toRefuseWith('CALLER_UNAUTHENTICATED');
  });

  test('does not outlive a halt', async () => {
    const bench = await Bench.begin('halt');
    await bench.sign();
    bench.world.logStore.failAppend(1, new Refusal('LOG_STORE_FAILED'));
    await expect(bench.sign('other')).toRefuseWith('LOG_UNAVAILABLE');
    await expect(bench.sign()).toRefuseWith('ENCLAVE_HALTED');
  });
});

const identity = (n: number, principal = 'peer:a'): RequestIdentity => ({
  principal,
  rank: 'peer',
  ring: 'ring',
  method: METHODS.sign,
  requestId: new Uint8Array(new Uint32Array([n, 0, 0, 0]).buffer),
});
const request = utf8('request');

/** Answers requests of numbered identities, and counts how often it had to. */
class Kept {
  readonly ids = new RequestIds();
  runs = 0;

  ask(who: RequestIdentity, answer = request, nowMs = 0): Uint8Array {
    const first = this.ids.begin(who, request, nowMs);
    if (first instanceof Uint8Array) return first;
    this.runs += 1;
    return first.finish(answer);
  }

  /** Whether the answer is still there; a caller without one is not given one. */
  has(who: RequestIdentity): boolean {
    const first = this.ids.begin(who, request, 0);
    if (first instanceof Uint8Array) return true;
    first.fail();
    return false;
  }
}

describe('what is kept of request ids', () => {
  /** More than are kept of one caller, and of all. */
  const MANY = 40_000;

  test('is bounded by number for a caller: its oldest answers go first', () => {
    const kept = new Kept();
    for (let n = 0; n < MANY; n += 1) kept.ask(identity(n));
    expect(kept.runs).toBe(MANY);
    const oldest = MANY - MAX_KEPT_ANSWERS_OF_CALLER;
    for (const n of [MANY - 1, oldest + 1, oldest]) expect(kept.has(identity(n))).toBe(true);
    for (const n of [oldest - 1, 0]) expect(kept.has(identity(n))).toBe(false);
  });

  test('is bounded by bytes for a caller', () => {
    const kept = new Kept();
    const answer = new Uint8Array(MAX_KEPT_BYTES_OF_CALLER / 10);
    for (let n = 0; n < 20; n += 1) kept.ask(identity(n), answer);
    // Ten would fit but for what each costs beside its bytes.
    const found = [...Array(20).keys()].filter((n) => kept.has(identity(n)));
    expect(found).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test.each(['number', 'bytes'])('lets nobody push out another’s answers by %s', (by) => {
    const kept = new Kept();
    const few = [...Array(100).keys()].map((n) => identity(n, 'peer:modest'));
    for (const who of few) kept.ask(who, utf8('modest'));
    const [count, answer] =
      by === 'number'
        ? [MAX_KEPT_ANSWERS_OF_CALLER * 2, request]
        : [200, new Uint8Array(MAX_KEPT_BYTES_OF_CALLER / 100)];
    for (const greedy of ['peer:a', 'peer:b', 'peer:c', 'peer:d']) {
      for (let n = 0; n < count; n += 1) kept.ask(identity(n, greedy), answer);
    }
    for (const who of few) expect(kept.has(who)).toBe(true);
    // A newcomer finds room too, and keeps it.
    kept.ask(identity(0, 'peer:late'));
    for (let n = count; n < 2 * count; n += 1) kept.ask(identity(n, 'peer:a'), answer);
    expect(kept.has(identity(0, 'peer:late'))).toBe(true);
  });

  test('of many callers is bounded for all: whoever has most loses its oldest', () => {
    const kept = new Kept();
    const callers = [...Array(200).keys()].map((n) => `peer:${String(n)}`);
    const each = MAX_KEPT_ANSWERS / callers.length;
    for (let n = 0; n < 2 * each; n += 1) {
      for (const principal of callers) kept.ask(identity(n, principal));
    }
    for (const principal of callers) {
      const found = [...Array(Math.floor(2 * each)).keys()].filter((n) =>
        kept.has(identity(n, principal)),
      );
      expect(Math.abs(found.length - each)).toBeLessThan(3);
      expect(found.at(-1)).toBe(Math.floor(2 * each) - 1);
    }
  });

  test('never loses one in flight, however many come after it', async () => {
    const kept = new Kept();
    const slow = identity(0, 'peer:slow');
    const first = kept.ids.begin(slow, request, 0);
    if (first instanceof Uint8Array) throw new Error('not the first use');
    const later = TEN_MINUTES_MS * 2;
    for (let n = 1; n < MANY; n += 1) kept.ask(identity(n, 'peer:slow'), request, later);
    const again = (): unknown => kept.ids.begin(slow, request, later);
    await expect(() => Promise.resolve().then(again)).toRefuseWith('REQUEST_IN_FLIGHT');
    expect(first.finish(utf8('first'))).toEqual(utf8('first'));
  });

  test('is nothing of a request that failed', () => {
    const kept = new Kept();
    for (let n = 0; n < 3; n += 1) {
      const first = kept.ids.begin(identity(1), request, 0);
      if (first instanceof Uint8Array) throw new Error('kept');
      first.fail();
    }
    kept.ask(identity(1));
    expect(kept.runs).toBe(1);
  });

  test('belongs to one principal, rank, ring and method', () => {
    const kept = new Kept();
    const others: Partial<RequestIdentity>[] = [
      {},
      { principal: 'peer:b' },
      { rank: 'signed' },
      { ring: 'another' },
      { method: METHODS.getKey },
    ];
    for (const other of [...others, ...others]) kept.ask({ ...identity(1), ...other });
    expect(kept.runs).toBe(others.length);
  });

  test('can’t be confused by names', () => {
    const kept = new Kept();
    const names = [
      ['a', 'b'],
      ['a"', ',"b'],
      ['a","b', ''],
      ['', 'a","b'],
      ['a\u0000', 'b'],
      ['a', '\u0000b'],
    ] as const;
    for (const [principal, ring] of names) kept.ask({ ...identity(1), principal, ring });
    expect(kept.runs).toBe(names.length);
  });

  test('are copies', () => {
    const kept = new Kept();
    const answer = utf8('answer');
    kept.ask(identity(1), answer);
    answer.fill(0);
    expect(kept.ask(identity(1))).toEqual(utf8('answer'));
  });
});
