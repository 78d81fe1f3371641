/**
 * Multi-proofs: several leaves of one tree at once (docs/spec/log.md "Multi-proof"). Nothing here throws for what a
 * host sent.
 */
import { HASH_BYTES, splitPoint, subtreesBeside } from '../../enclave/wire/tlog.ts';
import { nodeHash } from './merkle.ts';

/** A leaf and where it is said to be. */
export interface PlacedLeaf {
  readonly index: number;
  readonly leafHash: Uint8Array;
}

export interface MultiInclusion {
  readonly leaves: readonly PlacedLeaf[];
  readonly size: number;
  /** From the left. */
  readonly proof: readonly Uint8Array[];
}

/** What a multi-proof leads to: true only if `root` is a root that was signed. */
export interface Expanded {
  readonly root: Uint8Array;
  /** For each leaf its inclusion proof (RFC 6962 §2.1.1), which leads to `root` too. */
  readonly proofs: readonly (readonly Uint8Array[])[];
}

/** undefined when no tree of this size has these leaves with such a proof. */
export async function expandMultiProof(inclusion: MultiInclusion): Promise<Expanded | undefined> {
  const { leaves, size, proof } = inclusion;
  const indices = leaves.map(({ index }) => index);
  if (!areInTree(indices, size)) return undefined;
  const hashes = [...leaves.map(({ leafHash }) => leafHash), ...proof];
  if (!hashes.every(({ byteLength }) => byteLength === HASH_BYTES)) return undefined;
  // Before any hashing: a proof of another length is of another tree, or of other leaves.
  if (subtreesBeside(indices, size).length !== proof.length) return undefined;

  const proofs = leaves.map((): Uint8Array[] => []);
  const beside = proof.values();
  /** The node over leaves `begin` to `end`; of `leaves`, those from `from` to `to` are below it. */
  const nodeOver = async (
    begin: number,
    end: number,
    from: number,
    to: number,
  ): Promise<Uint8Array> => {
    if (from === to) return beside.next().value ?? NOTHING;
    if (end - begin === 1) return leaves[from]?.leafHash ?? NOTHING;
    const middle = begin + splitPoint(end - begin);
    let right = from;
    while (right < to && (indices[right] ?? end) < middle) right += 1;
    const leftHash = await nodeOver(begin, middle, from, right);
    const rightHash = await nodeOver(middle, end, right, to);
    // Children come before their parents, so each proof grows from its leaf upwards.
    for (const path of proofs.slice(from, right)) path.push(rightHash);
    for (const path of proofs.slice(right, to)) path.push(leftHash);
    return nodeHash(leftHash, rightHash);
  };
  return { root: await nodeOver(0, size, 0, leaves.length), proofs };
}

/** Never reached: the proof has as many hashes as are taken. */
const NOTHING = new Uint8Array(HASH_BYTES);

/** At least one, rising strictly, each below `size`. */
function areInTree(indices: readonly number[], size: number): boolean {
  return (
    Number.isSafeInteger(size) &&
    indices.length > 0 &&
    indices.every(
      (index, i) => Number.isSafeInteger(index) && index > (indices[i - 1] ?? -1) && index < size,
    )
  );
}
