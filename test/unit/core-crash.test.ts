import { describe, expect, test } from 'vitest';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { MemoryAnchor } from '../support/fakes/memory-anchor.ts';
import type { PutFault } from '../support/fakes/memory-store.ts';
import { manifestOf, World, type RingOptions } from '../support/fakes/world.ts';
import '../support/matchers.ts';

/** Names and reasons as long as allowed, so that the records of genesis take more than one put. */
const RINGS: Record<string, RingOptions> = {
  h: { algorithm: 'ES256', residency: 'hsm' },
  a: { algorithm: 'ES256' },
  b: { algorithm: 'ES256' },
};

const FAULTS: readonly PutFault[] = ['refused', 'lost', 'done'];

/** Puts of one whole genesis, and of one whole boot. */
async function putsOf(): Promise<{ readonly genesis: number; readonly boot: number }> {
  const world = new World('count');
  const running = await world.begin(RINGS);
  const genesis = world.store.puts;
  await world.reboot(running);
  return { genesis, boot: world.store.puts - genesis };
}

describe.each(FAULTS)('a put that is %s', (fault) => {
  test('in a genesis leaves the new cluster or a halt, never a second genesis', async () => {
    const { genesis } = await putsOf();
    expect(genesis).toBeGreaterThan(1);
    for (let n = 1; n <= genesis; n += 1) {
      const world = new World(`genesis ${fault} ${String(n)}`);
      const running = await world.boot();
      world.store.failPut(n, fault);
      await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('ENCLAVE_HALTED');
      await expect(running).toHaltWith('INVARIANT_BROKEN');
      const again = await world.boot();
      const status = await again.status();
      // The put that holds the index is the last one: with it the cluster exists.
      if (fault === 'done' && n === genesis) {
        expect(status).toMatchObject({ phase: Phase.PHASE_SERVING, rings: 3, epoch: 2n });
      } else {
        await expect(again).toHaltWith('STATE_MISSING', { token: 'fake-0001' });
        await expect(again.genesis(manifestOf(RINGS))).toRefuseWith('ENCLAVE_HALTED');
      }
      expect(world.tokens.operations.filter((name) => name === 'initToken')).toHaveLength(1);
    }
  });

  test('in a boot leaves the old state or the new one', async () => {
    const { boot } = await putsOf();
    for (let n = 1; n <= boot; n += 1) {
      const world = new World(`boot ${fault} ${String(n)}`);
      const running = await world.begin(RINGS);
      const before = (await running.keys()).map((key) => key.kid);
      await running.enclave.close();
      world.store.failPut(n, fault);
      await expect(await world.boot()).toHaltWith('INVARIANT_BROKEN');
      const again = await world.boot();
      expect((await again.status()).phase).toBe(Phase.PHASE_SERVING);
      expect((await again.keys()).map((key) => key.kid)).toEqual(before);
      const done = fault === 'done' && n === boot;
      expect((await again.status()).epoch).toBe(done ? 3n : 2n);
    }
  });

  test('in a boot with an anchor is no rollback', async () => {
    const world = new World(`anchored ${fault}`);
    world.anchor = new MemoryAnchor();
    const running = await world.begin(RINGS);
    await running.enclave.close();
    for (let i = 0; i < 3; i += 1) {
      world.store.failPut(1, fault);
      await expect(await world.boot()).toHaltWith('INVARIANT_BROKEN');
    }
    expect((await (await world.boot()).status()).phase).toBe(Phase.PHASE_SERVING);
  });
});
