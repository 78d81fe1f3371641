/**
 * The host's copy of the log: leaves and tree as C2SP tiles, with a journal for what is not in full tiles yet. An
 * append is acknowledged when it is durable in the journal; tiles are written behind the acknowledgement.
 */
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import type { LogAppendRequest } from '../../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { TILE_WIDTH, encodeEntryBundle } from '../../../enclave/wire/tlog-tiles.ts';
import { TileReader } from '../../tlog/tile-reader.ts';
import { CheckedTiles, bundlePath, tilePath } from './checked-tiles.ts';
import { leafHashes, rootOfTile } from './hashing.ts';
import type { Journal } from './journal.ts';
import { LogDiskFailed, LogDiskFull } from './log-files.ts';
import type { TileFile, TileFolder } from './tile-folder.ts';
import type { TileAt, TileTail } from './tile-tail.ts';

/** Leaves that wait for their tiles, in bytes: beyond, appends wait for the tiles. */
const MAX_PENDING_BYTES = 32 * 1024 * 1024;
/** Bundles that are made durable together: they share the fsync of their folder. */
const GROUPS_AT_ONCE = 8;
/** After tiles found no room, this many appends go by before they are tried again. */
const APPENDS_UNTIL_RETRY = 64;

/** Another batch than the next one, and not the last one again. */
export class LogConflict extends Error {
  override readonly name = 'LogConflict';
}

/** What is on the disk, and what of it is in memory. */
export interface LogParts {
  readonly journal: Journal;
  readonly folder: TileFolder;
  readonly tail: TileTail;
  /** Leaves in full tiles: a multiple of 256. */
  readonly written: number;
  /** The leaves behind them. */
  readonly pending: readonly Uint8Array[];
  readonly sealedEdge: Uint8Array;
  readonly lastPayload: Uint8Array;
}

export class LogCopy {
  readonly #journal: Journal;
  readonly #folder: TileFolder;
  readonly #tail: TileTail;
  readonly #tiles: CheckedTiles;
  readonly #onTrouble: (error: unknown) => void;
  readonly #pending: Uint8Array[];
  #pendingBytes: number;
  #written: number;
  #sealedEdge: Uint8Array;
  #lastPayload: Uint8Array;
  #queue: Promise<unknown> = Promise.resolve();
  /** Until all full tiles are written. */
  #integrating: Promise<void> | undefined;
  /** Until the next few are. Never rejects. */
  #step: Promise<unknown> = Promise.resolve();
  #appendsUntilRetry = 0;
  /** Set once, and nothing is written any more. */
  #trouble: Error | undefined;

  /** `onTrouble` is told why nothing is written any more. */
  constructor(parts: LogParts, onTrouble: (error: unknown) => void) {
    this.#journal = parts.journal;
    this.#folder = parts.folder;
    this.#tail = parts.tail;
    this.#tiles = new CheckedTiles(parts.folder, parts.tail);
    this.#onTrouble = onTrouble;
    this.#pending = [...parts.pending];
    this.#pendingBytes = byteLength(parts.pending);
    this.#written = parts.written;
    this.#sealedEdge = parts.sealedEdge;
    this.#lastPayload = parts.lastPayload;
    this.#integrate();
  }

  /** Leaves that are durable. */
  get size(): number {
    return this.#written + this.#pending.length;
  }

  get sealedEdge(): Uint8Array {
    return this.#sealedEdge;
  }

  get journalBytes(): number {
    return this.#journal.bytes;
  }

  get pendingLeaves(): number {
    return this.#pending.length;
  }

