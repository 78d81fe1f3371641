/** A clock that stands still until a test moves it. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../../enclave/ports.ts';

export const START_WALL_MS = Date.UTC(2030, 0, 1);

export class FakeClock implements Clock {
  #monotonicMs = 1_000;
  #wallMs = START_WALL_MS;
  /** Turns that were given to others. */
  turns = 0;
  /** What a look at the monotonic clock costs. */
  msPerLook = 0;

  monotonicMs(): number {
    this.#monotonicMs += this.msPerLook;
    return this.#monotonicMs;
  }

  turn(): Promise<void> {
    this.turns += 1;
    return turn();
  }

  wallMs(): number {
    return this.#wallMs;
  }

  /** Moves both, as time does. */
  advance(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }

  /** What a host that lies about the time can do at a boot. */
  setWall(ms: number): void {
    this.#wallMs = ms;
  }
}
