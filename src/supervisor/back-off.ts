/** How long to wait before a process that ended is started again. */

export interface BackOffRules {
  /** The first restart waits for nothing: a process that was killed is wanted back. */
  readonly stepMs: number;
  readonly maxMs: number;
  /** A process that lived this long has its failures forgotten. */
  readonly forgetAfterMs: number;
}

export const BACK_OFF: BackOffRules = { stepMs: 100, maxMs: 5_000, forgetAfterMs: 10_000 };

export class BackOff {
  readonly #rules: BackOffRules;
  #failures = 0;
  constructor(rules: BackOffRules = BACK_OFF) {
    this.#rules = rules;
  }

  /** Milliseconds to wait after a process that lived for `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= this.#rules.forgetAfterMs) this.#failures = 0;
    this.#failures += 1;
    if (this.#failures === 1) return 0;
    return Math.min(this.#rules.stepMs * 2 ** (this.#failures - 2), this.#rules.maxMs);
  }
}
