/** The host's copy of the log in memory, with the faults that a host may have or make. */
import type { LogState, LogStore } from '../../../enclave/ports.ts';

export class MemoryLogStore implements LogStore {
  leaves: Uint8Array[] = [];
  sealedEdge: Uint8Array = new Uint8Array(0);
  checkpoint = '';
  /** Leaves per append, in order. */
  readonly batches: number[] = [];
  /** Awaited before an append is acknowledged. */
  beforeAppend: (onStall: () => void) => Promise<void> = () => Promise.resolve();

  async append(
    firstIndex: number,
    leaves: readonly Uint8Array[],
    sealedEdge: Uint8Array,
    onStall: () => void,
  ): Promise<void> {
    await this.beforeAppend(onStall);
    if (firstIndex !== this.leaves.length) throw new RangeError('not the end of the log');
    this.leaves.push(...leaves.map((leaf) => Uint8Array.from(leaf)));
    this.sealedEdge = Uint8Array.from(sealedEdge);
    this.batches.push(leaves.length);
  }

  state(): Promise<LogState> {
    return Promise.resolve({ size: this.leaves.length, sealedEdge: this.sealedEdge });
  }

  read(firstIndex: number, count: number): Promise<readonly Uint8Array[]> {
    return Promise.resolve(this.leaves.slice(firstIndex, firstIndex + count));
  }

  publishCheckpoint(checkpoint: string): void {
    this.checkpoint = checkpoint;
  }
}
