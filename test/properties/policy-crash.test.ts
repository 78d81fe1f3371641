/** Policies and statements in any order, with kills in between and in the middle: never half of one, never a lost key. */
import { describe, expect, test, vi } from 'vitest';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { KeyState } from '../../enclave/wire/gen/sealwright/v1/keys.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { EMERGENCY_CALLS } from '../../enclave/wire/policy/emergency.ts';
import { MemoryAnchor } from '../support/fakes/memory-anchor.ts';
import { SeededEntropy } from '../support/fakes/entropy.ts';
import { ringsOf, World, type RingOptions, type Running } from '../support/fakes/world.ts';
import type { Call } from '../support/genesis.ts';
import { expectNoFork } from '../support/log-audit.ts';
import { runs } from '../support/runs.ts';
import {
  applyEmergency,
  applyPolicy,
  emergency,
  getPolicy,
  nextPolicy,
} from '../support/statements.ts';
import '../support/matchers.ts';

const POOL: Readonly<Record<string, RingOptions>> = {
  a: { algorithm: 'ES256' },
  b: { algorithm: 'EdDSA' },
  c: { algorithm: 'ES256', residency: 'hsm' },
  d: { algorithm: 'EdDSA', residency: 'hsm' },
};
const NAMES = Object.keys(POOL);
const STEPS = 12;

/** Small numbers, the same for the same seed. */
class Dice {
  readonly #entropy: SeededEntropy;
  constructor(seed: string) {
    this.#entropy = new SeededEntropy(seed);
  }

  below(n: number): number {
    return (this.#entropy.bytes(1)[0] ?? 0) % n;
  }

  one<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to choose from');
    return item;
  }
}

interface Seen {
  readonly version: number;
  readonly sequence: number;
  /** State by `ring/version kid`. */
  readonly keys: ReadonlyMap<string, KeyState>;
}

const callTo =
  (running: Running): Call =>
  (method, body) =>
    running.call(method, body);

async function look(running: Running): Promise<Seen> {
  const { document, adminSequence } = await getPolicy(callTo(running));
  const { version } = JSON.parse(Buffer.from(document).toString()) as { version: number };
  // After an emergency evidence comes beside it.
  const keys = await vi.waitFor(() => running.keys());
  return {
    version,
    sequence: Number(adminSequence),
    keys: new Map(keys.map((key) => [`${key.ring}/${String(key.version)} ${key.kid}`, key.state])),
  };
}

/** One change, however it ends. Resolves with its refusal. */
async function changeSomething(dice: Dice, world: World, running: Running): Promise<unknown> {
  const call = callTo(running);
  const nowMs = world.clock.wallMs();
  const change = async (): Promise<unknown> => {
    if (dice.below(2) === 0) {
      const wanted = NAMES.filter(() => dice.below(2) === 0);
      const rings = ringsOf(
        Object.fromEntries(wanted.map((name) => [name, POOL[name] ?? { algorithm: 'ES256' }])),
      );
      return applyPolicy(call, await nextPolicy(call, { rings }));
    }
    const [kind, ring] = [dice.one(EMERGENCY_CALLS), dice.one(NAMES)];
    return applyEmergency(call, await emergency(call, kind, ring, nowMs));
  };
  return change().then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Faults that are still to come end boots, too; none ends all of them. */
async function served(world: World): Promise<Running> {
  for (let tries = 0; tries < 9; tries += 1) {
    const running = await world.boot();
    if ((await running.status()).phase === Phase.PHASE_SERVING) return running;
  }
  throw new Error('no boot serves');
}

/** Every key that may sign does, and no other. */
async function expectSigning(running: Running, { keys }: Seen): Promise<void> {
  for (const ring of NAMES) {
    const active = [...keys].some(
      ([key, state]) => key.startsWith(`${ring}/`) && state === KeyState.KEY_STATE_ACTIVE,
    );
    const signing = running.sign(ring, { message: utf8('m') });
    if (active) expect((await signing).signature.byteLength).toBeGreaterThan(0);
    else await expect(signing).rejects.toBeInstanceOf(Refusal);
  }
}

describe.each(['none', 'anchored'])('with anchor: %s', (anchor) => {
  test.each(Array.from({ length: runs(12).numRuns ?? 12 }, (_, i) => i))(
    'history %d',
    async (seed) => {
      const dice = new Dice(`policy crash ${anchor} ${String(seed)}`);
      const world = new World(`policy crash ${anchor} ${String(seed)}`);
      if (anchor === 'anchored') world.anchor = new MemoryAnchor();
      let running = await world.begin({
        a: { algorithm: 'ES256' },
        c: POOL['c'] ?? { algorithm: 'ES256' },
      });
      let before = await look(running);
      for (let step = 0; step < STEPS; step += 1) {
        world.clock.advance(1_000 * dice.below(90));
        const fault = dice.below(3);
        if (fault === 1)
          world.store.failPut(1 + dice.below(3), dice.one(['lost', 'done', 'refused']));
        if (fault === 2) world.logStore.failAppend(1, dice.one(['lost', 'done']));
        const { appends } = world.logStore;
        const ticking = running.enclave.tick();
        const refusal = await changeSomething(dice, world, running);
        await ticking;
        const halted = (await running.status()).phase === Phase.PHASE_HALTED;
        if (halted) {
          running = await served(world);
        } else if (dice.below(4) === 0 || (fault === 2 && world.logStore.appends === appends)) {
          await running.enclave.close();
          running = await served(world);
        }
        const after = await look(running);
        if (refusal !== undefined && !halted) expect(after).toEqual(before);
        expect(after.version - before.version + after.sequence - before.sequence).toBeLessThan(2);
        expect(after.version).toBeGreaterThanOrEqual(before.version);
        expect(after.sequence).toBeGreaterThanOrEqual(before.sequence);
        // Nothing that was published goes, and nothing comes back from where there is no way back.
        for (const [key, state] of before.keys) {
          const now = after.keys.get(key) ?? KeyState.KEY_STATE_UNSPECIFIED;
          if (state >= KeyState.KEY_STATE_DEACTIVATED) expect(now).toBeGreaterThanOrEqual(state);
          else expect(now).not.toBe(KeyState.KEY_STATE_UNSPECIFIED);
        }
        expect(world.tokens.device.objects).toHaveLength(1 + after.keys.size);
        await expectSigning(running, after);
        before = after;
      }
      expectNoFork(world.logStore);
    },
  );
});
