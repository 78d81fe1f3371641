/**
 * A log that calls a batch durable as soon as it is on its way: what is left of a signature's time is the price of
 * "durable before release". Whoever believes it can hold a receipt of a leaf that a crash has lost.
 */
import type { LogState, LogStore } from '../../../enclave/ports.ts';

/** Batches on their way. Without a bound the memory of enclave and host is. */
const MAX_UNACKNOWLEDGED = 64;

export class ChainedLogStore implements LogStore {
  readonly #store: LogStore;
  /** In order, as they were sent. */
  readonly #unacknowledged: Promise<void>[] = [];
  #failure: { readonly cause: unknown } | undefined;

  constructor(store: LogStore) {
    this.#store = store;
  }

  /** Rejects when an earlier batch failed: the enclave halts one batch late. */
  async append(
    firstIndex: number,
    leaves: readonly Uint8Array[],
    sealedEdge: Uint8Array,
  ): Promise<void> {
    if (this.#unacknowledged.length >= MAX_UNACKNOWLEDGED) await this.#unacknowledged[0];
    if (this.#failure !== undefined) throw this.#failure.cause;
    const acknowledged = this.#store
      // Nobody waits for it any more, so nobody is told that it takes long.
      .append(firstIndex, leaves, sealedEdge, () => undefined)
      .catch((error: unknown) => {
        this.#failure ??= { cause: error };
      })
      .then(() => void this.#unacknowledged.shift());
    this.#unacknowledged.push(acknowledged);
  }

  state(): Promise<LogState> {
    return this.#store.state();
  }

  read(firstIndex: number, count: number): Promise<readonly Uint8Array[]> {
    return this.#store.read(firstIndex, count);
  }

  publishCheckpoint(checkpoint: string): void {
    this.#store.publishCheckpoint(checkpoint);
  }
}
