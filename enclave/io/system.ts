/** Clock and entropy of the process. */
import { randomFillSync } from 'node:crypto';
import process from 'node:process';
import type { Clock, Entropy } from '../ports.ts';

/** Wall time is read once; from then on only the monotonic clock moves it (PROTOCOLS §11). */
export class SystemClock implements Clock {
  // Documents hold no time before 1970, whatever the host's clock says.
  readonly #wallAtStart = Math.max(0, Date.now());
  readonly #monotonicAtStart = monotonicMs();

  monotonicMs(): number {
    return monotonicMs();
  }

  wallMs(): number {
    return this.#wallAtStart + Math.floor(monotonicMs() - this.#monotonicAtStart);
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

export const systemEntropy: Entropy = {
  bytes(length: number): Uint8Array {
    // A buffer of its own: a pooled one would leave copies beside other data.
    return randomFillSync(new Uint8Array(length));
  },
};
