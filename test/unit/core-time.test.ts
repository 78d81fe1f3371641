/** The clock by which the enclave decides: what a host gains that sets its own back (docs/spec/policy.md, "Applying"). */
import { describe, expect, test } from 'vitest';
import { EnclaveTime } from '../../enclave/core/enclave-time.ts';
import { FakeClock, START_WALL_MS } from '../support/fakes/clock.ts';
import '../support/matchers.ts';
import { World } from '../support/fakes/world.ts';

const YEAR_MS = 365 * 86_400_000;
const MESSAGE = { message: Buffer.from('a message') };

describe('the clock of decisions', () => {
  test.each([
    ['the host’s, when that is later', -1, 0],
    ['the mark, when the host’s is earlier', YEAR_MS, YEAR_MS],
  ])('begins at %s, and goes on from there', (_, markMs, laterMs) => {
    const clock = new FakeClock();
    const time = new EnclaveTime(clock, START_WALL_MS + markMs);
    expect(time.nowMs()).toBe(START_WALL_MS + laterMs);
    clock.advance(1_000);
    expect(time.nowMs()).toBe(START_WALL_MS + laterMs + 1_000);
  });
});

test('a policy ends when its time is over, also for a host that sets its clock back and restarts', async () => {
  const world = new World('valid-for');
  const rings = { a: { algorithm: 'ES256', residency: 'enclave' } } as const;
  let running = await world.begin(rings, { validForSeconds: 60 });
  world.clock.advance(50_000);
  running = await world.reboot(running);
  world.clock.setWall(START_WALL_MS - YEAR_MS);
  running = await world.reboot(running);
  await running.sign('a', MESSAGE);
  world.clock.advance(11_000);
  await expect(running.sign('a', MESSAGE)).toRefuseWith('SIGNING_POLICY_DENIED', {
    policyId: 'valid-for',
    ring: 'a',
  });
});
