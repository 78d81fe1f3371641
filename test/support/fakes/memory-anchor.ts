/** An anchor in memory, out of the host's reach. */
import type { Anchor, AnchorValue } from '../../../enclave/ports.ts';

export class MemoryAnchor implements Anchor {
  readonly kind = 'memory';
  value: AnchorValue | undefined;
  /** Thrown by the next writes. */
  failure: Error | undefined;
  /** Epochs written, in order. */
  readonly written: bigint[] = [];

  read(): Promise<AnchorValue | undefined> {
    return Promise.resolve(this.value);
  }

  write(value: AnchorValue): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.value = value;
    this.written.push(value.epoch);
    return Promise.resolve();
  }
}
