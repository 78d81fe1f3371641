/**
 * The log's Merkle tree as the enclave keeps it (RFC 6962 §2.1): only its edge, the roots of the complete
 * subtrees, so memory does not grow with the log. A batch appends leaves and proves each of them from the edge
 * and the batch alone; everything older is the host's to store and anybody's to check.
 */
import { hash } from 'node:crypto';
import { fromHex, toHex } from '../wire/bytes.ts';
import { ObjectReader } from '../wire/closed-schema.ts';
import { canonicalize, parseSignedJson } from '../wire/signed-json.ts';
import {
  HASH_BYTES,
  MAX_PROOF_HASHES,
  completeSubtrees,
  leafHashInput,
  nodeHashInput,
  subtreesBeside,
  type Subtree,
} from '../wire/tlog.ts';

/** A tree of `size` leaves: the roots of its complete subtrees, largest first, one for each bit set in `size`. */
export interface Edge {
  readonly size: number;
  readonly hashes: readonly Uint8Array[];
}

export const EMPTY_EDGE: Edge = { size: 0, hashes: [] };

/** Writes the digest to `to`. A `Buffer` per digest costs twice the hashing itself, so it comes as text. */
function digestInto(input: Uint8Array, to: Buffer, offset: number): void {
  to.write(hash('sha256', input, 'binary'), offset, 'binary');
}

function sha256(input: Uint8Array): Uint8Array {
  const digest = new Uint8Array(HASH_BYTES);
  digestInto(input, Buffer.from(digest.buffer), 0);
  return digest;
}

/** LEAF_PREFIX ‖ leaf, written again for each: an allocation costs more than the hash. Longer leaves are rare. */
const leafInput = leafHashInput(new Uint8Array(2048));
const LEAF_OFFSET = leafHashInput(new Uint8Array(0)).byteLength;

export function leafHash(leaf: Uint8Array): Uint8Array {
  const length = LEAF_OFFSET + leaf.byteLength;
  if (length > leafInput.byteLength) return sha256(leafHashInput(leaf));
  leafInput.set(leaf, LEAF_OFFSET);
  return sha256(leafInput.subarray(0, length));
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(nodeHashInput(left, right));
}

/** RFC 6962 §2.1: the root hash; that of no leaves is the hash of nothing. */
export function rootOf({ hashes }: Edge): Uint8Array {
  return (
    hashes.reduceRight<Uint8Array | undefined>(
      (right, left) => (right === undefined ? left : nodeHash(left, right)),
      undefined,
    ) ?? sha256(new Uint8Array(0))
  );
}

/** Plaintext of the sealed edge (docs/spec/log.md). */
export function encodeEdge({ size, hashes }: Edge): Uint8Array {
  return canonicalize({ v: 1, size, edge: hashes.map(toHex) });
}

/** Throws SignedJsonError. */
export function parseEdge(bytes: Uint8Array): Edge {
  const reader = new ObjectReader(parseSignedJson(bytes));
  reader.integer('v', 1, 1);
  const size = reader.integer('size', 0);
  const hashes = reader.strings('edge', /^[0-9a-f]{64}$/, MAX_PROOF_HASHES).map(fromHex);
  reader.end();
  if (hashes.length !== completeSubtrees(0, size).length) reader.fail('edge', 'of another size');
  return { size, hashes };
}

/** NODE_PREFIX ‖ left ‖ right, written again for each node. Nothing here waits, so nobody else sees it. */
const pair = nodeHashInput(new Uint8Array(HASH_BYTES), new Uint8Array(HASH_BYTES));
const PAIR_OFFSET = pair.byteLength - 2 * HASH_BYTES;

/** Consecutive complete nodes of one level. The first has an even index, so that siblings lie side by side. */
interface Level {
  readonly first: number;
  /** Index behind the last one: the number of complete nodes that the tree has at this level. */
  readonly end: number;
  /** Where the first one lies in the batch's memory, in hashes. */
  readonly start: number;
}

/** Leaves appended to an edge in one go. */
export class Batch {
  /** Number of the batch's first leaf. */
  readonly firstIndex: number;
  /** The tree after the batch; its hashes are copies. */
  readonly edge: Edge;
  readonly root: Uint8Array;
  readonly #levels: readonly Level[];
  /** Hashes of all levels in one piece. */
  readonly #memory: Buffer;
  /** For each level, the root of the leaves right of its complete nodes; undefined when there are none. */
  readonly #rests: readonly (Uint8Array | undefined)[];

