/**
 * The time by which the enclave decides (PROTOCOLS §11): the host's word at boot, but never before the last state change
 * that was sealed; from then on the monotonic clock alone moves it. Leaves and evidence carry the host's word itself,
 * which their readers hold against their own clocks.
 */
import type { Clock } from '../ports.ts';

export class EnclaveTime {
  readonly #clock: Clock;
  /** What the host's clock was behind the mark: a host that sets it back gains no time, also not by restarts. */
  readonly #behindMs: number;

  /** `markMs` is the time mark of the index that was opened; 0 at genesis. */
  constructor(clock: Clock, markMs: number) {
    this.#clock = clock;
    this.#behindMs = Math.max(0, markMs - clock.wallMs());
  }

  /** Milliseconds since the Unix epoch. */
  nowMs(): number {
    return this.#clock.wallMs() + this.#behindMs;
  }
}
