/**
 * Proofs of RFC 6962, verified as RFC 9162 §2.1.3.2 and §2.1.4.2 say: false for every proof of another length,
 * with hashes of another length, or for a tree that can't have it. Nothing here throws for what a host sent.
 */
import { equalBytes } from '../../enclave/wire/bytes.ts';
import { HASH_BYTES, leafHashInput, nodeHashInput } from '../../enclave/wire/tlog.ts';
import { webSha256 } from './web-crypto.ts';

const isOdd = (value: number): boolean => value % 2 === 1;
const half = (value: number): number => Math.floor(value / 2);
const isHash = (bytes: Uint8Array): boolean => bytes.byteLength === HASH_BYTES;

/** A position in a tree, which must be a whole number that arithmetic keeps exact. */
const isPosition = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

export function leafHash(leaf: Uint8Array): Promise<Uint8Array> {
  return webSha256(leafHashInput(leaf));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return webSha256(nodeHashInput(left, right));
}

/** Where a leaf is said to be. */
export interface Inclusion {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly Uint8Array[];
}

/** The root that an inclusion proof leads to; undefined when no tree of this size has such a proof. */
export async function rootFromInclusion(inclusion: Inclusion): Promise<Uint8Array | undefined> {
  const { leafHash: leaf, index, size, proof } = inclusion;
  if (!isPosition(index) || !isPosition(size) || index >= size) return undefined;
  if (!isHash(leaf) || !proof.every(isHash)) return undefined;
  // RFC 9162 calls them fn and sn: the node on the path, and the last node of its level.
  let node = index;
  let last = size - 1;
  let root = leaf;
  for (const sibling of proof) {
    if (last === 0) return undefined;
    if (isOdd(node) || node === last) {
      root = await nodeHash(sibling, root);
      // A last node without a sibling goes up as it is, until it is a right child.
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else root = await nodeHash(root, sibling);
    node = half(node);
    last = half(last);
  }
  return last === 0 ? root : undefined;
}

/** RFC 9162 §2.1.3.2. */
export async function verifyInclusion(
  inclusion: Inclusion,
  rootHash: Uint8Array,
): Promise<boolean> {
  const root = await rootFromInclusion(inclusion);
  return root !== undefined && equalBytes(root, rootHash);
}

/** Size and root of a tree: what a checkpoint says. */
export interface TreeHead {
  readonly size: number;
  readonly rootHash: Uint8Array;
}

/** RFC 9162 §2.1.4.2: `newer` has the leaves of `older` and perhaps more after them. `older` has at least one. */
export async function verifyConsistency(
  older: TreeHead,
  newer: TreeHead,
  proof: readonly Uint8Array[],
): Promise<boolean> {
  if (!isPosition(older.size) || !isPosition(newer.size)) return false;
  if (older.size < 1 || older.size > newer.size) return false;
  if (![older.rootHash, newer.rootHash, ...proof].every(isHash)) return false;
  if (older.size === newer.size) {
    return proof.length === 0 && equalBytes(older.rootHash, newer.rootHash);
  }
  let node = older.size - 1;
  let last = newer.size - 1;
  while (isOdd(node)) {
    node = half(node);
    last = half(last);
  }
  // When the older tree is complete its root is the first node, and the proof leaves it out: then node is 0 here.
  const [first, ...path] = node === 0 ? [older.rootHash, ...proof] : proof;
  if (first === undefined) return false;
  let oldRoot = first;
  let newRoot = first;
  for (const sibling of path) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      oldRoot = await nodeHash(sibling, oldRoot);
      newRoot = await nodeHash(sibling, newRoot);
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else newRoot = await nodeHash(newRoot, sibling);
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalBytes(oldRoot, older.rootHash) && equalBytes(newRoot, newer.rootHash);
}
