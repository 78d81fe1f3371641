import { describe, expect, test } from 'vitest';
import { Batch, EMPTY_EDGE, leafHash } from '../../enclave/log/tree.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import {
  encodeEntryBundle,
  encodeTilePath,
  parseEntryBundle,
} from '../../enclave/wire/tlog-tiles.ts';
import { TlogError } from '../../enclave/wire/tlog.ts';
import { consistencyPath, inclusionPath, leafHashOf, treeHash } from '../../scripts/log-maker.ts';
import { verifyConsistency, verifyInclusion } from '../../src/tlog/merkle.ts';
import { TileReader, rootOfHashes, type ReadTile } from '../../src/tlog/tile-reader.ts';
import { memoryTiles } from '../support/memory-tiles.ts';

const hashes = Array.from({ length: 600 }, (_, i) => leafHashOf(utf8(String(i))));
const readerOf = (size: number): TileReader =>
  new TileReader(size, memoryTiles(hashes.slice(0, size)));

/** Tiles of a large tree, made once: level 0 is the leaves, each level above has the roots of full tiles. */
async function largeTiles(leaves: readonly Uint8Array[]): Promise<ReadTile> {
  const levels: Uint8Array[] = [Uint8Array.from(Buffer.concat(leaves))];
  for (
    let below = levels[0];
    below !== undefined && below.byteLength >= 8192;
    below = levels.at(-1)
  ) {
    const roots: Uint8Array[] = [];
    for (let at = 0; at + 8192 <= below.byteLength; at += 8192) {
      roots.push(await rootOfHashes(below.subarray(at, at + 8192)));
    }
    levels.push(Uint8Array.from(Buffer.concat(roots)));
  }
  return (level, index, width) => {
    const start = index * 8192;
    return Promise.resolve(levels[level]?.slice(start, start + width * 32) ?? new Uint8Array(0));
  };
}

