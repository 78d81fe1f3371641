/** Receipts of leaves that share a checkpoint and a multi-proof (docs/spec/log.md "Receipt of a batch"). */
import { leafHash } from './merkle.ts';
import { expandMultiProof } from './multi-proof.ts';
import { MalformedReceipt, decodingAt, type Receipt } from './receipt-file.ts';
import { readCheckpoint } from './verify-checkpoint.ts';

/** What a batch tells of one leaf. */
export type BatchLeaf = Pick<Receipt, 'leaf' | 'index' | 'salt'>;

/** That several leaves are in the tree of a checkpoint. Nothing of it is verified. */
export interface BatchReceipt {
  /** In order of their numbers. */
  readonly leaves: readonly BatchLeaf[];
  /** Multi-proof, from the left. */
  readonly proof: readonly Uint8Array[];
  /** C2SP signed note. */
  readonly checkpoint: string;
}

/**
 * An ordinary receipt for each leaf, in their order, as the log would give it for the same checkpoint. This verifies
 * nothing: the receipts are true if and only if the batch is, and `verifyReceipt` tells.
 * @throws MalformedReceipt when the checkpoint can't be decoded, or no tree of its size has such a proof
 */
export async function receiptsOf(batch: BatchReceipt): Promise<readonly Receipt[]> {
  const { leaves, proof, checkpoint } = batch;
  const { size } = decodingAt('/checkpoint', () => readCheckpoint(checkpoint)).checkpoint;
  const placed = await Promise.all(
    leaves.map(async ({ leaf, index }) => ({ index, leafHash: await leafHash(leaf) })),
  );
  const expanded = await expandMultiProof({ leaves: placed, size, proof });
  if (expanded === undefined) {
    throw new MalformedReceipt('/proof', `of no such leaves in a tree of ${String(size)}`);
  }
  return leaves.map((leaf, i) => ({ ...leaf, proof: expanded.proofs[i] ?? [], checkpoint }));
}
