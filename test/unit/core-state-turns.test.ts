import { expect, test } from 'vitest';
import { noAnchor } from '../../enclave/core/no-anchor.ts';
import { SealedState, type IndexFields } from '../../enclave/core/state.ts';
import { EMPTY_EDGE, rootOf } from '../../enclave/log/tree.ts';
import { SeededEntropy } from '../support/fakes/entropy.ts';
import { Killed, MemoryStore } from '../support/fakes/memory-store.ts';
import { FakePlatform } from '../support/fakes/platform.ts';
import '../support/matchers.ts';

const FIELDS: IndexFields = {
  instanceId: new Uint8Array(16),
  timeMarkMs: 0,
  policyVersion: 1,
  policyDigest: new Uint8Array(32),
  policyAppliedAtMs: 0,
  adminSequence: 0,
  adminDigest: new Uint8Array(32),
  svn: 1,
  logSize: 0,
  logRoot: rootOf(EMPTY_EDGE),
  logEdge: [],
};

function newState() {
  const store = new MemoryStore();
  const platform = new FakePlatform().identity;
  const entropy = new SeededEntropy('turns');
  const context = { store, anchor: noAnchor, entropy, platform };
  return { store, state: new SealedState(context, new Uint8Array(32), new Uint8Array(32)) };
}

test('changes take turns, in the order in which they came; a refused one lets the next go on', async () => {
  const { state } = newState();
  const order: string[] = [];
  const turn = (name: string) =>
    state.inTurn(async () => {
      order.push(`${name} begins`);
      await state.change(FIELDS, []);
      order.push(`${name} ends at ${String(state.index.epoch)}`);
    });
  const refused = () => state.inTurn(() => Promise.reject(new RangeError('refused')));
  const ends = await Promise.allSettled([turn('a'), refused(), turn('b')]);
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(order).toEqual(['a begins', 'a ends at 1', 'b begins', 'b ends at 2']);
});

test('a change outside of its turn, beside another, is a broken invariant', async () => {
  const { state } = newState();
  const first = state.change(FIELDS, []);
  await expect(state.change(FIELDS, [])).toHaltWith('INVARIANT_BROKEN', {
    what: 'two state changes at once',
  });
  await first;
});

test('after one that failed there is none: nobody knows whether it happened', async () => {
  const { state, store } = newState();
  store.failPut(1, 'done');
  await expect(state.change(FIELDS, [])).rejects.toBeInstanceOf(Killed);
  const { puts } = store;
  await expect(state.inTurn(() => state.change(FIELDS, []))).rejects.toBeInstanceOf(Killed);
  expect(store.puts).toBe(puts);
});
