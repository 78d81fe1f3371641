/** SHA-256 as the log needs it: synchronous, and many times. */
import { hash } from 'node:crypto';
import { HASH_BYTES, leafHashInput, nodeHashInput } from '../../../enclave/wire/tlog.ts';

/** A `Buffer` per digest costs twice the hashing itself, so it comes as text. */
function digestInto(input: Uint8Array, to: Buffer, offset: number): void {
  to.write(hash('sha256', input, 'binary'), offset, 'binary');
}

/** LEAF_PREFIX ‖ leaf, written again for each: an allocation costs more than the hash. Longer leaves are rare. */
const leafInput = leafHashInput(new Uint8Array(2048));
const LEAF_OFFSET = leafHashInput(new Uint8Array(0)).byteLength;

function leafInputOf(leaf: Uint8Array): Uint8Array {
  const length = LEAF_OFFSET + leaf.byteLength;
  if (length > leafInput.byteLength) return leafHashInput(leaf);
  leafInput.set(leaf, LEAF_OFFSET);
  return leafInput.subarray(0, length);
}

/** The hashes side by side, as a level 0 tile has them. */
export function leafHashes(leaves: readonly Uint8Array[]): Uint8Array {
  const hashes = new Uint8Array(leaves.length * HASH_BYTES);
  const to = Buffer.from(hashes.buffer);
  leaves.forEach((leaf, index) => {
    digestInto(leafInputOf(leaf), to, index * HASH_BYTES);
  });
  return hashes;
}

/** NODE_PREFIX ‖ left ‖ right, written again for each node. Nothing here waits, so nobody else sees it. */
const pair = nodeHashInput(new Uint8Array(HASH_BYTES), new Uint8Array(HASH_BYTES));
const PAIR_OFFSET = pair.byteLength - 2 * HASH_BYTES;

/** Root of 2^k hashes that lie side by side: of a full tile, or of a subtree in one. */
export function rootOfTile(hashes: Uint8Array): Uint8Array {
  const row = Buffer.from(hashes);
  for (let width = row.byteLength; width > HASH_BYTES; width /= 2) {
    for (let at = 0; at < width; at += 2 * HASH_BYTES) {
      row.copy(pair, PAIR_OFFSET, at, at + 2 * HASH_BYTES);
      digestInto(pair, row, at / 2);
    }
  }
  return Uint8Array.from(row.subarray(0, HASH_BYTES));
}
