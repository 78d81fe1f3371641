/** The host's copy of the log in memory, with the faults that a host may have or make. */
import type { LogState, LogStore } from '../../../enclave/ports.ts';
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import { Refusal } from '../../../enclave/wire/error-code.ts';
import { Killed } from './memory-store.ts';

/** What becomes of one append: `lost` and `done` as for a put of the store, or what is thrown to the enclave. */
export type AppendFault = 'lost' | 'done' | Error;

/** What lies on the host's disk. */
export interface LogCopy {
  readonly leaves: readonly Uint8Array[];
  readonly sealedEdge: Uint8Array;
}

export class MemoryLogStore implements LogStore {
  leaves: Uint8Array[] = [];
  sealedEdge: Uint8Array = new Uint8Array(0);
  checkpoint = '';
  /** Every checkpoint handed over, in order. */
  readonly checkpoints: string[] = [];
  /** Leaves per append, in order. */
  readonly batches: number[] = [];
  /** Awaited before an append is acknowledged. */
  beforeAppend: (onStall: () => void) => Promise<void> = () => Promise.resolve();
  /** What the host says of its log, whatever it has. */
  claim: Partial<LogState> = {};
  /** What the host makes of the leaves that it was asked for. */
  onRead: (asked: readonly Uint8Array[], firstIndex: number) => readonly Uint8Array[] = (asked) =>
    asked;
  /** Leaves asked for, read by read. */
  readonly reads: number[] = [];
  /** False: for logs that are larger than what a test should keep. */
  keepLeaves = true;
  #size = 0;
  #appends = 0;
  readonly #faults = new Map<number, AppendFault>();

  /** Appends seen so far. */
  get appends(): number {
    return this.#appends;
  }

  /** The n-th append from now (1 is the next) ends like this. */
  failAppend(n: number, fault: AppendFault): void {
    this.#faults.set(this.#appends + n, fault);
  }

  /** Appends wait until the returned function is called. */
  hold(): () => void {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.beforeAppend = () => gate;
    return () => {
      this.beforeAppend = () => Promise.resolve();
      release();
    };
  }

  snapshot(): LogCopy {
    return { leaves: [...this.leaves], sealedEdge: this.sealedEdge };
  }

  restore({ leaves, sealedEdge }: LogCopy): void {
    this.leaves = [...leaves];
    this.sealedEdge = sealedEdge;
  }

  async append(
    firstIndex: number,
    leaves: readonly Uint8Array[],
    sealedEdge: Uint8Array,
    onStall: () => void,
  ): Promise<void> {
    this.#appends += 1;
    const fault = this.#faults.get(this.#appends);
    await this.beforeAppend(onStall);
    if (fault === 'lost') throw new Killed();
    if (fault instanceof Error) throw fault;
    this.#write(firstIndex, leaves, sealedEdge);
    if (fault === 'done') throw new Killed();
  }

  #write(firstIndex: number, leaves: readonly Uint8Array[], sealedEdge: Uint8Array): void {
    const size = this.keepLeaves ? this.leaves.length : this.#size;
    if (firstIndex !== size) {
      const known = this.leaves.slice(firstIndex);
      const same = leaves.every((leaf, i) => equalBytes(leaf, known[i] ?? new Uint8Array(0)));
      if (same && known.length === leaves.length) return;
      throw new Refusal('LOG_STORE_CONFLICT');
    }
    this.#size = size + leaves.length;
    if (this.keepLeaves) this.leaves.push(...leaves.map((leaf) => Uint8Array.from(leaf)));
    this.sealedEdge = Uint8Array.from(sealedEdge);
    this.batches.push(leaves.length);
  }

  state(): Promise<LogState> {
    const { sealedEdge } = this;
    const size = this.keepLeaves ? this.leaves.length : this.#size;
    return Promise.resolve({ size, sealedEdge, ...this.claim });
  }

  read(firstIndex: number, count: number): Promise<readonly Uint8Array[]> {
    this.reads.push(count);
    const asked = this.leaves.slice(firstIndex, firstIndex + count);
    return Promise.resolve(this.onRead(asked, firstIndex));
  }

  publishCheckpoint(checkpoint: string): void {
    this.checkpoint = checkpoint;
    this.checkpoints.push(checkpoint);
  }
}
