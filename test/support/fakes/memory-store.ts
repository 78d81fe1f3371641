/** The host's store in memory, with the faults that a host may have or make. */
import type { HostStore, StoreRecord } from '../../../enclave/ports.ts';

/**
 * What becomes of one put. `refused`: nothing happens and the enclave is told so. `lost`: nothing happens
 * and the enclave dies. `done`: the write is durable and the enclave dies before it hears of it.
 */
export type PutFault = 'refused' | 'lost' | 'done';

/** The process is gone: what a test throws where the enclave would have been killed. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

export class MemoryStore implements HostStore {
  #records = new Map<string, Uint8Array>();
  #puts = 0;
  readonly #faults = new Map<number, PutFault>();
  /** Thrown by the next calls of get. */
  getFailure: Error | undefined;
  /** Thrown by a put whose fault is `refused`. */
  putFailure: Error = new Killed();

  /** Puts seen so far. */
  get puts(): number {
    return this.#puts;
  }

  get keys(): readonly string[] {
    return [...this.#records.keys()].sort();
  }

  /** The n-th put from now (1 is the next) ends like this. */
  failPut(n: number, fault: PutFault): void {
    this.#faults.set(this.#puts + n, fault);
  }

  peek(key: string): Uint8Array {
    const value = this.#records.get(key);
    if (value === undefined) throw new RangeError(`no record ${key}`);
    return value;
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  write(key: string, value: Uint8Array): void {
    this.#records.set(key, value);
  }

  remove(key: string): void {
    this.#records.delete(key);
  }

  clear(): void {
    this.#records.clear();
  }

  /** What a backup holds. */
  snapshot(): ReadonlyMap<string, Uint8Array> {
    return new Map(this.#records);
  }

  restore(snapshot: ReadonlyMap<string, Uint8Array>): void {
    this.#records = new Map(snapshot);
  }

  get(keys: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    if (this.getFailure !== undefined) return Promise.reject(this.getFailure);
    const found = new Map<string, Uint8Array>();
    for (const key of keys) {
      const value = this.#records.get(key);
      if (value !== undefined) found.set(key, Uint8Array.from(value));
    }
    return Promise.resolve(found);
  }

  put(records: readonly StoreRecord[], remove: readonly string[]): Promise<void> {
    this.#puts += 1;
    const fault = this.#faults.get(this.#puts);
    if (fault === undefined || fault === 'done') {
      for (const { key, value } of records) this.#records.set(key, Uint8Array.from(value));
      for (const key of remove) this.#records.delete(key);
    }
    if (fault === undefined) return Promise.resolve();
    return Promise.reject(fault === 'refused' ? this.putFailure : new Killed());
  }

  list(prefix: string): Promise<readonly string[]> {
    return Promise.resolve(this.keys.filter((key) => key.startsWith(prefix)));
  }
}
