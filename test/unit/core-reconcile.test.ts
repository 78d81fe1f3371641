import { describe, expect, test } from 'vitest';
import { KEY_STATES, type KeyState } from '../../enclave/core/key-state.ts';
import { planEmergency, reconcile } from '../../enclave/core/reconcile.ts';
import { EMERGENCY_CALLS } from '../../enclave/wire/policy/emergency.ts';
import type { RingScope } from '../../enclave/wire/policy/ring.ts';
import '../support/matchers.ts';

function scopeOf(name: string, change: Partial<RingScope> = {}): RingScope {
  return {
    name,
    algorithm: 'ES256',
    residency: 'enclave',
    payloadKind: 'message',
    maxBytes: 1024,
    lowestRank: 'mtls',
    ...change,
  };
}

/** Versions 1, 2, … in these states. */
function keysIn(...states: readonly KeyState[]) {
  return states.map((state, i) => ({ record: { version: i + 1, state } }));
}

function known(name: string, ...states: readonly KeyState[]) {
  return new Map([[name, { scope: scopeOf(name), keys: keysIn(...states) }]]);
}

describe('a ring of the policy', () => {
  test('that was never there is born as version 1', () => {
    const scope = scopeOf('a');
    expect(reconcile([scope], new Map())).toEqual({
      births: [{ scope, version: 1 }],
      transitions: [],
    });
  });

  test.each(KEY_STATES)(
    'whose only key is %s gets a new version when that one is gone',
    (state) => {
      const { births, transitions } = reconcile([scopeOf('a')], known('a', state));
      const held = state === 'active' || state === 'suspended';
      expect(births.map(({ version }) => version)).toEqual(held ? [] : [2]);
      expect(transitions).toEqual([]);
    },
  );

  test('never uses a version twice', () => {
    const there = known('a', 'deactivated', 'compromised', 'destroyed');
    expect(reconcile([scopeOf('a')], there).births[0]?.version).toBe(4);
  });

  test.each<[string, Partial<RingScope>, string, string]>([
    ['algorithm', { algorithm: 'ES384' }, 'ES256', 'ES384'],
    ['residency', { residency: 'hsm' }, 'enclave', 'hsm'],
    ['payloadKind', { payloadKind: 'digest' }, 'message', 'digest'],
    ['maxBytes', { maxBytes: 1025 }, '1024', '1025'],
    ['lowestRank', { lowestRank: 'peer' }, 'mtls', 'peer'],
  ])('keeps its %s for ever', async (field, change, expected, actual) => {
    // Deactivated: a ring that was taken out and comes back is the same ring.
    for (const state of KEY_STATES) {
      const plan = () => reconcile([scopeOf('a', change)], known('a', state));
      await expect(plan).toRefuseWith('SCOPE_IMMUTABLE', { ring: 'a', field, expected, actual });
    }
  });
});

describe('a ring that the policy has no more', () => {
  test('is deactivated where it could sign, and left alone where it could not', () => {
    const there = known('a', ...KEY_STATES);
    const { births, transitions } = reconcile([], there);
    expect(births).toEqual([]);
    expect(transitions.map(({ key, to }) => [key.record.state, to])).toEqual([
      ['active', 'deactivated'],
      ['suspended', 'deactivated'],
    ]);
  });
});

describe('an emergency call', () => {
  const allowed = {
    suspend: ['active'],
    resume: ['suspended'],
    'mark-compromised': ['pre-activation', 'active', 'suspended', 'deactivated'],
  } as const;
  const cases = EMERGENCY_CALLS.flatMap((call) =>
    KEY_STATES.map((state) => [call, state] as const),
  );

  test.each(cases)('%s of a key that is %s', async (call, state) => {
    const keys = keysIn(state);
    const plan = () => planEmergency({ call, ring: 'a', version: 1 }, keys);
    if ((allowed[call] as readonly KeyState[]).includes(state)) {
      expect(plan().map(({ key }) => key)).toEqual(keys);
    } else {
      const details = { keyId: 'a/1', keyState: state };
      await expect(plan).toRefuseWith('KEY_STATE_FORBIDS_CALL', details);
    }
  });

  test('of version 0 means every version that it can apply to', () => {
    const keys = keysIn('deactivated', 'compromised', 'active');
    const versions = (call: (typeof EMERGENCY_CALLS)[number]): number[] =>
      planEmergency({ call, ring: 'a', version: 0 }, keys).map(({ key }) => key.record.version);
    expect(versions('suspend')).toEqual([3]);
    expect(versions('mark-compromised')).toEqual([1, 3]);
  });

  test.each([
    [undefined, 0],
    [[], 0],
    [keysIn('active'), 2],
  ])('names a ring and a version that are there', async (keys, version) => {
    const plan = () => planEmergency({ call: 'suspend', ring: 'a', version }, keys);
    await expect(plan).toRefuseWith('KEY_NOT_FOUND', { keyId: `a/${String(version)}` });
  });
});
