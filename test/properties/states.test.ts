import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KEY_STATES, mayBecome, type KeyState } from '../../enclave/core/key-state.ts';
import { Halt, Lifecycle, PHASES, type Phase } from '../../enclave/core/lifecycle.ts';
import { runs } from '../support/runs.ts';

/** The way a key takes when somebody asks for these states, one after the other. */
function walk(wishes: readonly KeyState[]): KeyState[] {
  const way: KeyState[] = ['pre-activation'];
  for (const wish of wishes) {
    const at = way.at(-1) ?? 'pre-activation';
    if (mayBecome(at, wish)) way.push(wish);
  }
  return way;
}

test('no key comes back from where it must not', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...KEY_STATES), { maxLength: 30 }), (wishes) => {
      const way = walk(wishes);
      const after = (state: KeyState): KeyState[] => {
        const at = way.indexOf(state);
        return at < 0 ? [] : way.slice(at + 1);
      };
      expect(after('destroyed')).toEqual([]);
      expect(after('compromised').every((state) => state === 'destroyed')).toBe(true);
      for (const state of after('deactivated')) {
        expect(['compromised', 'destroyed']).toContain(state);
      }
      // Once used, never again as if it were new.
      expect(way.slice(1)).not.toContain('pre-activation');
      // No state twice in a row, and active is entered from two states only.
      for (const [i, state] of way.entries()) {
        if (state === 'active') expect(['pre-activation', 'suspended']).toContain(way[i - 1]);
      }
    }),
    runs(1000),
  );
});

interface Model {
  phase: Phase;
  /** Phases passed, for the rule that signing needs all of them. */
  passed: Set<Phase>;
}

type Step = fc.Command<Model, Lifecycle>;

class Enter implements Step {
  readonly next: Exclude<Phase, 'halted'>;
  constructor(next: Exclude<Phase, 'halted'>) {
    this.next = next;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Lifecycle): void {
    try {
      real.enter(this.next);
      expect(model.phase).not.toBe('halted');
      model.phase = this.next;
      model.passed.add(this.next);
    } catch (error) {
      expect(error).toBeInstanceOf(Halt);
    }
    inspect(model, real);
  }
  toString(): string {
    return `enter ${this.next}`;
  }
}

class HaltNow implements Step {
  check(): boolean {
    return true;
  }
  run(model: Model, real: Lifecycle): void {
    const first = real.haltedBy;
    real.halt(new Halt('INVARIANT_BROKEN'));
    if (first !== undefined) expect(real.haltedBy).toBe(first);
    model.phase = 'halted';
    inspect(model, real);
  }
  toString(): string {
    return 'halt';
  }
}

function inspect(model: Model, real: Lifecycle): void {
  expect(real.phase).toBe(model.phase);
  expect(real.haltedBy === undefined).toBe(model.phase !== 'halted');
  if (real.allows('sign')) {
    // No signature before serving, none after a halt. Draining is what serving ends in, or never began.
    expect(['serving', 'draining']).toContain(model.phase);
  }
  if (model.phase === 'serving') {
    for (const before of ['unsealed', 'attested'] as const) expect(model.passed).toContain(before);
  }
  if (real.allows('genesis')) expect(model.phase).toBe('setup');
  if (model.phase === 'halted') {
    for (const command of ['sign', 'keys', 'genesis'] as const) {
      expect(real.allows(command)).toBe(false);
    }
  }
}

test('no signature before serving, nothing after a halt', () => {
  const phases = PHASES.filter((phase): phase is Exclude<Phase, 'halted'> => phase !== 'halted');
  const steps = [
    ...phases.map((phase) => fc.constant(new Enter(phase))),
    fc.constant(new HaltNow()),
  ];
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 30 }), (commands) => {
      fc.modelRun(
        (): { model: Model; real: Lifecycle } => ({
          model: { phase: 'booting', passed: new Set(['booting']) },
          real: new Lifecycle(),
        }),
        commands,
      );
    }),
    runs(500),
  );
});
