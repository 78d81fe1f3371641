/** Leaves and checkpoints of a log that was made up, as large as one likes; a writer of it that keeps only the tree's edge. */
import { encodeCheckpoint } from '../enclave/wire/tlog-note.ts';
import { leafHashOf, nodeHashOf, noteSigner, signedNote } from './log-maker.ts';
import { sha256 } from './vector-file.ts';

const SIGNER = noteSigner('simulated/made-log', 'made log');
const hex = (text: string): string => Buffer.from(sha256(Buffer.from(text))).toString('hex');

/** About as long as a leaf of a signature. */
export function madeLeaf(index: number): Uint8Array {
  const fields = {
    alg: 'ES256',
    caller: `caller-${String(index % 16)}`,
    callerId: `key:${hex(`caller ${String(index % 16)}`)}`,
    instanceId: '00'.repeat(16),
    kid: 'k'.repeat(43),
    kind: 'signature',
    policyVersion: 1,
    rank: 'mtls',
    ring: 'made',
    timeMs: index,
    toBeSignedHash: hex(String(index)),
    v: 1,
    version: 1,
  };
  return Buffer.from(JSON.stringify(fields));
}

/** The roots of the complete subtrees, smallest last. */
export class MadeTree {
  readonly #edge: { readonly leaves: number; readonly hash: Uint8Array }[] = [];
  #size = 0;

  append(leaf: Uint8Array): void {
    let node = { leaves: 1, hash: leafHashOf(leaf) };
    for (let left = this.#edge.at(-1); left?.leaves === node.leaves; left = this.#edge.at(-1)) {
      this.#edge.pop();
      node = { leaves: 2 * node.leaves, hash: nodeHashOf(left.hash, node.hash) };
    }
    this.#edge.push(node);
    this.#size += 1;
  }

  get size(): number {
    return this.#size;
  }

  checkpoint(): string {
    const rootHash =
      this.#edge
        .map(({ hash }) => hash)
        .reduceRight<Uint8Array | undefined>(
          (right, left) => (right === undefined ? left : nodeHashOf(left, right)),
          undefined,
        ) ?? sha256();
    return signedNote(
      encodeCheckpoint({ origin: SIGNER.name, size: this.#size, rootHash }),
      SIGNER,
    );
  }
}
