/** Phases of an enclave's life and what each may become (DESIGN §6, PROTOCOLS §5). */
import type { HaltReason } from '../wire/error-code.ts';

export const PHASES = [
  'booting',
  'setup',
  'unsealed',
  'attested',
  'serving',
  'draining',
  'halted',
] as const;

export type Phase = (typeof PHASES)[number];

const NEXT: Readonly<Record<Phase, readonly Phase[]>> = {
  booting: ['setup', 'unsealed', 'draining', 'halted'],
  setup: ['unsealed', 'draining', 'halted'],
  unsealed: ['attested', 'draining', 'halted'],
  attested: ['serving', 'draining', 'halted'],
  serving: ['draining', 'halted'],
  draining: ['halted'],
  halted: [],
};

/** What may be called in which phase; GetStatus is answered in all of them. */
export type Command = 'genesis' | 'keys' | 'sign' | 'administer';

const ALLOWED: Readonly<Record<Phase, readonly Command[]>> = {
  booting: [],
  setup: ['genesis'],
  unsealed: [],
  attested: ['keys'],
  serving: ['keys', 'sign', 'administer'],
  // What signs can be stopped.
  draining: ['keys', 'sign', 'administer'],
  halted: [],
};

/** Facts of a halt for `status`: what, where, and the way out. Never secret. */
export type HaltDetails = Readonly<Record<string, string>>;

/** Thrown by a state change that cannot go on. The enclave halts. */
export class Halt extends Error {
  override readonly name = 'Halt';
  readonly reason: HaltReason;
  readonly details: HaltDetails;
  constructor(reason: HaltReason, details: HaltDetails = {}) {
    super(reason);
    this.reason = reason;
    this.details = details;
  }
}

export class Lifecycle {
  #phase: Phase = 'booting';
  #halt: Halt | undefined;

  get phase(): Phase {
    return this.#phase;
  }

  /** Why it halted. */
  get haltedBy(): Halt | undefined {
    return this.#halt;
  }

  allows(command: Command): boolean {
    return ALLOWED[this.#phase].includes(command);
  }

  /** `halted` is entered with a reason only. Throws Halt when the table has no such way: that is a broken invariant. */
  enter(next: Exclude<Phase, 'halted'>): void {
    if (!NEXT[this.#phase].includes(next)) {
      throw new Halt('INVARIANT_BROKEN', { from: this.#phase, to: next });
    }
    this.#phase = next;
  }

  /** The first halt stands; later ones are its consequences. */
  halt(halt: Halt): void {
    this.#halt ??= halt;
    this.#phase = 'halted';
  }
}