  /** Throws RangeError for an edge that is not one, hashes of another length, or a tree of 2^53 leaves. */
  constructor(edge: Edge, leafHashes: readonly Uint8Array[]) {
    const size = edge.size + leafHashes.length;
    checkInput(edge, leafHashes, size);
    this.firstIndex = edge.size;
    this.#levels = levelsOf(edge.size, size);
    const last = this.#levels.at(-1);
    const nodes = last === undefined ? 0 : last.start + last.end - last.first;
    this.#memory = Buffer.from(new ArrayBuffer(nodes * HASH_BYTES));
    this.#fill(edge, leafHashes);

    const hashes: Uint8Array[] = [];
    const rests: (Uint8Array | undefined)[] = [];
    let rest: Uint8Array | undefined;
    for (const level of this.#levels) {
      rests.push(rest);
      if (level.end % 2 === 0) continue;
      const node = this.#node(level, level.end - 1);
      hashes.push(Uint8Array.from(node));
      rest = rest === undefined ? node : nodeHash(node, rest);
    }
    this.edge = { size, hashes: hashes.reverse() };
    this.root = rest === undefined ? rootOf(EMPTY_EDGE) : Uint8Array.from(rest);
    this.#rests = rests;
  }

  /** RFC 6962 §2.1.1, leaf upwards, of the batch's leaf number `position`. The hashes are views on the batch. */
  proof(position: number): Uint8Array[] {
    let index = this.#indexOf(position);
    const proof: Uint8Array[] = [];
    for (const [i, level] of this.#levels.entries()) {
      const sibling = index % 2 === 0 ? index + 1 : index - 1;
      if (sibling < level.end) proof.push(this.#node(level, sibling));
      else {
        // A node without a sibling goes up as it is.
        const rest = sibling === level.end ? this.#rests[i] : undefined;
        if (rest !== undefined) proof.push(rest);
      }
      index = Math.floor(index / 2);
    }
    return proof;
  }

  /**
   * docs/spec/log.md "Multi-proof" of the batch's leaves at these positions, which rise strictly. The hashes are views
   * on the batch.
   */
  multiProof(positions: readonly number[]): Uint8Array[] {
    const indices = positions.map((position) => this.#indexOf(position));
    if (indices.some((index, i) => index <= (indices[i - 1] ?? -1))) {
      throw new RangeError('positions do not rise');
    }
    return subtreesBeside(indices, this.edge.size).map((subtree) => this.#over(subtree));
  }

  #indexOf(position: number): number {
    const index = this.firstIndex + position;
    if (!Number.isInteger(position) || position < 0 || index >= this.edge.size) {
      throw new RangeError('no such leaf');
    }
    return index;
  }

  /** A subtree beside one that holds a leaf of the batch: a complete node, or what is right of the complete ones. */
  #over({ begin, end }: Subtree): Uint8Array {
    let leaves = 1;
    let i = 0;
    for (; leaves < end - begin; leaves *= 2) i += 1;
    const level = this.#levels[i];
    const index = begin / leaves;
    const hash =
      level !== undefined && index < level.end ? this.#node(level, index) : this.#rests[i];
    if (hash === undefined) throw new RangeError('not beside the batch');
    return hash;
  }

  #node(level: Level, index: number): Uint8Array {
    const at = (level.start + index - level.first) * HASH_BYTES;
    return new Uint8Array(this.#memory.buffer, at, HASH_BYTES);
  }

  /** The old edge's nodes, the leaves, then each level from the one below. */
  #fill(edge: Edge, leafHashes: readonly Uint8Array[]): void {
    // From the smallest subtree up.
    let edgeNode = edge.hashes.length;
    let below: Level | undefined;
    let leaves = 1;
    for (const level of this.#levels) {
      const known = Math.floor(edge.size / leaves);
      if (known > level.first) {
        edgeNode -= 1;
        this.#memory.set(edge.hashes[edgeNode] ?? [], level.start * HASH_BYTES);
      }
      for (let index = known; index < level.end; index += 1) {
        const to = (level.start + index - level.first) * HASH_BYTES;
        if (below === undefined) this.#memory.set(leafHashes[index - known] ?? [], to);
        else {
          const left = (below.start + 2 * index - below.first) * HASH_BYTES;
          this.#memory.copy(pair, PAIR_OFFSET, left, left + 2 * HASH_BYTES);
          digestInto(pair, this.#memory, to);
        }
      }
      below = level;
      leaves *= 2;
    }
  }
}

function checkInput(edge: Edge, leafHashes: readonly Uint8Array[], size: number): void {
  if (!Number.isSafeInteger(size) || edge.size < 0) throw new RangeError('not the size of a tree');
  if (edge.hashes.length !== completeSubtrees(0, edge.size).length)
    throw new RangeError('not an edge');
  const isHash = (bytes: Uint8Array): boolean => bytes.byteLength === HASH_BYTES;
  if (!edge.hashes.every(isHash) || !leafHashes.every(isHash)) throw new RangeError('not a hash');
}

/**
 * What a batch holds: the complete nodes that it adds, and left of them the node of the old edge where the level
 * would begin at an odd index. Up to the level of the largest complete subtree.
 */
function levelsOf(oldSize: number, size: number): Level[] {
  const levels: Level[] = [];
  let start = 0;
  for (let leaves = 1; leaves <= size; leaves *= 2) {
    const known = Math.floor(oldSize / leaves);
    const first = known - (known % 2);
    const end = Math.floor(size / leaves);
    levels.push({ first, end, start });
    start += end - first;
  }
  return levels;
}