describe('a tile reader', () => {
  test.each([1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 513, 600])(
    'finds the proofs of RFC 6962 in a tree of %d',
    async (size) => {
      const tree = hashes.slice(0, size);
      const reader = readerOf(size);

      expect(await reader.rootHash()).toEqual(treeHash(tree));
      for (const index of new Set([0, 1, 254, 255, 256, 257, 511, 512, size - 2, size - 1])) {
        if (index < 0 || index >= size) continue;
        expect(await reader.inclusionProof(index)).toEqual(inclusionPath(index, tree));
        expect(await reader.leafHash(index)).toEqual(hashes[index]);
        expect(await reader.consistencyProof(index + 1)).toEqual(consistencyPath(index + 1, tree));
        expect(await reader.rootHash(index + 1)).toEqual(treeHash(hashes.slice(0, index + 1)));
      }
    },
  );

  test('of 70,000 leaves, with full tiles on two levels', async () => {
    const leaves = Array.from({ length: 70_000 }, (_, i) => leafHash(utf8(`large ${String(i)}`)));
    const read = await largeTiles(leaves);
    const size = leaves.length;
    const rootHash = new Batch(EMPTY_EDGE, leaves).root;
    const reader = new TileReader(size, read);

    expect(await reader.rootHash()).toEqual(rootHash);
    for (const index of [0, 255, 256, 32_768, 65_535, 65_536, 69_887, 69_888, 69_999]) {
      const hash = leaves[index] ?? new Uint8Array(0);
      const proof = await reader.inclusionProof(index);
      expect(await verifyInclusion({ leafHash: hash, index, size, proof }, rootHash)).toBe(true);
      const older = {
        size: index + 1,
        rootHash: new Batch(EMPTY_EDGE, leaves.slice(0, index + 1)).root,
      };
      const consistency = await reader.consistencyProof(index + 1);
      expect(await verifyConsistency(older, { size, rootHash }, consistency)).toBe(true);
    }
  });

  test('reads each tile once for a proof, and only tiles that the tree has', async () => {
    const asked: string[] = [];
    const read = memoryTiles(hashes);
    const reader = new TileReader(600, (level, index, width) => {
      asked.push(encodeTilePath({ level, index, width }));
      return read(level, index, width);
    });
    await reader.inclusionProof(300);

    expect(asked.sort()).toEqual(['tile/0/001', 'tile/0/002.p/88', 'tile/1/000.p/2']);
  });

  test('takes a full tile for a partial one', async () => {
    const full = memoryTiles(hashes);
    const reader = new TileReader(100, (level, index) => full(level, index, level === 0 ? 256 : 0));

    expect(await reader.rootHash()).toEqual(treeHash(hashes.slice(0, 100)));
  });

  test('of an empty tree has the root of nothing, and nothing else', async () => {
    const reader = readerOf(0);

    expect(await reader.rootHash()).toEqual(treeHash([]));
    await expect(reader.inclusionProof(0)).rejects.toThrow(RangeError);
    await expect(reader.consistencyProof(0)).rejects.toThrow(RangeError);
    await expect(reader.leafHash(0)).rejects.toThrow(RangeError);
  });

  test.each([-1, 100, 0.5, Number.NaN])('has no leaf %d of 100', async (index) => {
    await expect(readerOf(100).inclusionProof(index)).rejects.toThrow(RangeError);
    await expect(readerOf(100).leafHash(index)).rejects.toThrow(RangeError);
  });

  test.each([0, -1, 101, 1.5])('has no consistency from %d to 100', async (size) => {
    await expect(readerOf(100).consistencyProof(size)).rejects.toThrow(RangeError);
  });

  test.each([
    ['no bytes', 0],
    ['a hash less', 99 * 32],
    ['a byte less', 100 * 32 - 1],
    ['a byte more', 100 * 32 + 1],
    ['257 hashes', 257 * 32],
  ])('refuses a tile of %s', async (_name, length) => {
    const reader = new TileReader(100, () => Promise.resolve(new Uint8Array(length)));

    await expect(reader.inclusionProof(0)).rejects.toThrow(TlogError);
    // Also when the hash that is asked for is there.
    await expect(reader.leafHash(0)).rejects.toThrow(TlogError);
  });

  test('passes on what the callback throws', async () => {
    const reader = new TileReader(600, () => Promise.reject(new Error('gone')));

    await expect(reader.inclusionProof(300)).rejects.toThrow('gone');
  });

  test('finds other proofs in edited tiles, which nobody accepts', async () => {
    const read = memoryTiles(hashes);
    const edited = new TileReader(600, async (level, index, width) => {
      const tile = await read(level, index, width);
      return level === 0 && index === 1
        ? tile.map((byte, i) => (i === 32 ? byte ^ 1 : byte))
        : tile;
    });
    const proof = await edited.inclusionProof(256);
    const inclusion = { leafHash: hashes[256] ?? new Uint8Array(0), index: 256, size: 600, proof };

    expect(await verifyInclusion(inclusion, treeHash(hashes))).toBe(false);
  });

  test.each([0.5, -1, 2 ** 53])('is refused for a tree of %d', (size) => {
    expect(() => new TileReader(size, memoryTiles([]))).toThrow(RangeError);
  });

  test.each([0, 33, 96, 31])('has no root for %d bytes of hashes', async (length) => {
    await expect(rootOfHashes(new Uint8Array(length))).rejects.toThrow(TlogError);
  });
});

describe('tile paths and bundles', () => {
  test.each([
    { level: -1, index: 0, width: 256 },
    { level: 64, index: 0, width: 256 },
    { level: 0, index: -1, width: 256 },
    { level: 0, index: 2 ** 53, width: 256 },
    { level: 0, index: 0.5, width: 256 },
    { level: 0, index: 0, width: 0 },
    { level: 0, index: 0, width: 257 },
  ])('no path for %o', (tile) => {
    expect(() => encodeTilePath(tile)).toThrow(RangeError);
  });

  test('the longest leaf is 65,535 bytes', () => {
    const leaf = new Uint8Array(65_535).fill(7);

    expect(parseEntryBundle(encodeEntryBundle([leaf, leaf]), 2)).toEqual([leaf, leaf]);
    expect(() => encodeEntryBundle([new Uint8Array(65_536)])).toThrow(RangeError);
  });

  test('a bundle within a larger buffer is read where it lies', () => {
    const bundle = encodeEntryBundle([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    const buffer = new Uint8Array(bundle.byteLength + 20).fill(0xff);
    buffer.set(bundle, 10);

    expect(parseEntryBundle(buffer.subarray(10, 10 + bundle.byteLength), 2)).toEqual([
      Uint8Array.of(1, 2),
      Uint8Array.of(3),
    ]);
  });
});
