/** Tiles of a log in memory, made leaf by leaf from RFC 6962 and C2SP tlog-tiles: what a host would serve. */
import { treeHash } from '../../scripts/log-maker.ts';
import type { ReadTile } from '../../src/tlog/tile-reader.ts';

/** The nth tile of a level holds MTH of each 256^level leaves. Exactly `width` hashes are served. */
export function memoryTiles(leafHashes: readonly Uint8Array[]): ReadTile {
  return (level, index, width) => {
    const leaves = 256 ** level;
    const tile = Array.from({ length: width }, (_, i) => {
      const first = (index * 256 + i) * leaves;
      if (first + leaves > leafHashes.length) throw new RangeError('the tree has no such hash');
      return treeHash(leafHashes.slice(first, first + leaves));
    });
    return Promise.resolve(Uint8Array.from(Buffer.concat(tile)));
  };
}
