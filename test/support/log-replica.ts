/**
 * A monitor: keeps a copy of the whole log, read over gRPC, and holds every checkpoint and every receipt against it.
 * A leaf that is missing, another leaf at its place, or a second root for one size makes it throw.
 */
import { Batch, EMPTY_EDGE, leafHash, type Edge } from '../../enclave/log/tree.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import type { Checkpoint } from '../../enclave/wire/tlog-note.ts';
import type { SignResponse } from '../../src/gen/sealwright/v1/signing.ts';
import type { KnownLog } from '../../src/tlog/verify-checkpoint.ts';
import { verifyReceipt } from '../../src/tlog/verify-receipt.ts';
import type { LogReader } from './log-reader.ts';

const AT_ONCE = 256;

export class LogReplica {
  readonly #log: KnownLog;
  readonly leaves: Uint8Array[] = [];
  /** Hex, by size. */
  readonly #roots: string[] = [toHex(new Batch(EMPTY_EDGE, []).root)];
  #edge: Edge = EMPTY_EDGE;
  #head: Checkpoint | undefined;

  constructor(log: KnownLog) {
    this.#log = log;
  }

  /** Reads what is new. The head it returns is signed, and the tree of the leaves here has its root. */
  async follow(reader: LogReader): Promise<Checkpoint> {
    const head = await reader.checkpoint();
    while (this.leaves.length < head.size) {
      const wanted = Math.min(AT_ONCE, head.size - this.leaves.length);
      const more = await reader.entries(this.leaves.length, wanted);
      if (more.length === 0) throw new Error(`missing: leaf ${String(this.leaves.length)}`);
      for (const leaf of more) this.#take(leaf);
    }
    this.#requireSameTree(head);
    // And the host can prove it: from one head to the next.
    if (this.#head !== undefined && this.#head.size <= head.size) {
      await reader.requireConsistent(this.#head, head);
    }
    this.#head = head;
    return head;
  }

  #take(leaf: Uint8Array): void {
    const grown = new Batch(this.#edge, [leafHash(leaf)]);
    this.#edge = grown.edge;
    this.leaves.push(leaf);
    this.#roots.push(toHex(grown.root));
  }

  #requireSameTree({ size, rootHash }: Checkpoint): void {
    if (this.#roots[size] !== toHex(rootHash))
      throw new Error(`fork: two trees of ${String(size)}`);
  }

  /** What a caller got is in the log, at its place, under a tree of the log, and its receipt says so offline. */
  async requireLogged({ receipt }: SignResponse, reader: LogReader): Promise<void> {
    if (receipt === undefined) throw new Error('no receipt');
    const index = Number(receipt.index);
    const { leaf, proof, checkpoint, salt } = receipt;
    const result = await verifyReceipt({ leaf, index, proof, checkpoint, salt }, this.#log);
    const bad = result.checks.filter(({ verdict }) => verdict === 'contraindicated');
    if (bad.length > 0) throw new Error(`receipt: ${bad.map(({ id }) => id).join()}`);
    if (this.leaves.length <= index) throw new Error(`missing: leaf ${String(index)}`);
    if (Buffer.compare(this.leaves[index] ?? new Uint8Array(0), leaf) !== 0) {
      throw new Error(`fork: two leaves ${String(index)}`);
    }
    this.#requireSameTree(await reader.verified(checkpoint));
  }
}
