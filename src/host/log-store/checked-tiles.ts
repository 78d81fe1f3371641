/**
 * Reads tiles and bundles and checks each against the tree above it, up to the hashes in memory: what was deleted,
 * cut or edited on the disk is named, and never served.
 */
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import { HASH_BYTES, TlogError } from '../../../enclave/wire/tlog.ts';
import { TILE_WIDTH, encodeTilePath, parseEntryBundle } from '../../../enclave/wire/tlog-tiles.ts';
import { leafHashes, rootOfTile } from './hashing.ts';
import { LogDamaged } from './log-damage.ts';
import type { TileFolder } from './tile-folder.ts';
import { TILE_BYTES, type TileAt, type TileTail } from './tile-tail.ts';

export function tilePath({ level, index }: TileAt): string {
  return encodeTilePath({ level, index, width: TILE_WIDTH });
}

export function bundlePath(index: number): string {
  return encodeTilePath({ level: 'entries', index, width: TILE_WIDTH });
}

/**
 * Tiles that were checked and are kept, 4 MiB: every proof asks for one of those above the lowest level, of which a
 * log of 10^7 leaves has 153, and pushes out one of the lowest.
 */
const MAX_KEPT = 512;

/** A full tile as the disk has it. Rejects with LogDamaged when its length is wrong. */
export async function rawTile(folder: TileFolder, at: TileAt): Promise<Uint8Array> {
  const where = tilePath(at);
  const bytes = await folder.read(where);
  if (bytes === undefined) throw new LogDamaged({ where, what: 'missing' });
  if (bytes.byteLength !== TILE_BYTES) throw new LogDamaged({ where, what: 'wrong-length' });
  return bytes;
}

export class CheckedTiles {
  readonly #folder: TileFolder;
  readonly #tail: TileTail;
  /** By path, least recently used first. What is kept was right when it was read, and tiles do not change. */
  readonly #kept = new Map<string, Promise<Uint8Array>>();

  constructor(folder: TileFolder, tail: TileTail) {
    this.#folder = folder;
    this.#tail = tail;
  }

  /** The hashes of a tile: all that there are, which is 256 left of the tail. Rejects with LogDamaged. */
  async tile(at: TileAt): Promise<Uint8Array> {
    if (this.#tail.holds(at)) return this.#tail.read(at) ?? new Uint8Array(0);
    const path = tilePath(at);
    const tile = this.#kept.get(path) ?? this.#checked(at);
    this.#kept.delete(path);
    this.#kept.set(path, tile);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    try {
      return await tile;
    } catch (error) {
      // It may be put back.
      if (this.#kept.get(path) === tile) this.#kept.delete(path);
      throw error;
    }
  }

  async #checked(at: TileAt): Promise<Uint8Array> {
    const bytes = await rawTile(this.#folder, at);
    const above = { level: at.level + 1, index: Math.floor(at.index / TILE_WIDTH) };
    const start = (at.index % TILE_WIDTH) * HASH_BYTES;
    const expected = (await this.tile(above)).subarray(start, start + HASH_BYTES);
    if (!equalBytes(rootOfTile(bytes), expected)) {
      throw new LogDamaged({ where: tilePath(at), what: 'wrong-hash' });
    }
    return bytes;
  }

  /** The leaves of a full bundle that is on the disk. Rejects with LogDamaged. */
  async bundle(index: number): Promise<Uint8Array[]> {
    const where = bundlePath(index);
    const bytes = await this.#folder.read(where);
    if (bytes === undefined) throw new LogDamaged({ where, what: 'missing' });
    const leaves = parsedBundle(where, bytes);
    if (!equalBytes(leafHashes(leaves), await this.tile({ level: 0, index }))) {
      throw new LogDamaged({ where, what: 'wrong-hash' });
    }
    return leaves;
  }
}

function parsedBundle(where: string, bytes: Uint8Array): Uint8Array[] {
  try {
    return parseEntryBundle(bytes, TILE_WIDTH);
  } catch (error) {
    if (!(error instanceof TlogError)) throw error;
    throw new LogDamaged({ where, what: 'malformed' });
  }
}
