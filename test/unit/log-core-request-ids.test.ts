import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { RequestIds, type RequestIdentity } from '../../enclave/log/request-ids.ts';
import { TokenFailure } from '../../enclave/ports.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import type { UntrustedCaller } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
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
    const stranger: UntrustedCaller = { ...MTLS_CALLER, certificates: [Uint8Array.of(0x30, 0x01)] };
    const neighbour: UntrustedCaller = { ...PEER_CALLER, socket: 'other' };
    const answers = [
      await bench.sign('ec'),
      await bench.sign('other'),
      await bench.sign('ec', message, requestId, stranger),
      await bench.sign('open', utf8('1')),
      await bench.sign('open', utf8('2'), requestId, stranger),
      await bench.sign('open', utf8('3'), requestId, PEER_CALLER),
      await bench.sign('open', utf8('4'), requestId, neighbour),
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

describe('what is kept of request ids', () => {
  const identity = (n: number, principal = 'peer:a'): RequestIdentity => ({
    principal,
    rank: 'peer',
    ring: 'ring',
    method: METHODS.sign,
    requestId: new Uint8Array(new Uint32Array([n, 0, 0, 0]).buffer),
  });
  const request = utf8('request');
  /** More than are kept. */
  const MANY = 40_000;

  test('is bounded: the oldest answers go first', async () => {
    const ids = new RequestIds();
    let runs = 0;
    const ask = (n: number) =>
      ids.once(identity(n), request, 0, () => {
        runs += 1;
        return Uint8Array.of(n & 0xff);
      });
    for (let n = 0; n < MANY; n += 1) await ask(n);
    expect(runs).toBe(MANY);
    await ask(MANY - 1);
    await ask(MANY - 32_000);
    expect(runs).toBe(MANY);
    await ask(0);
    expect(runs).toBe(MANY + 1);
  });

  test('never loses one in flight, however many come after it', async () => {
    const ids = new RequestIds();
    let release: (answer: Uint8Array) => void = () => undefined;
    const first = ids.once(identity(0, 'peer:slow'), request, 0, () => {
      return new Promise((resolve) => {
        release = resolve;
      });
    });
    for (let n = 0; n < MANY; n += 1) {
      await ids.once(identity(n), request, TEN_MINUTES_MS * 2, () => request);
    }
    const again = () =>
      ids.once(identity(0, 'peer:slow'), request, TEN_MINUTES_MS * 2, () => utf8('second'));
    await expect(again).toRefuseWith('REQUEST_IN_FLIGHT');
    release(utf8('first'));
    expect(await first).toEqual(utf8('first'));
  });

  test('belongs to one principal, rank, ring and method', async () => {
    const ids = new RequestIds();
    const others: Partial<RequestIdentity>[] = [
      {},
      { principal: 'peer:b' },
      { rank: 'signed' },
      { ring: 'another' },
      { method: METHODS.getKey },
    ];
    let runs = 0;
    for (const other of [...others, ...others]) {
      await ids.once({ ...identity(1), ...other }, request, 0, () => {
        runs += 1;
        return request;
      });
    }
    expect(runs).toBe(others.length);
  });

  test('can’t be confused by names', async () => {
    const ids = new RequestIds();
    const names = [
      ['a', 'b'],
      ['a"', ',"b'],
      ['a","b', ''],
      ['', 'a","b'],
      ['a\u0000', 'b'],
      ['a', '\u0000b'],
    ] as const;
    let runs = 0;
    for (const [principal, ring] of names) {
      await ids.once({ ...identity(1), principal, ring }, request, 0, () => {
        runs += 1;
        return request;
      });
    }
    expect(runs).toBe(names.length);
  });

  test('are copies', async () => {
    const ids = new RequestIds();
    const answer = utf8('answer');
    await ids.once(identity(1), request, 0, () => answer);
    answer.fill(0);
    expect(await ids.once(identity(1), request, 0, () => answer)).toEqual(utf8('answer'));
  });
});
