/**
 * Shape of the log's Merkle tree (docs/spec/log.md), without hashing: who hashes is node:crypto in the enclave
 * and on the host, Web Crypto in a verifier. Tree sizes and indices are numbers below 2^53, as in leaves; bit
 * operators would cut them to 32 bits, so halves are divisions here.
 */
import { concatBytes, label, u8 } from './bytes.ts';

/** SHA-256. */
export const HASH_BYTES = 32;

/** C2SP tlog-tiles: entries have a u16 length. */
export const MAX_LEAF_BYTES = 0xffff;

/** Salt of `toBeSignedHash`. */
export const SALT_BYTES = 32;

/** Levels of a tree of 2^53 - 1 leaves: no proof and no edge is longer. */
export const MAX_PROOF_HASHES = 53;

/** Which rule of docs/spec/log.md, or of the C2SP page behind it, was broken. */
export type TlogRule =
  | 'utf-8'
  | 'note-size'
  | 'control-character'
  | 'blank-line'
  | 'final-newline'
  | 'signature-line'
  | 'signature-count'
  | 'key-name'
  | 'base64'
  | 'checkpoint-lines'
  | 'origin'
  | 'tree-size'
  | 'root-hash'
  | 'extension-line'
  | 'tile-path'
  | 'tile-width'
  | 'entry-length'
  | 'entry-count'
  | 'proof-header'
  | 'proof-extra'
  | 'proof-index'
  | 'proof-hash'
  | 'proof-length'
  | 'proof-end';

/** Thrown for bytes or text that are not in a form of the log. */
export class TlogError extends Error {
  override readonly name = 'TlogError';
  readonly rule: TlogRule;
  constructor(rule: TlogRule) {
    super(rule);
    this.rule = rule;
  }
}

const LEAF_PREFIX = u8(0x00);
const NODE_PREFIX = u8(0x01);

/** SHA-256 of this is the hash of a leaf (RFC 6962 §2.1). */
export function leafHashInput(leaf: Uint8Array): Uint8Array {
  return concatBytes(LEAF_PREFIX, leaf);
}

/** SHA-256 of this is the hash of an inner node (RFC 6962 §2.1). */
export function nodeHashInput(left: Uint8Array, right: Uint8Array): Uint8Array {
  return concatBytes(NODE_PREFIX, left, right);
}

const TO_BE_SIGNED = label('sealwright/to-be-signed/v1');

/** SHA-256 of this is `toBeSignedHash` of a signature leaf. */
export function toBeSignedHashInput(salt: Uint8Array, toBeSigned: Uint8Array): Uint8Array {
  if (salt.byteLength !== SALT_BYTES) throw new RangeError('salt is not 32 bytes');
  return concatBytes(TO_BE_SIGNED, salt, toBeSigned);
}

/** The largest power of two below `size`: where RFC 6962 §2.1 splits a tree. For sizes from 2. */
export function splitPoint(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/** A complete subtree: the leaves from `index` × 2^`level` on, 2^`level` of them. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/**
 * The complete subtrees that leaves `begin` to `end` (exclusive) consist of, from the left; each is the largest
 * that fits. For a tree from leaf 0 these are the nodes of its edge.
 */
export function completeSubtrees(begin: number, end: number): TreeNode[] {
  const nodes: TreeNode[] = [];
  for (let at = begin; at < end;) {
    let level = 0;
    let leaves = 1;
    while (at % (leaves * 2) === 0 && at + leaves * 2 <= end) {
      level += 1;
      leaves *= 2;
    }
    nodes.push({ level, index: at / leaves });
    at += leaves;
  }
  return nodes;
}

/** The leaves `begin` to `end` (exclusive) below one node of a tree (RFC 6962 §2.1), complete or not. */
export interface Subtree {
  readonly begin: number;
  readonly end: number;
}

/**
 * What a multi-proof is made of (docs/spec/log.md): the largest subtrees without any of these leaves, from the left.
 * `indices` rise strictly and are below `size`.
 */
export function subtreesBeside(indices: readonly number[], size: number): Subtree[] {
  const found: Subtree[] = [];
  // Of the indices, those from `from` to `to` (exclusive) are below the node.
  const visit = (begin: number, end: number, from: number, to: number): void => {
    if (from === to) found.push({ begin, end });
    if (from === to || to - from === end - begin) return;
    const middle = begin + splitPoint(end - begin);
    let right = from;
    while (right < to && (indices[right] ?? end) < middle) right += 1;
    visit(begin, middle, from, right);
    visit(middle, end, right, to);
  };
  visit(0, size, 0, indices.length);
  return found;
}

/** A number as checkpoints and proofs write it: decimal, no leading zeros, below 2^53; else undefined. */
export function parseDecimal(text: string): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
