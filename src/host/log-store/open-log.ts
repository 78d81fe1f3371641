/** Opens the host's copy of the log: what the journal has, and the right edge of the tiles, checked against it. */
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import { HASH_BYTES } from '../../../enclave/wire/tlog.ts';
import { TILE_WIDTH } from '../../../enclave/wire/tlog-tiles.ts';
import { TileReader } from '../../tlog/tile-reader.ts';
import { CheckedTiles, bundlePath, rawTile, tilePath } from './checked-tiles.ts';
import { leafHashes, rootOfTile } from './hashing.ts';
import { Journal, type JournalBatch } from './journal.ts';
import { JournalDamaged, type SegmentBase } from './journal-segment.ts';
import type { LogParts } from './log-copy.ts';
import { LogDamaged } from './log-damage.ts';
import type { LogFiles } from './log-files.ts';
import { TileFolder } from './tile-folder.ts';
import { TileTail } from './tile-tail.ts';

/** Rejects with LogDamaged, LogDiskFailed, or with the error of the system. */
export async function openLog(files: LogFiles, segmentBytes?: number): Promise<LogParts> {
  const folder = new TileFolder(files);
  await folder.clean();
  const { journal, batches } = await recovered(files, segmentBytes);
  const { base } = journal;
  if (base === undefined && !(await folder.isEmpty())) {
    throw new LogDamaged({ where: 'journal', what: 'missing' });
  }
  const start = base?.size ?? 0;
  // The journal lost its older leaves when they were in full tiles: up to the end of the tile that it begins in.
  const written = Math.ceil(start / TILE_WIDTH) * TILE_WIDTH;
  const leaves = batches.flatMap(({ append }) => append.leaves);
  // Where the journal ends, no full bundle can stand.
  const next = bundlePath(Math.floor((start + leaves.length) / TILE_WIDTH));
  if (start + leaves.length < written || (await folder.read(next)) !== undefined) {
    throw new LogDamaged({ where: 'journal', what: 'missing' });
  }
  const tail = await TileTail.rebuild(written, (at) => rawTile(folder, at));
  if (base !== undefined) await checkBase(folder, tail, base);
  const repeated = written - start;
  await checkRepeated(folder, start, leafHashes(leaves.slice(0, repeated)));
  const pending = leaves.slice(repeated);
  tail.push(leafHashes(pending));
  const last = batches.at(-1);
  return {
    journal,
    folder,
    tail,
    written,
    pending,
    // Copies: these stay, and the journal's files as they were read must not.
    sealedEdge: Uint8Array.from(last?.append.sealedEdge ?? []),
    lastPayload: Uint8Array.from(last?.payload ?? []),
  };
}

async function recovered(
  files: LogFiles,
  segmentBytes: number | undefined,
): Promise<{ readonly journal: Journal; readonly batches: readonly JournalBatch[] }> {
  try {
    return await Journal.recover(files, segmentBytes);
  } catch (error) {
    if (!(error instanceof JournalDamaged)) throw error;
    throw new LogDamaged({ where: 'journal', what: 'malformed' });
  }
}

/** A wrong hash at the right edge would go into every tile above it, and into every proof. */
async function checkBase(folder: TileFolder, tail: TileTail, base: SegmentBase): Promise<void> {
  const tiles = new CheckedTiles(folder, tail);
  const tree = new TileReader(
    base.size,
    (level, index) => tiles.tile({ level, index }),
    rootOfTile,
  );
  if (!equalBytes(await tree.rootHash(), base.rootHash)) {
    throw new LogDamaged({ where: 'tile', what: 'wrong-hash' });
  }
}

/** Leaves that the journal has and the last full tile too. */
async function checkRepeated(folder: TileFolder, start: number, hashes: Uint8Array): Promise<void> {
  if (hashes.byteLength === 0) return;
  const at = { level: 0, index: Math.floor(start / TILE_WIDTH) };
  const begin = (start % TILE_WIDTH) * HASH_BYTES;
  const tile = await rawTile(folder, at);
  if (!equalBytes(tile.subarray(begin), hashes)) {
    throw new LogDamaged({ where: tilePath(at), what: 'wrong-hash' });
  }
  const bundle = bundlePath(at.index);
  if ((await folder.read(bundle)) === undefined) {
    throw new LogDamaged({ where: bundle, what: 'missing' });
  }
}
