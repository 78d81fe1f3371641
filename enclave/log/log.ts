/**
 * The log as the enclave writes it: group commit, durable before release (PROTOCOLS §12). One batch is on
 * its way to the disk while the next one fills; a batch once given is retried byte-identical by the store
 * port until it is acknowledged, or the enclave halts.
 */
import type { LogStore } from '../ports.ts';
import { Refusal } from '../wire/error-code.ts';
import type { CheckpointSigner } from './checkpoint.ts';
import { Batch, leafHash, rootOf, type Edge } from './tree.ts';

/** A leaf that is durable, with what proves it. */
export interface Committed {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly proof: readonly Uint8Array[];
  readonly checkpoint: string;
}

/** Leaves of one batch: bounds a frame and the latency of a flush. */
const MAX_BATCH_LEAVES = 1024;
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
  readonly leaf: Uint8Array;
  /** Waits however long it takes: leaves of a state change, which has nobody to tell. */
  readonly patient: boolean;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: Error) => void;
}

export class Log {
  readonly #options: LogOptions;
  #edge: Edge;
  #checkpoint: string;
  #waiting: Waiting[] = [];
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

  /** Resolves when leaf and tree are durable and the checkpoint is signed. Rejects with `LOG_UNAVAILABLE`. */
  append(leaf: Uint8Array, patient = false): Promise<Committed> {
    if (this.#failed || (this.#stalled && !patient) || this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new Refusal('LOG_UNAVAILABLE'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ leaf, patient, resolve, reject });
      // A turn later: the calls that came in one piece over the link share the batch.
      if (this.#flushing) return;
      this.#flushing = true;
      queueMicrotask(() => void this.#flush());
    });
  }

  async #flush(): Promise<void> {
    try {
      while (this.#waiting.length > 0)
        await this.#commit(this.#waiting.splice(0, MAX_BATCH_LEAVES));
    } catch (error) {
      this.#failed = true;
      this.#turnAway(this.#waiting.splice(0));
      this.#options.onFailure(error);
    } finally {
      this.#flushing = false;
    }
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const { store, sealEdge, signer } = this.#options;
    const leaves = batch.map((waiting) => waiting.leaf);
    const grown = new Batch(this.#edge, leaves.map(leafHash));
    try {
      await store.append(grown.firstIndex, leaves, sealEdge(grown.edge), () => {
        this.#stall(batch);
      });
    } catch (error) {
      this.#turnAway(batch);
      throw error;
    }
    this.#stalled = false;
    this.#edge = grown.edge;
    const checkpoint = signer.sign(grown.edge.size, grown.root);
    this.#checkpoint = checkpoint;
    for (const [i, { leaf, resolve }] of batch.entries()) {
      resolve({ leaf, index: grown.firstIndex + i, proof: grown.proof(i), checkpoint });
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
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ patient }) => patient);
    this.#turnAway(waiting.filter(({ patient }) => !patient));
  }

  #turnAway(batch: readonly Waiting[]): void {
    for (const { reject } of batch) reject(new Refusal('LOG_UNAVAILABLE'));
  }
}
