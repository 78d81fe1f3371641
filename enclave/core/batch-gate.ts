/**
 * Lets batches in, a bounded number of items at a time. Those that wait take turns by caller, so that a caller with
 * many batches delays its own and nobody else's.
 */
import { Refusal } from '../wire/error-code.ts';
import {
  MAX_BATCH_BYTES_WAITING,
  MAX_BATCH_BYTES_WAITING_OF_CALLER,
  MAX_BATCH_ITEMS_SIGNING,
  MAX_BATCHES_WAITING,
  MAX_BATCHES_WAITING_OF_CALLER,
  MAX_REQUEST_BYTES,
} from '../wire/limits.ts';

export interface BatchSize {
  /** At most MAX_BATCH_ITEMS. */
  readonly items: number;
  readonly bytes: number;
}

interface Waiting {
  readonly items: number;
  readonly bytes: number;
  readonly enter: () => void;
}

export class BatchGate {
  /** Batches by caller, in the order of the callers' turns. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingBytes = 0;
  #waitingCount = 0;
  #items = 0;

  /**
   * Runs `task` when it is this caller's turn. Rejects with `RATE_LIMITED` when too many wait already, and with
   * `DEADLINE_EXCEEDED` when nobody wants it any more by then.
   */
  async run<T>(
    caller: string,
    size: BatchSize,
    stillWanted: () => boolean,
    task: () => Promise<T>,
  ): Promise<T> {
    if (this.#waiting.size === 0 && this.#hasRoomFor(size)) this.#items += size.items;
    else await this.#wait(caller, size);
    try {
      if (!stillWanted()) throw new Refusal('DEADLINE_EXCEEDED');
      return await task();
    } finally {
      this.#items -= size.items;
      this.#letIn();
    }
  }

  #hasRoomFor({ items }: BatchSize): boolean {
    return this.#items + items <= MAX_BATCH_ITEMS_SIGNING;
  }

  #wait(caller: string, { items, bytes: sent }: BatchSize): Promise<void> {
    // A small one too is a call in flight.
    const bytes = Math.max(sent, MAX_REQUEST_BYTES);
    const own = this.#waiting.get(caller) ?? [];
    const ownBytes = own.reduce((sum, waiting) => sum + waiting.bytes, bytes);
    if (
      own.length >= MAX_BATCHES_WAITING_OF_CALLER ||
      this.#waitingCount >= MAX_BATCHES_WAITING ||
      ownBytes > MAX_BATCH_BYTES_WAITING_OF_CALLER ||
      this.#waitingBytes + bytes > MAX_BATCH_BYTES_WAITING
    ) {
      throw new Refusal('RATE_LIMITED');
    }
    this.#waitingBytes += bytes;
    this.#waitingCount += 1;
    this.#waiting.set(caller, own);
    return new Promise((enter) => {
      own.push({ items, bytes, enter });
    });
  }

  /** Nobody overtakes a batch that is too large for the moment: it would wait for ever. */
  #letIn(): void {
    for (const [caller, own] of this.#waiting) {
      const [next] = own;
      if (next === undefined || !this.#hasRoomFor(next)) return;
      own.shift();
      // To the end of the line, or out of it.
      this.#waiting.delete(caller);
      if (own.length > 0) this.#waiting.set(caller, own);
      this.#waitingBytes -= next.bytes;
      this.#waitingCount -= 1;
      this.#items += next.items;
      next.enter();
    }
  }
}
