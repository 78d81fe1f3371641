/** Rate limits (docs/spec/policy.md, "Decision"). */
import { describe, expect, test } from 'vitest';
import { RateLimits } from '../../enclave/core/rate-limits.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import type { PolicyRing, RingLimits } from '../../enclave/wire/policy/ring.ts';
import { SECOND_CALLER } from '../support/fakes/callers.ts';
import { requestOf, World } from '../support/fakes/world.ts';
import { leavesOf } from '../support/log-audit.ts';
import '../support/matchers.ts';

const ring = (name: string, limits: Partial<RingLimits>): PolicyRing => ({
  name,
  algorithm: 'ES256',
  residency: 'enclave',
  payloadKind: 'message',
  maxBytes: 32,
  lowestRank: 'mtls',
  acceptHostAsserted: 'a test',
  callers: new Set(['a', 'b']),
  limits: { callerPerSecond: undefined, ringPerSecond: undefined, ...limits },
});

/** How many of `tries` at this moment are let through. */
function taken(limits: RateLimits, of: PolicyRing, caller: string, nowMs: number, tries = 1000) {
  let count = 0;
  for (let i = 0; i < tries; i += 1) {
    try {
      limits.take(of, caller, nowMs);
      count += 1;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return count;
}

describe('a bucket', () => {
  test('holds one second’s worth, starts full and fills as time goes by', () => {
    const limits = new RateLimits();
    const ten = ring('r', { callerPerSecond: 10 });
    expect(taken(limits, ten, 'a', 5000)).toBe(10);
    expect(taken(limits, ten, 'a', 5099)).toBe(0);
    expect(taken(limits, ten, 'a', 5100)).toBe(1);
    expect(taken(limits, ten, 'a', 5600)).toBe(5);
    expect(taken(limits, ten, 'a', 60_000)).toBe(10);
  });

  test('is each caller’s own in each ring; that of the ring is shared', () => {
    const limits = new RateLimits();
    const both = ring('r', { callerPerSecond: 4, ringPerSecond: 6 });
    expect(taken(limits, both, 'a', 0)).toBe(4);
    expect(taken(limits, both, 'b', 0)).toBe(2);
    expect(taken(limits, ring('s', { callerPerSecond: 4 }), 'a', 0)).toBe(4);
  });

  test('is left alone by a request that the other one turns away', () => {
    const limits = new RateLimits();
    const both = ring('r', { callerPerSecond: 2, ringPerSecond: 4 });
    expect(taken(limits, both, 'a', 0)).toBe(2);
    // A thousand more of a took nothing from the ring.
    expect(taken(limits, both, 'b', 0)).toBe(2);
  });

  test('is not there without a limit', () => {
    expect(taken(new RateLimits(), ring('r', {}), 'a', 0)).toBe(1000);
  });

  test('of the largest limit lets as many through', () => {
    const largest = ring('r', { ringPerSecond: 100_000 });
    expect(taken(new RateLimits(), largest, 'a', 123_456.789, 100_500)).toBe(100_000);
  });

  test('says which rule it is', async () => {
    const limits = new RateLimits();
    const one = ring('r', { callerPerSecond: 1 });
    limits.take(one, 'a', 0);
    await expect(() => {
      limits.take(one, 'a', 0);
    }).toRefuseWith('RATE_LIMITED', { policyId: 'rate', ring: 'r', limitPerSecond: '1' });
  });

  test('costs no memory when nobody has asked for a second', () => {
    const limits = new RateLimits();
    for (let n = 0; n < 20_000; n += 1) {
      limits.take(ring('r', { callerPerSecond: 1 }), `caller-${String(n)}`, n * 10);
    }
    expect(limits.size).toBeLessThan(2500);
  });
});

describe('a ring with limits', () => {
  test('turns away what is too much, without a leaf, and signs again a moment later', async () => {
    const world = new World('rates');
    const running = await world.begin({
      slow: { algorithm: 'ES256', limits: { callerPerSecond: 2, ringPerSecond: 3 } },
    });
    const message = utf8('m');
    const sign = (untrustedCaller?: typeof SECOND_CALLER) =>
      running.sign('slow', {
        message,
        ...(untrustedCaller === undefined ? {} : { call: { untrustedCaller } }),
      });
    await sign();
    await sign();
    await expect(sign()).toRefuseWith('RATE_LIMITED', {
      policyId: 'rate',
      ring: 'slow',
      limitPerSecond: '2',
    });
    await sign(SECOND_CALLER);
    await expect(sign(SECOND_CALLER)).toRefuseWith('RATE_LIMITED', {
      policyId: 'rate',
      ring: 'slow',
      limitPerSecond: '3',
    });
    world.clock.advance(500);
    await sign();
    world.clock.advance(1000);
    await running.enclave.tick();
    expect(leavesOf(world.logStore).filter(({ kind }) => kind === 'refusal')).toEqual([]);
  });

  test('takes nothing from a caller whose request is refused', async () => {
    const world = new World('rates of the refused');
    const running = await world.begin({
      slow: { algorithm: 'ES256', limits: { callerPerSecond: 1 } },
    });
    for (let i = 0; i < 3; i += 1) {
      await expect(running.sign('slow', { digest: new Uint8Array(32) })).toRefuseWith(
        'PAYLOAD_KIND_MISMATCH',
      );
    }
    await running.sign('slow', { message: utf8('m') });
  });

  test('counts each item of a batch', async () => {
    const world = new World('rates of a batch');
    const running = await world.begin({
      slow: { algorithm: 'ES256', limits: { callerPerSecond: 3 } },
    });
    const items = Array.from({ length: 5 }, () => requestOf('slow', { message: utf8('m') }));
    const { results } = await running.signBatch(items);
    expect(
      results.map(({ outcome }) =>
        outcome?.$case === 'refused' ? outcome.value.reason : outcome?.$case,
      ),
    ).toEqual(['signed', 'signed', 'signed', 'RATE_LIMITED', 'RATE_LIMITED']);
  });
});
