import { describe, expect, test } from 'vitest';
import { asHalt } from '../../enclave/core/as-halt.ts';
import { inParallel } from '../../enclave/core/cluster.ts';
import { KEY_STATES, keyStateNumber, mayBecome } from '../../enclave/core/key-state.ts';
import { Halt, Lifecycle, PHASES, type Phase } from '../../enclave/core/lifecycle.ts';
import { SecretPin } from '../../enclave/core/pin.ts';
import { wrongAttribute } from '../../enclave/core/token-objects.ts';
import { TokenFailure, type TokenFailureKind } from '../../enclave/ports.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { KeyState } from '../../enclave/wire/gen/sealwright/v1/keys.ts';
import { Phase as WirePhase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { SeededEntropy } from '../support/fakes/entropy.ts';
import '../support/matchers.ts';
import { inspect } from 'node:util';

describe('the table of key states', () => {
  // NIST SP 800-57 Part 1 Rev. 5 §7, one row per state.
  const ways = [
    'pre-activation>active pre-activation>compromised pre-activation>destroyed',
    'active>suspended active>deactivated active>compromised active>destroyed',
    'suspended>active suspended>deactivated suspended>compromised suspended>destroyed',
    'deactivated>compromised deactivated>destroyed',
    'compromised>destroyed',
  ].flatMap((row) => row.split(' '));

  test('has these ways and no others', () => {
    const found = KEY_STATES.flatMap((from) =>
      KEY_STATES.filter((to) => mayBecome(from, to)).map((to) => `${from}>${to}`),
    );
    expect(found.sort()).toEqual(ways.sort());
  });

  test('has the numbers of the protocol', () => {
    for (const state of KEY_STATES) {
      const name = `KEY_STATE_${state.toUpperCase().replace('-', '_')}` as keyof typeof KeyState;
      expect(KeyState[name]).toBe(keyStateNumber(state));
    }
  });
});

describe('the table of phases', () => {
  const paths: Readonly<Record<Phase, readonly Exclude<Phase, 'halted'>[]>> = {
    booting: [],
    setup: ['setup'],
    unsealed: ['unsealed'],
    attested: ['unsealed', 'attested'],
    serving: ['unsealed', 'attested', 'serving'],
    draining: ['draining'],
    halted: [],
  };
  const at = (phase: Phase): Lifecycle => {
    const lifecycle = new Lifecycle();
    for (const step of paths[phase]) lifecycle.enter(step);
    if (phase === 'halted') lifecycle.halt(new Halt('FENCED'));
    return lifecycle;
  };

  test('has the numbers of the protocol', () => {
    for (const [i, phase] of PHASES.entries()) {
      expect(WirePhase[`PHASE_${phase.toUpperCase()}` as keyof typeof WirePhase]).toBe(i + 1);
    }
  });

  test('allows signing in serving and draining only, genesis in setup only', () => {
    const allowing = (command: 'sign' | 'genesis' | 'keys' | 'administer'): Phase[] =>
      PHASES.filter((phase) => at(phase).allows(command));
    expect(allowing('sign')).toEqual(['serving', 'draining']);
    expect(allowing('genesis')).toEqual(['setup']);
    expect(allowing('keys')).toEqual(['attested', 'serving', 'draining']);
    // What signs can be stopped.
    expect(allowing('administer')).toEqual(allowing('sign'));
  });

  test.each(PHASES)('halts from %s for good, and the first reason stands', (phase) => {
    const lifecycle = at(phase);
    lifecycle.halt(new Halt('TOKEN_MISSING'));
    lifecycle.halt(new Halt('STATE_DAMAGED'));
    expect(lifecycle.haltedBy?.reason).toBe(phase === 'halted' ? 'FENCED' : 'TOKEN_MISSING');
    for (const next of PHASES) {
      if (next === 'halted') continue;
      expect(() => {
        lifecycle.enter(next);
      }).toThrow(Halt);
      expect(lifecycle.phase).toBe('halted');
    }
  });

  test.each<readonly [Phase, Exclude<Phase, 'halted'>]>([
    ['booting', 'serving'],
    ['booting', 'attested'],
    ['setup', 'serving'],
    ['setup', 'setup'],
    ['unsealed', 'serving'],
    ['unsealed', 'setup'],
    ['attested', 'unsealed'],
    ['serving', 'setup'],
    ['serving', 'booting'],
    ['serving', 'serving'],
    ['draining', 'serving'],
    ['draining', 'unsealed'],
  ])('has no way from %s to %s', async (from, to) => {
    const lifecycle = at(from);
    await expect(() => {
      lifecycle.enter(to);
    }).toHaltWith('INVARIANT_BROKEN', { from, to });
    expect(lifecycle.phase).toBe(from);
  });
});

describe('what failed in a state change', () => {
  test.each<readonly [TokenFailureKind, string]>([
    ['unavailable', 'TOKEN_UNAVAILABLE'],
    ['token-missing', 'TOKEN_MISSING'],
    ['object-missing', 'TOKEN_INVENTORY_MISMATCH'],
    ['object-ambiguous', 'TOKEN_INVENTORY_MISMATCH'],
    ['object-altered', 'TOKEN_OBJECT_REJECTED'],
    ['pin-rejected', 'PIN_REJECTED'],
    ['pin-at-risk', 'PIN_AT_RISK'],
    ['request-refused', 'TOKEN_UNAVAILABLE'],
  ])('on the token (%s) is %s', (kind, reason) => {
    const halt = asHalt(new TokenFailure(kind, 'sign', 0xa0));
    expect(halt).toMatchObject({ reason, details: { operation: 'sign', rv: '0xa0' } });
    expect(asHalt(new TokenFailure(kind, 'sign')).details).not.toHaveProperty('rv');
  });

  test.each(['STORE_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'METHOD_UNKNOWN'] as const)(
    'in the store (%s) is the store',
    (reason) => {
      const halt = asHalt(new Refusal(reason));
      expect(halt).toMatchObject({ reason: 'STORE_UNAVAILABLE', details: { refusal: reason } });
    },
  );

  test.each([[new TypeError('the PIN is 1234')], ['the PIN is 1234'], [undefined]])(
    'and was not foreseen is a broken invariant without its text',
    (error) => {
      const halt = asHalt(error);
      expect(halt.reason).toBe('INVARIANT_BROKEN');
      expect(JSON.stringify(halt.details)).not.toContain('1234');
    },
  );
});

describe('inParallel', () => {
  test('keeps the order of the items and the bound', async () => {
    let running = 0;
    let most = 0;
    const results = await inParallel([5, 1, 4, 2, 3], 2, async (item) => {
      running += 1;
      most = Math.max(most, running);
      for (let turn = 0; turn < item; turn += 1) await Promise.resolve();
      running -= 1;
      return 10 * item;
    });
    expect(results).toEqual([50, 10, 40, 20, 30]);
    expect(most).toBe(2);
  });

  test('starts nothing after a failure, and waits for what runs', async () => {
    const started: number[] = [];
    let ended = 0;
    const all = inParallel([1, 2, 3, 4, 5, 6], 2, async (item) => {
      started.push(item);
      await Promise.resolve();
      if (item === 1) throw new RangeError('first');
      await new Promise((resolve) => setImmediate(resolve));
      ended += 1;
    });
    await expect(all).rejects.toThrow('first');
    expect(started).toEqual([1, 2]);
    expect(ended).toBe(1);
  });

  test('fails when what failed is undefined', async () => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what must not be lost
    const all = inParallel([1], 1, () => Promise.reject(undefined));
    await expect(all).rejects.toBeUndefined();
  });
});

describe('a PIN', () => {
  test('is 32 hexadecimal characters', () => {
    const pin = SecretPin.draw(new SeededEntropy('pin'));
    expect(Buffer.from(pin.reveal()).toString()).toMatch(/^[0-9a-f]{32}$/);
  });

  test('overwrites what it was made of, and gives copies', () => {
    const bytes = new TextEncoder().encode('1234');
    const pin = new SecretPin(bytes);
    expect(bytes).toEqual(new Uint8Array(4));
    pin.reveal().fill(0);
    expect(Buffer.from(pin.reveal()).toString()).toBe('1234');
  });

  test('is not printed', () => {
    const pin = new SecretPin(new TextEncoder().encode('1234'));
    for (const text of [
      inspect(pin, { depth: 9, showHidden: true }),
      JSON.stringify(pin),
      inspect({ pin }),
    ]) {
      expect(text).not.toContain('1234');
    }
  });
});

describe('attributes of token objects', () => {
  const good = {
    TOKEN: true,
    PRIVATE: true,
    SENSITIVE: true,
    SIGN: true,
    EXTRACTABLE: false,
    MODIFIABLE: false,
    COPYABLE: false,
    WRAP: false,
    UNWRAP: false,
    DECRYPT: false,
    DERIVE: false,
    LOCAL: true,
    ALWAYS_SENSITIVE: true,
    NEVER_EXTRACTABLE: true,
  };
  const object = (
    kind: 'private-key' | 'secret',
    attributes: Readonly<Record<string, boolean>>,
  ) => ({
    kind,
    id: new Uint8Array(16),
    label: '',
    attributes,
  });

  test('are right as they were born', () => {
    expect(wrongAttribute(object('secret', good))).toBeUndefined();
    const withoutWrap = Object.fromEntries(
      Object.entries(good).filter(([name]) => name !== 'WRAP'),
    );
    expect(wrongAttribute(object('private-key', withoutWrap))).toBeUndefined();
  });

  test.each(Object.keys(good))('are wrong when %s is another, or is not told', (name) => {
    const flipped = { ...good, [name]: !good[name as keyof typeof good] };
    expect(wrongAttribute(object('secret', flipped))).toBe(name);
    expect(wrongAttribute(object('private-key', flipped))).toBe(name);
    const missing = Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
    expect(wrongAttribute(object('secret', missing))).toBe(name);
  });
});
