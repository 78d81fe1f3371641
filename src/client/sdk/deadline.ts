/** One deadline for all that a call of this library asks of the service. */
import { UnavailableError } from './errors.ts';
import { persist } from './persist.ts';

export class Deadline {
  readonly #timeoutMs: number;
  /** By the monotonic clock. */
  #endMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#endMs = performance.now() + timeoutMs;
  }

  /** 0 when it is over. */
  get leftMs(): number {
    return Math.max(0, this.#endMs - performance.now());
  }

  /** As `persist` in the time that is left. Rejects with UnavailableError, and asks nothing, when none is. */
  async ask<T>(attempt: (attemptMs: number) => Promise<T>, longestAttemptMs?: number): Promise<T> {
    const { leftMs } = this;
    if (leftMs === 0) {
      const problem = `nothing more is asked: ${String(this.#timeoutMs)} ms are over`;
      throw new UnavailableError('NO_ANSWER_IN_TIME', problem);
    }
    return persist(leftMs, attempt, longestAttemptMs);
  }

  /** Runs what asks nothing of the service: it takes none of the time. */
  async aside<T>(run: () => Promise<T>): Promise<T> {
    const beginMs = performance.now();
    try {
      return await run();
    } finally {
      this.#endMs += performance.now() - beginMs;
    }
  }
}