  /**
   * Resolves when the batch is durable, or was already. Takes ownership of the bytes of a LogAppendRequest. Rejects
   * with LogConflict, LogDiskFull, or what ended all writing.
   */
  append(payload: Uint8Array, request: LogAppendRequest): Promise<void> {
    const done = this.#queue.then(() => this.#append(payload, request));
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #append(payload: Uint8Array, request: LogAppendRequest): Promise<void> {
    if (this.#trouble !== undefined) throw this.#trouble;
    const { leaves, firstIndex, sealedEdge } = request;
    if (Number(firstIndex) !== this.size) {
      // A retry of what became durable before the acknowledgement was lost.
      if (equalBytes(payload, this.#lastPayload)) return;
      throw new LogConflict();
    }
    await this.#waitForRoom();
    const durable = this.#journal.append(payload, () => this.#base());
    // While the disk works.
    const hashes = leafHashes(leaves);
    try {
      await durable;
    } catch (error) {
      throw error instanceof LogDiskFull ? error : this.#stop(error);
    }
    this.#tail.push(hashes);
    for (const leaf of leaves) this.#pending.push(leaf);
    this.#pendingBytes += byteLength(leaves);
    this.#sealedEdge = sealedEdge;
    this.#lastPayload = payload;
    this.#integrate();
  }

  async #waitForRoom(): Promise<void> {
    if (this.#pendingBytes < MAX_PENDING_BYTES) return;
    this.#appendsUntilRetry = 0;
    this.#integrate();
    while (this.#pendingBytes >= MAX_PENDING_BYTES && this.#integrating !== undefined) {
      await this.#step;
    }
    if (this.#trouble !== undefined) throw this.#trouble;
    if (this.#pendingBytes >= MAX_PENDING_BYTES) throw new LogDiskFull();
  }

  async #base(): Promise<{ size: number; rootHash: Uint8Array }> {
    return { size: this.size, rootHash: await this.rootHash(this.size) };
  }

  /** Root of the first `size` leaves. Rejects with LogDamaged. */
  rootHash(size: number): Promise<Uint8Array> {
    return this.tree(size).rootHash();
  }

  /** The tree of the first `size` leaves, which must be here. Its proofs reject with LogDamaged. */
  tree(size: number): TileReader {
    return new TileReader(size, (level, index) => this.#tiles.tile({ level, index }), rootOfTile);
  }

  /** The hashes of a tile, all that there are. Rejects with LogDamaged. */
  tile(at: TileAt): Promise<Uint8Array> {
    return this.#tiles.tile(at);
  }

  /** Leaves in order, at most `count` and about `maxBytes`, but one at least if it is here. Rejects with LogDamaged. */
  async leaves(first: number, count: number, maxBytes: number): Promise<Uint8Array[]> {
    const end = Math.min(first + count, this.size);
    const leaves: Uint8Array[] = [];
    let bytes = 0;
    for (let index = first; index < end;) {
      // What is not pending now is in a durable bundle, and stays there.
      const found =
        index >= this.#written ? this.#pendingFrom(index) : await this.#bundleFrom(index);
      for (const leaf of found.slice(0, end - index)) {
        bytes += leaf.byteLength;
        if (bytes > maxBytes && leaves.length > 0) return leaves;
        leaves.push(leaf);
        index += 1;
      }
    }
    return leaves;
  }

  #pendingFrom(index: number): Uint8Array[] {
    return this.#pending.slice(index - this.#written);
  }

  async #bundleFrom(index: number): Promise<Uint8Array[]> {
    const leaves = await this.#tiles.bundle(Math.floor(index / TILE_WIDTH));
    return leaves.slice(index % TILE_WIDTH);
  }

  /** Starts to write full tiles, unless that is being done. */
  #integrate(): void {
    if (this.#integrating !== undefined || this.#pending.length < TILE_WIDTH) return;
    if (this.#trouble !== undefined) return;
    if (this.#appendsUntilRetry > 0) {
      this.#appendsUntilRetry -= 1;
      return;
    }
    this.#integrating = this.#writeTiles()
      .catch((error: unknown) => {
        if (error instanceof LogDiskFull) this.#appendsUntilRetry = APPENDS_UNTIL_RETRY;
        else this.#stop(error);
      })
      .finally(() => {
        this.#integrating = undefined;
      });
  }

  async #writeTiles(): Promise<void> {
    while (this.#pending.length >= TILE_WIDTH && this.#trouble === undefined) {
      const step = this.#writeGroups();
      this.#step = step.catch(() => undefined);
      await step;
    }
  }

  async #writeGroups(): Promise<void> {
    const groups = Math.min(GROUPS_AT_ONCE, Math.floor(this.#pending.length / TILE_WIDTH));
    const first = this.#written / TILE_WIDTH;
    const tiles: TileAt[] = [];
    const files: TileFile[] = [];
    for (let group = 0; group < groups; group += 1) {
      const start = group * TILE_WIDTH;
      const bytes = encodeEntryBundle(this.#pending.slice(start, start + TILE_WIDTH));
      files.push({ path: bundlePath(first + group), bytes });
      for (const at of tilesEndedBy(first + group)) {
        tiles.push(at);
        // A full tile in memory does not change any more.
        files.push({ path: tilePath(at), bytes: this.#tail.read(at) ?? new Uint8Array(0) });
      }
    }
    await this.#folder.write(files);
    for (const at of tiles) this.#tail.drop(at);
    const gone = this.#pending.splice(0, groups * TILE_WIDTH);
    this.#pendingBytes -= byteLength(gone);
    this.#written += gone.length;
    await this.#journal.release(this.#written);
  }

  #stop(error: unknown): Error {
    if (this.#trouble !== undefined) return this.#trouble;
    const trouble = error instanceof Error ? error : new LogDiskFailed(error);
    this.#trouble = trouble;
    this.#onTrouble(trouble);
    return trouble;
  }

  /** Ends when what was begun is done. */
  async close(): Promise<void> {
    await this.#queue;
    await this.#integrating;
    await this.#journal.close();
  }
}

/** The tiles that bundle number `index` makes full, lowest first. */
function tilesEndedBy(index: number): TileAt[] {
  const tiles: TileAt[] = [{ level: 0, index }];
  for (let level = 1, end = index + 1; end % TILE_WIDTH === 0; level += 1) {
    end /= TILE_WIDTH;
    tiles.push({ level, index: end - 1 });
  }
  return tiles;
}

function byteLength(leaves: readonly Uint8Array[]): number {
  return leaves.reduce((sum, leaf) => sum + leaf.byteLength, 0);
}
