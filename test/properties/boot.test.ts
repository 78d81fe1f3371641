import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { World } from '../support/fakes/world.ts';
import { runs } from '../support/runs.ts';

const RINGS = {
  a: { algorithm: 'ES256' },
  b: { algorithm: 'ES256' },
  h: { algorithm: 'ES256', residency: 'hsm' },
} as const;

/** What a host can do to its store between two boots. */
type Damage =
  | { readonly kind: 'remove' | 'truncate'; readonly record: number }
  | { readonly kind: 'flip'; readonly record: number; readonly bit: number }
  | { readonly kind: 'copy' | 'swap'; readonly record: number; readonly other: number };

const index = fc.nat(40);
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constantFrom('remove', 'truncate'), record: index }),
  fc.record({ kind: fc.constant('flip'), record: index, bit: fc.nat() }),
  fc.record({ kind: fc.constantFrom('copy', 'swap'), record: index, other: index }),
);

function inflict(world: World, act: Damage): void {
  const { store } = world;
  const keyAt = (at: number): string => store.keys[at % store.keys.length] ?? '';
  if (store.keys.length === 0) return;
  const key = keyAt(act.record);
  const value = store.peek(key);
  switch (act.kind) {
    case 'remove':
      store.remove(key);
      return;
    case 'truncate':
      store.write(key, value.slice(0, -1));
      return;
    case 'flip': {
      const copy = Uint8Array.from(value);
      const bit = act.bit % (8 * copy.byteLength || 1);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      store.write(key, copy);
      return;
    }
    case 'copy':
      store.write(key, store.peek(keyAt(act.other)));
      return;
    case 'swap': {
      const other = keyAt(act.other);
      store.write(key, store.peek(other));
      store.write(other, value);
      return;
    }
  }
}

test('whatever becomes of the store, an enclave serves the keys it had or halts by name', async () => {
  const world = new World('boot');
  const first = await world.begin(RINGS);
  const kids = (await first.keys()).map((key) => key.kid);
  await first.enclave.close();
  const state = world.store.snapshot();
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), async (acts) => {
      world.store.restore(state);
      for (const act of acts) inflict(world, act);
      const running = await world.boot();
      const { phase, haltReason } = await running.status();
      if (phase === Phase.PHASE_HALTED) {
        expect(haltReason).not.toBe('');
        // Damage of the store is never mistaken for trouble of the token, nor for a bug of ours.
        expect([
          'STATE_MISSING',
          'STATE_DAMAGED',
          'SEALED_HANDLE_REJECTED',
          'MEASUREMENT_CHANGED',
          'PLATFORM_CHANGED',
        ]).toContain(haltReason);
      } else {
        expect(phase).toBe(Phase.PHASE_SERVING);
        expect((await running.keys()).map((key) => key.kid)).toEqual(kids);
      }
      await running.enclave.close();
      expect(world.tokens.operations).not.toContain('destroy');
    }),
    runs(150),
  );
});
