/** Long work in short slices: batches must not hold the event loop for as long as all their signatures take. */
import type { Clock } from '../ports.ts';
import { BATCH_SLICE_MS } from '../wire/limits.ts';

/** Between two of them pieces of all other batches may come, a signature each. */
const ITEMS_AT_ONCE = 32;

/** One for all batches: together they take one slice a turn, however many they are. */
export class Pace {
  readonly #clock: Clock;
  readonly #queue: (() => void)[] = [];
  #running = false;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  /** Calls `work` in order of arrival, while the slice lasts at once, else when others had their turn. */
  run<T>(work: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve) => {
      this.#queue.push(() => {
        // What is thrown rejects, and does not end the queue.
        resolve(
          new Promise<T>((done) => {
            done(work());
          }),
        );
      });
      if (!this.#running) void this.#drain();
    });
  }

  /** Calls `work` for each item, many in one piece: for work that takes microseconds. */
  async each<T>(items: readonly T[], work: (item: T, index: number) => void): Promise<void> {
    for (let at = 0; at < items.length; at += ITEMS_AT_ONCE) {
      const some = items.slice(at, at + ITEMS_AT_ONCE);
      await this.run(() => {
        for (const [i, item] of some.entries()) work(item, at + i);
      });
    }
  }

  async #drain(): Promise<void> {
    this.#running = true;
    for (let work = this.#queue.shift(); work !== undefined; work = this.#queue.shift()) {
      if (this.#clock.monotonicMs() - this.#sinceMs >= BATCH_SLICE_MS) {
        await this.#clock.turn();
        this.#sinceMs = this.#clock.monotonicMs();
      }
      work();
    }
    this.#running = false;
  }
}
