import { describe, expect, test } from 'vitest';
import { Refusal } from '../../enclave/wire/error-code.ts';
import type { SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { SeededEntropy } from '../support/fakes/entropy.ts';
import type { AppendFault } from '../support/fakes/memory-log-store.ts';
import { manifestOf, World, type Running } from '../support/fakes/world.ts';
import {
  claimOf,
  expectNoFork,
  expectProvable,
  headOf,
  knownLogOf,
  rootsOf,
} from '../support/log-audit.ts';
import { runs } from '../support/runs.ts';
import '../support/matchers.ts';

const RINGS = {
  ed: { algorithm: 'EdDSA' },
  hsm: { algorithm: 'ES256', residency: 'hsm' },
} as const;
const message = utf8('release 1.2.3');
const KILLS = ['lost', 'done'] as const;

/** Everything that was ever handed out, against what the host has now. */
class Auditor {
  readonly world: World;
  readonly answers: SignResponse[] = [];
  readonly heads: { readonly size: number; readonly root: string }[] = [];

  constructor(world: World) {
    this.world = world;
  }

  /** The answers that came; how many did not. */
  async take(calls: readonly Promise<SignResponse>[]): Promise<number> {
    const ends = await Promise.allSettled(calls);
    for (const end of ends) {
      if (end.status === 'fulfilled') this.answers.push(end.value);
      else expect(end.reason).toBeInstanceOf(Refusal);
    }
    return ends.filter(({ status }) => status === 'rejected').length;
  }

  async check(running: Running): Promise<void> {
    const { logStore } = this.world;
    this.heads.push(headOf(await claimOf(running, 'checkpoint')));
    await expectProvable(this.answers, await knownLogOf(running), logStore);
    expectNoFork(logStore);
    const roots = rootsOf(logStore.leaves);
    for (const { size, root } of this.heads) expect(root).toBe(roots[size]);
  }
}

describe.each(KILLS)('a kill while an append is %s', (fault: AppendFault) => {
  test('in a genesis leaves a halt, never a second genesis', async () => {
    const world = new World(`crash genesis ${String(fault)}`);
    const running = await world.boot();
    world.logStore.failAppend(1, fault);
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('ENCLAVE_HALTED');
    await expect(running).toHaltWith('INVARIANT_BROKEN');
    expect(world.logStore.checkpoints).toEqual([]);
    expect(world.tokens.openTokens).toBe(0);
    const again = await world.boot();
    await expect(again).toHaltWith('STATE_MISSING');
    expect(world.tokens.operations.filter((name) => name === 'initToken')).toHaveLength(1);
  });

  test('in the second batch of a genesis is the same', async () => {
    const rings = Object.fromEntries(
      Array.from({ length: 1024 }, (_, i) => [
        `r${String(i)}`,
        { algorithm: 'EdDSA', residency: 'hsm' } as const,
      ]),
    );
    const world = new World('crash large genesis');
    const running = await world.boot();
    world.logStore.failAppend(2, fault);
    await expect(running.genesis(manifestOf(rings))).toRefuseWith('ENCLAVE_HALTED');
    expect(world.logStore.batches[0]).toBe(1024);
    await expect(await world.boot()).toHaltWith('STATE_MISSING');
  }, 60_000);

  test('in a boot, many times over, is made up for by the next', async () => {
    const world = new World(`crash boot ${String(fault)}`);
    const auditor = new Auditor(world);
    let running = await world.begin(RINGS);
    for (let i = 0; i < 4; i += 1) {
      await auditor.take([running.sign('ed', { message }), running.sign('hsm', { message })]);
      await running.enclave.close();
      for (let kill = 0; kill < 2; kill += 1) {
        world.logStore.failAppend(1, fault);
        await expect(await world.boot()).toHaltWith('INVARIANT_BROKEN');
      }
      running = await world.boot();
      expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
      await auditor.check(running);
    }
    // A boot that was lost leaves no leaf, one that was done leaves its leaf.
    expect(world.logStore.leaves).toHaveLength(5 + 4 * (2 + 1 + (fault === 'done' ? 2 : 0)));
  });

  test('between the boot’s leaf and its index leaves the leaf', async () => {
    const world = new World(`crash between ${String(fault)}`);
    const running = await world.begin(RINGS);
    await running.enclave.close();
    const before = world.logStore.leaves.length;
    for (const put of ['lost', 'done', 'refused'] as const) {
      world.store.failPut(1, put);
      await expect(await world.boot()).toHaltWith('INVARIANT_BROKEN');
    }
    const again = await world.boot();
    expect((await again.status()).phase).toBe(Phase.PHASE_SERVING);
    expect(world.logStore.leaves).toHaveLength(before + 4);
    await new Auditor(world).check(again);
  });

  test('while signing takes nothing back that a caller has', async () => {
    const world = new World(`crash sign ${String(fault)}`);
    const auditor = new Auditor(world);
    let running = await world.begin(RINGS);
    for (let kill = 1; kill <= 6; kill += 1) {
      world.logStore.failAppend(kill, fault);
      let refused = 0;
      while (refused === 0) {
        const rings = ['ed', 'hsm', 'ed'];
        refused = await auditor.take(rings.map((ring) => running.sign(ring, { message })));
      }
      await expect(running).toHaltWith('INVARIANT_BROKEN');
      await expect(running.sign('ed', { message })).toRefuseWith('ENCLAVE_HALTED');
      running = await world.boot();
      expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
      await auditor.check(running);
    }
    expect(auditor.answers).toHaveLength(3 * (0 + 1 + 2 + 3 + 4 + 5));
  });
});

test('kills at random, of appends and of index writes, lose no receipt and make no fork', async () => {
  const world = new World('crash campaign');
  const random = new SeededEntropy('campaign');
  const below = (n: number): number => (random.bytes(1)[0] ?? 0) % n;
  const auditor = new Auditor(world);
  let running = await world.begin(RINGS);
  const kills = runs(60).numRuns ?? 60;
  for (let kill = 0; kill < kills; kill += 1) {
    const fault = KILLS[below(2)] ?? 'lost';
    if (below(3) === 0) world.store.failPut(1 + below(2), fault);
    else world.logStore.failAppend(1 + below(6), fault);
    while ((await running.status()).phase === Phase.PHASE_SERVING) {
      const calls = Array.from({ length: 1 + below(5) }, () =>
        running.sign(below(8) === 0 ? 'hsm' : 'ed', { message }),
      );
      // The index is written while calls are on their way.
      world.clock.advance(20_000);
      await Promise.all([auditor.take(calls), running.enclave.tick()]);
    }
    do {
      running = await world.boot();
    } while ((await running.status()).phase === Phase.PHASE_HALTED);
    if (kill % Math.ceil(kills / 4) === 0) await auditor.check(running);
  }
  await auditor.check(running);
  expect(auditor.answers.length).toBeGreaterThan(kills);
}, 600_000);
