/**
 * Proofs from tiles (c2sp.org/tlog-tiles "Merkle Tree"). Tiles are what their server says: a reader verifies what
 * comes out of here against a checkpoint, and then the tiles that went in were true.
 */
import { concatBytes } from '../../enclave/wire/bytes.ts';
import {
  HASH_BYTES,
  TlogError,
  completeSubtrees,
  splitPoint,
  type TreeNode,
} from '../../enclave/wire/tlog.ts';
import { TILE_HEIGHT, TILE_WIDTH, tileWidth } from '../../enclave/wire/tlog-tiles.ts';
import { nodeHash } from './merkle.ts';
import { webSha256 } from './web-crypto.ts';

/** The hashes of one tile, at least `width` of them: where a partial tile is gone, the full one serves. */
export type ReadTile = (level: number, index: number, width: number) => Promise<Uint8Array>;

/** Root of 2^k hashes that lie side by side, at least one and at most a full tile. */
export type RootOfHashes = (hashes: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** Leaves from `begin` to `end`, exclusive. */
interface Range {
  readonly begin: number;
  readonly end: number;
}

/** PATH of RFC 6962 §2.1.1, as ranges whose roots are the proof. */
function inclusionRanges(index: number, begin: number, end: number): Range[] {
  if (end - begin === 1) return [];
  const middle = begin + splitPoint(end - begin);
  return index < middle
    ? [...inclusionRanges(index, begin, middle), { begin: middle, end }]
    : [...inclusionRanges(index, middle, end), { begin, end: middle }];
}

/** SUBPROOF of RFC 6962 §2.1.2 for the first `size` leaves. The older tree's own root is left out. */
function consistencyRanges(size: number, begin: number, end: number): Range[] {
  if (size === end) return begin === 0 ? [] : [{ begin, end }];
  const middle = begin + splitPoint(end - begin);
  return size <= middle
    ? [...consistencyRanges(size, begin, middle), { begin: middle, end }]
    : [...consistencyRanges(size, middle, end), { begin, end: middle }];
}

/** Reads one tree. Tiles are kept for the length of one call: memory does not grow with the log. */
export class TileReader {
  readonly size: number;
  readonly #readTile: ReadTile;
  readonly #rootOfHashes: RootOfHashes;

  /** `root`: a synchronous one spares a thread's round trip for each of some hundred hashes of a proof. */
  constructor(size: number, readTile: ReadTile, root: RootOfHashes = rootOfHashes) {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError('not a tree size');
    this.size = size;
    this.#readTile = readTile;
    this.#rootOfHashes = root;
  }

  /** RFC 6962 §2.1.1. Throws RangeError for a leaf that the tree does not have. */
  async inclusionProof(index: number): Promise<Uint8Array[]> {
    this.#checkWithin(index, 0, this.size - 1);
    return this.#roots(inclusionRanges(index, 0, this.size));
  }

  /** RFC 6962 §2.1.2, from the tree of `oldSize` leaves, at least one, to this one. */
  async consistencyProof(oldSize: number): Promise<Uint8Array[]> {
    this.#checkWithin(oldSize, 1, this.size);
    return this.#roots(consistencyRanges(oldSize, 0, this.size));
  }

  /** Root hash of the first `size` leaves. */
  async rootHash(size = this.size): Promise<Uint8Array> {
    this.#checkWithin(size, 0, this.size);
    if (size === 0) return webSha256(new Uint8Array(0));
    const [root] = await this.#roots([{ begin: 0, end: size }]);
    return root ?? new Uint8Array(0);
  }

  /** Leaf hash as the tile has it. */
  async leafHash(index: number): Promise<Uint8Array> {
    this.#checkWithin(index, 0, this.size - 1);
    const [hash] = await this.#roots([{ begin: index, end: index + 1 }]);
    return hash ?? new Uint8Array(0);
  }

  #checkWithin(value: number, min: number, max: number): void {
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new RangeError('not in this tree');
    }
  }

  async #roots(ranges: readonly Range[]): Promise<Uint8Array[]> {
    const tiles = new Map<string, Promise<Uint8Array>>();
    return Promise.all(ranges.map(({ begin, end }) => this.#rootOf(begin, end, tiles)));
  }

  async #rootOf(
    begin: number,
    end: number,
    tiles: Map<string, Promise<Uint8Array>>,
  ): Promise<Uint8Array> {
    const nodes = completeSubtrees(begin, end);
    const hashes = await Promise.all(nodes.map((node) => this.#nodeHash(node, tiles)));
    // RFC 6962 §2.1: the largest subtree stands left, and what is right of it is a tree of its own.
    let root = hashes.pop();
    for (let left = hashes.pop(); left !== undefined; left = hashes.pop()) {
      root = await this.#rootOfHashes(concatBytes(left, root ?? left));
    }
    return root ?? new Uint8Array(0);
  }

  async #nodeHash(node: TreeNode, tiles: Map<string, Promise<Uint8Array>>): Promise<Uint8Array> {
    const tileLevel = Math.floor(node.level / TILE_HEIGHT);
    const count = 2 ** (node.level % TILE_HEIGHT);
    const first = node.index * count;
    const tileIndex = Math.floor(first / TILE_WIDTH);
    const key = `${String(tileLevel)}/${String(tileIndex)}`;
    let tile = tiles.get(key);
    if (tile === undefined) {
      tile = this.#tile(tileLevel, tileIndex);
      tiles.set(key, tile);
    }
    const start = (first % TILE_WIDTH) * HASH_BYTES;
    const bytes = await tile;
    return this.#rootOfHashes(bytes.slice(start, start + count * HASH_BYTES));
  }

  async #tile(level: number, index: number): Promise<Uint8Array> {
    const width = tileWidth(level, index, this.size);
    const bytes = await this.#readTile(level, index, width);
    const hashes = bytes.byteLength / HASH_BYTES;
    if (!Number.isInteger(hashes) || hashes < width || hashes > TILE_WIDTH)
      throw new TlogError('tile-width');
    return bytes;
  }
}

/**
 * Root of 2^k hashes that lie side by side: of a full tile, the hash that the level above has for it. Rejects with
 * TlogError for another number of hashes.
 */
export async function rootOfHashes(hashes: Uint8Array): Promise<Uint8Array> {
  let row: Uint8Array[] = [];
  for (let at = 0; at < hashes.byteLength; at += HASH_BYTES) {
    row.push(hashes.slice(at, at + HASH_BYTES));
  }
  if (hashes.byteLength % HASH_BYTES !== 0 || !Number.isInteger(Math.log2(row.length))) {
    throw new TlogError('tile-width');
  }
  while (row.length > 1) row = await Promise.all(pairs(row));
  return row[0] ?? new Uint8Array(0);
}

/** Hashes of the nodes above a row. */
function pairs(row: readonly Uint8Array[]): Promise<Uint8Array>[] {
  const above: Promise<Uint8Array>[] = [];
  for (let i = 0; i + 1 < row.length; i += 2) {
    const [left, right] = [row[i], row[i + 1]];
    if (left !== undefined && right !== undefined) above.push(nodeHash(left, right));
  }
  return above;
}
