/**
 * Runs of leaves and older trees, proved by inclusion proofs alone. An inclusion proof names the subtrees beside
 * the path to its leaf (RFC 6962 §2.1.1), so two of them leave only the run between to be filled in.
 */
import { equalBytes } from '../../enclave/wire/bytes.ts';
import { HASH_BYTES } from '../../enclave/wire/tlog.ts';
import { nodeHash, rootFromInclusion, type Inclusion, type TreeHead } from './merkle.ts';

/** Hashes of subtrees by `first:end` of the leaves under them. */
type Nodes = Map<string, Uint8Array>;

const nameOf = (first: number, end: number): string => `${String(first)}:${String(end)}`;

/** The largest power of two that is smaller (RFC 6962 §2.1). */
function split(size: number): number {
  let k = 1;
  while (2 * k < size) k *= 2;
  return k;
}

/** Every subtree beside the path to a leaf, leaf upwards, as `[first, end]`. */
function siblings(index: number, size: number): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  let [first, end] = [0, size];
  while (end - first > 1) {
    const middle = first + split(end - first);
    if (index < middle) {
      found.push([middle, end]);
      end = middle;
    } else {
      found.push([first, middle]);
      first = middle;
    }
  }
  return found.reverse();
}

/** The hash over leaves `first` to `end`, from what is known; undefined when that is not enough. */
async function hashOf(first: number, end: number, nodes: Nodes): Promise<Uint8Array | undefined> {
  const known = nodes.get(nameOf(first, end));
  if (known !== undefined || end - first <= 1) return known;
  const middle = first + split(end - first);
  const left = await hashOf(first, middle, nodes);
  // Also what bounds the work: an unknown left half ends it.
  if (left === undefined) return undefined;
  const right = await hashOf(middle, end, nodes);
  return right === undefined ? undefined : nodeHash(left, right);
}

/** Consecutive leaves of a tree, and the inclusion proofs of the first and the last one. */
export interface LeafRun {
  readonly first: number;
  /** At least one. */
  readonly leafHashes: readonly Uint8Array[];
  readonly size: number;
  readonly firstProof: readonly Uint8Array[];
  readonly lastProof: readonly Uint8Array[];
}

/**
 * The root that these leaves lead to; undefined when no tree has them there with such proofs. When it is a root
 * that was signed, every leaf stands where it is said to stand, and none between them was left out. The size is
 * bound by its shape only, as in every inclusion proof: it is what the checkpoint says.
 */
export async function rootFromRun(run: LeafRun): Promise<Uint8Array | undefined> {
  const { first, leafHashes, size, firstProof, lastProof } = run;
  const end = first + leafHashes.length;
  if (leafHashes.length === 0 || ![first, size].every(Number.isSafeInteger)) return undefined;
  if (first < 0 || end > size) return undefined;
  const hashes = [...leafHashes, ...firstProof, ...lastProof];
  if (!hashes.every(({ byteLength }) => byteLength === HASH_BYTES)) return undefined;
  const nodes: Nodes = new Map(
    leafHashes.map((hash, i) => [nameOf(first + i, first + i + 1), hash]),
  );
  for (const [index, proof] of [
    [first, firstProof],
    [end - 1, lastProof],
  ] as const) {
    const beside = siblings(index, size);
    if (beside.length !== proof.length) return undefined;
    for (const [i, [from, to]] of beside.entries()) {
      const hash = proof[i];
      // A subtree that holds a leaf of the run must come from that leaf, or the leaf would prove nothing.
      if (hash !== undefined && (to <= first || from >= end)) nodes.set(nameOf(from, to), hash);
    }
  }
  return hashOf(0, size, nodes);
}

/**
 * The root that the tree had when it was as large as `index`, read off the inclusion proof of the leaf that came
 * next; undefined when that proof does not lead to the newer root. `index` is at least 1.
 */
export async function olderRoot(
  inclusion: Inclusion,
  newer: TreeHead,
): Promise<Uint8Array | undefined> {
  const root = await rootFromInclusion(inclusion);
  if (root === undefined || inclusion.size !== newer.size) return undefined;
  if (!equalBytes(root, newer.rootHash)) return undefined;
  const { index, size, proof } = inclusion;
  const nodes: Nodes = new Map();
  for (const [i, [from, to]] of siblings(index, size).entries()) {
    const hash = proof[i];
    if (hash !== undefined) nodes.set(nameOf(from, to), hash);
  }
  return hashOf(0, index, nodes);
}
