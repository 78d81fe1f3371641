/**
 * The log as the enclave writes it: group commit, durable before release (PROTOCOLS §12). One batch is on
 * its way to the disk while the next one fills; a batch once given is retried byte-identical by the store
 * port until it is acknowledged, or the enclave halts.
 */
import type { LogStore } from '../ports.ts';
import { Refusal } from '../wire/error-code.ts';
import { MAX_RESPONSE_BYTES } from '../wire/limits.ts';
import { MAX_LEAF_BYTES } from '../wire/tlog.ts';
import type { CheckpointSigner } from './checkpoint.ts';
import { Batch, leafHash, rootOf, type Edge } from './tree.ts';

/** A leaf that is durable, with what proves it. */
export interface Committed {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly proof: readonly Uint8Array[];
  readonly checkpoint: string;
}

/** Leaves that became durable in one append, one after the other, in the tree of one checkpoint. */
export interface CommittedTogether {
  readonly leaves: readonly Uint8Array[];
  readonly firstIndex: number;
  readonly checkpoint: string;
  /** Inclusion proof of the leaf at this position among them. */
  readonly proof: (position: number) => readonly Uint8Array[];
  /** Multi-proof of the leaves at these positions, which rise strictly. */
  readonly multiProof: (positions: readonly number[]) => readonly Uint8Array[];
}

/** Leaves of one batch: bounds the latency of a flush. */
const MAX_BATCH_LEAVES = 1024;
/** Bytes of one batch: half a frame, so that one more leaf, the lengths and the sealed edge still fit. */
const MAX_BATCH_BYTES = MAX_RESPONSE_BYTES / 2;
/** Leaves that wait for the next batch: beyond, callers are told to come back. */
const MAX_WAITING = 4096;

export interface LogOptions {
  readonly store: LogStore;
  readonly signer: CheckpointSigner;
  readonly edge: Edge;
  readonly sealEdge: (edge: Edge) => Uint8Array;
  /** The disk is in an unknown state, or something broke: the enclave must halt. */
  readonly onFailure: (error: unknown) => void;
}

interface Waiting {
  /** One, or several that must share a checkpoint. */
  readonly leaves: readonly Uint8Array[];
  /** Waits however long it takes: leaves of a state change, which has nobody to tell. */
  readonly patient: boolean;
  /** `position` is that of the first of the leaves in the batch. */
  readonly resolve: (grown: Batch, position: number, checkpoint: string) => void;
  readonly reject: (error: Error) => void;
}

const leavesOf = (waiting: readonly Waiting[]): Uint8Array[] =>
  waiting.flatMap(({ leaves }) => leaves);

