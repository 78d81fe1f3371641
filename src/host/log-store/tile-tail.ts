/**
 * The right edge of the tree's tiles (c2sp.org/tlog-tiles): per level the hashes that are not in a full tile on the
 * disk yet. At most one partial tile a level, and what waits to be written: memory does not grow with the log.
 */
import { HASH_BYTES } from '../../../enclave/wire/tlog.ts';
import { TILE_WIDTH } from '../../../enclave/wire/tlog-tiles.ts';
import { rootOfTile } from './hashing.ts';

export const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/** Coordinates of a tile of hashes. */
export interface TileAt {
  readonly level: number;
  readonly index: number;
}

interface Level {
  /** Index of the first tile in memory. */
  firstTile: number;
  /** Hashes from there on; the last tile may be partial. */
  readonly tiles: Buffer[];
  /** Hashes in the last tile; `TILE_WIDTH` when a new one must begin. */
  lastWidth: number;
}

export class TileTail {
  readonly #levels: Level[] = [];

  /**
   * The tail of a tree of which all full tiles are on the disk. `size` is a multiple of 256; `readTile` gives full
   * tiles, and rejects when one is not there.
   */
  static async rebuild(
    size: number,
    readTile: (at: TileAt) => Promise<Uint8Array>,
  ): Promise<TileTail> {
    const tail = new TileTail();
    for (
      let level = 0, count = size;
      count > 0;
      level += 1, count = Math.floor(count / TILE_WIDTH)
    ) {
      const first = count - (count % TILE_WIDTH);
      tail.#levels.push(emptyLevel(first / TILE_WIDTH));
      for (let index = first; index < count; index += 1) {
        const below = await readTile({ level: level - 1, index });
        tail.#put(level, rootOfTile(below));
      }
    }
    return tail;
  }

  /** Adds leaf hashes that lie side by side. */
  push(hashes: Uint8Array): void {
    for (let at = 0; at < hashes.byteLength; at += HASH_BYTES) {
      this.#put(0, hashes.subarray(at, at + HASH_BYTES));
    }
  }

  /** The hashes of a tile, at least one; undefined when none of it is in memory. A view: copy what is kept. */
  read({ level, index }: TileAt): Uint8Array | undefined {
    const known = this.#levels[level];
    if (known === undefined) return undefined;
    const position = index - known.firstTile;
    const tile = known.tiles[position];
    if (tile === undefined) return undefined;
    const width = position === known.tiles.length - 1 ? known.lastWidth : TILE_WIDTH;
    return tile.subarray(0, width * HASH_BYTES);
  }

  /** Whether the tile's place is right of everything that is on the disk. */
  holds({ level, index }: TileAt): boolean {
    const known = this.#levels[level];
    return known === undefined || index >= known.firstTile;
  }

  /** The tile is on the disk: the leftmost of its level goes from memory. */
  drop({ level, index }: TileAt): void {
    const known = this.#levels[level];
    if (known?.firstTile !== index) throw new RangeError('not the leftmost tile in memory');
    known.tiles.shift();
    known.firstTile += 1;
    if (known.tiles.length === 0) known.lastWidth = TILE_WIDTH;
  }

  #put(level: number, hash: Uint8Array): void {
    const known = (this.#levels[level] ??= emptyLevel(0));
    if (known.lastWidth === TILE_WIDTH) {
      known.tiles.push(Buffer.alloc(TILE_BYTES));
      known.lastWidth = 0;
    }
    const tile = known.tiles[known.tiles.length - 1];
    tile?.set(hash, known.lastWidth * HASH_BYTES);
    known.lastWidth += 1;
    if (known.lastWidth === TILE_WIDTH && tile !== undefined)
      this.#put(level + 1, rootOfTile(tile));
  }
}

function emptyLevel(firstTile: number): Level {
  return { firstTile, tiles: [], lastWidth: TILE_WIDTH };
}
