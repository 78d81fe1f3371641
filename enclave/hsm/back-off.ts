/** The breaker of a pool: how long to wait before the next worker is opened. */

export interface BackOffLimits {
  readonly baseMs: number;
  /** Also the longest time that a token which came back goes unnoticed. */
  readonly capMs: number;
}

export const DEFAULT_BACK_OFF: BackOffLimits = { baseMs: 50, capMs: 2_000 };

/** From this many failures in a row on, calls are refused at once while no worker is ready. */
const OPEN_FROM = 3;

export class BackOff {
  readonly #limits: BackOffLimits;
  readonly #random: () => number;
  #failures = 0;

  /** `random` gives [0, 1); it needs no secrecy. */
  constructor(limits: BackOffLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  failed(): void {
    this.#failures++;
  }

  /** A worker did what it was asked. */
  succeeded(): void {
    this.#failures = 0;
  }

  /**
   * A worker was opened. That alone does not prove the token sound: if each worker dies on its first operation, the
   * waiting must not start from nothing each time.
   */
  opened(): void {
    this.#failures = Math.min(this.#failures, 2);
  }

  get open(): boolean {
    return this.#failures >= OPEN_FROM;
  }

  /** Nothing after a first failure, so that one crash costs one start; then doubling, between half and all of it. */
  delayMs(): number {
    if (this.#failures < 2) return 0;
    const whole = Math.min(
      this.#limits.capMs,
      this.#limits.baseMs * 2 ** Math.min(this.#failures - 2, 20),
    );
    return whole * (0.5 + this.#random() / 2);
  }
}