export class Log {
  readonly #options: LogOptions;
  #edge: Edge;
  #checkpoint: string;
  #waiting: Waiting[] = [];
  /** Leaves of `#waiting`. */
  #waitingLeaves = 0;
  #flushing = false;
  #stalled = false;
  #failed = false;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#edge = options.edge;
    this.#checkpoint = options.signer.sign(options.edge.size, rootOf(options.edge));
  }

  /** The tree that is durable. */
  get edge(): Edge {
    return this.#edge;
  }

  get checkpoint(): string {
    return this.#checkpoint;
  }

  /**
   * Resolves when leaf and tree are durable and the checkpoint is signed; rejects with `LOG_UNAVAILABLE`. Throws the
   * same for a leaf that is not taken at all: then there is no intent, and nobody must begin to sign.
   */
  append(leaf: Uint8Array, patient = false): Promise<Committed> {
    return this.#wait([leaf], patient, (grown, position, checkpoint) => ({
      leaf,
      index: grown.firstIndex + position,
      proof: grown.proof(position),
      checkpoint,
    }));
  }

  /** The same for several leaves that share their append and their checkpoint. */
  appendTogether(leaves: readonly Uint8Array[]): Promise<CommittedTogether> {
    return this.#wait(leaves, false, (grown, first, checkpoint) => ({
      leaves,
      firstIndex: grown.firstIndex + first,
      checkpoint,
      proof: (position) => grown.proof(first + position),
      multiProof: (positions) => grown.multiProof(positions.map((position) => first + position)),
    }));
  }

  #wait<T>(
    leaves: readonly Uint8Array[],
    patient: boolean,
    result: (grown: Batch, position: number, checkpoint: string) => T,
  ): Promise<T> {
    const busy = this.#stalled || this.#waitingLeaves >= MAX_WAITING;
    if (this.#failed || (busy && !patient)) throw new Refusal('LOG_UNAVAILABLE');
    let bytes = 0;
    for (const { byteLength } of leaves) {
      // An entry of a tile has a length of 16 bits: this leaf could never be read back.
      if (byteLength > MAX_LEAF_BYTES) throw new RangeError('leaf too long');
      bytes += byteLength;
    }
    if (leaves.length > MAX_BATCH_LEAVES || bytes > MAX_BATCH_BYTES) {
      throw new RangeError('more than one append takes');
    }
    return new Promise((resolve, reject) => {
      const settle: Waiting['resolve'] = (...committed) => {
        resolve(result(...committed));
      };
      this.#waiting.push({ leaves, patient, resolve: settle, reject });
      this.#waitingLeaves += leaves.length;
      // A turn later: the calls that came in one piece over the link share the batch.
      if (this.#flushing) return;
      this.#flushing = true;
      queueMicrotask(() => void this.#flush());
    });
  }

  /**
   * The enclave halted: no checkpoint is signed any more and nobody gets an answer. What is on its way may still
   * become durable: its intents count as issued.
   */
  stop(): void {
    this.#failed = true;
    this.#turnAway(this.#take(this.#waiting.length));
  }

  async #flush(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#commit(this.#nextBatch());
    } catch (error) {
      this.stop();
      this.#options.onFailure(error);
    } finally {
      this.#flushing = false;
    }
  }

  /** Of those that wait, as many as fit into a frame: at least the first, which was let in because it does. */
  #nextBatch(): readonly Waiting[] {
    let leaves = 0;
    let bytes = 0;
    const over = this.#waiting.findIndex((waiting) => {
      leaves += waiting.leaves.length;
      for (const { byteLength } of waiting.leaves) bytes += byteLength;
      return leaves > MAX_BATCH_LEAVES || bytes > MAX_BATCH_BYTES;
    });
    return this.#take(over === -1 ? this.#waiting.length : over);
  }

  #take(count: number): readonly Waiting[] {
    const taken = this.#waiting.splice(0, count);
    for (const { leaves } of taken) this.#waitingLeaves -= leaves.length;
    return taken;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#append(batch);
    } catch (error) {
      this.#turnAway(batch);
      throw error;
    }
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    const { store, sealEdge, signer } = this.#options;
    const leaves = leavesOf(batch);
    const grown = new Batch(this.#edge, leaves.map(leafHash));
    await store.append(grown.firstIndex, leaves, sealEdge(grown.edge), () => {
      this.#stall(batch);
    });
    if (this.#failed) {
      this.#turnAway(batch);
      return;
    }
    this.#stalled = false;
    this.#edge = grown.edge;
    const checkpoint = signer.sign(grown.edge.size, grown.root);
    this.#checkpoint = checkpoint;
    let position = 0;
    for (const waiting of batch) {
      waiting.resolve(grown, position, checkpoint);
      position += waiting.leaves.length;
    }
    store.publishCheckpoint(checkpoint);
  }

  /**
   * The store does not take the batch for the time being. Whoever waits is told so, and nobody else is let in;
   * the batch itself may still become durable: its intents count as issued.
   */
  #stall(batch: readonly Waiting[]): void {
    this.#stalled = true;
    this.#turnAway(batch.filter(({ patient }) => !patient));
    const waiting = this.#take(this.#waiting.length);
    this.#waiting = waiting.filter(({ patient }) => patient);
    this.#waitingLeaves = leavesOf(this.#waiting).length;
    this.#turnAway(waiting.filter(({ patient }) => !patient));
  }

  #turnAway(batch: readonly Waiting[]): void {
    for (const { reject } of batch) reject(new Refusal('LOG_UNAVAILABLE'));
  }
}
