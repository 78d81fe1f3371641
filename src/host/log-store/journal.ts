/**
 * The journal: what was appended and may not be in full tiles yet. One record a batch, durable before it is
 * acknowledged. It is a row of files, so that it stays bounded without copying: a new one is begun every few
 * MiB, and the oldest goes when all its leaves are in tiles and a later one holds the last batch.
 */
import { decodeMessage } from '../../../enclave/wire/decode-message.ts';
import { LogAppendRequest } from '../../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { MAX_LEAF_BYTES } from '../../../enclave/wire/tlog.ts';
import { JournalDamaged, JournalSegment, type SegmentBase } from './journal-segment.ts';
import { LogDiskFailed, LogDiskFull, isFull, type LogFile, type LogFiles } from './log-files.ts';

/** A file of the journal has this length, and is left for a new one when it is full: recovery reads at least one. */
export const SEGMENT_BYTES = 1024 * 1024;

const NAME = /^journal-\d{16}$/;

function segmentName(base: number): string {
  return `journal-${String(base).padStart(16, '0')}`;
}

/** A batch as the journal has it. */
export interface JournalBatch {
  readonly append: LogAppendRequest;
  /** The request as it came: a retry is the same bytes. */
  readonly payload: Uint8Array;
}

export interface RecoveredJournal {
  readonly journal: Journal;
  readonly batches: readonly JournalBatch[];
}

export class Journal {
  readonly #files: LogFiles;
  readonly #segmentBytes: number;
  /** Oldest first. */
  readonly #segments: JournalSegment[] = [];
  /** Whether the newest one holds a record. */
  #newestUsed = false;

  private constructor(files: LogFiles, segmentBytes: number) {
    this.#files = files;
    this.#segmentBytes = segmentBytes;
  }

  /**
   * Every whole record in order, durable. Rejects with JournalDamaged when one is missing or broken between others,
   * with LogDiskFailed, or with the error of the system.
   */
  static async recover(files: LogFiles, segmentBytes = SEGMENT_BYTES): Promise<RecoveredJournal> {
    const journal = new Journal(files, segmentBytes);
    const batches: JournalBatch[] = [];
    const names = (await files.list('.')).filter((name) => NAME.test(name)).sort();
    for (const name of names) {
      const end = endOf(batches);
      const recovered = await journal.#recoverSegment(name);
      if (recovered === undefined) {
        // The creation of a file is the last thing that a crash can have cut short.
        if (name !== names.at(-1)) throw new JournalDamaged();
        await files.remove(name);
        break;
      }
      const { segment, found } = recovered;
      if (end !== undefined && segment.base.size !== end) throw new JournalDamaged();
      if (segment.torn && name !== names.at(-1)) throw new JournalDamaged();
      batches.push(...found);
    }
    await journal.#segments.at(-1)?.settle();
    if (names.length > 0) await files.syncFolder('.');
    return { journal, batches };
  }

  async #recoverSegment(
    name: string,
  ): Promise<{ segment: JournalSegment; found: JournalBatch[] } | undefined> {
    const file = await this.#files.open(name);
    if (file === undefined) throw new JournalDamaged();
    const found: JournalBatch[] = [];
    const segment = await JournalSegment.recover(file, (payload) => {
      found.push({ append: decoded(payload), payload });
    });
    if (segment === undefined) {
      await file.close();
      return undefined;
    }
    this.#segments.push(segment);
    this.#newestUsed = found.length > 0;
    if (segmentName(segment.base.size) !== name) throw new JournalDamaged();
    let size = segment.base.size;
    for (const { append } of found) {
      if (Number(append.firstIndex) !== size || append.leaves.length === 0)
        throw new JournalDamaged();
      size += append.leaves.length;
    }
    return { segment, found };
  }

  /** The tree before the oldest record; undefined for a journal without files. */
  get base(): SegmentBase | undefined {
    return this.#segments[0]?.base;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Resolves when the record is durable. `before` tells the tree that it is appended to. Rejects with LogDiskFull
   * or LogDiskFailed. One at a time.
   */
  async append(payload: Uint8Array, before: () => Promise<SegmentBase>): Promise<void> {
    let segment = this.#segments.at(-1);
    if (segment === undefined || (segment.bytes >= this.#segmentBytes && this.#newestUsed)) {
      // Without room for a new file the one in use serves on.
      segment = (await this.#begin(await before())) ?? segment;
      if (segment === undefined) throw new LogDiskFull();
    }
    await segment.append(payload);
    this.#newestUsed = true;
  }

  /** All leaves below `size` are in durable tiles. Rejects with LogDiskFailed. */
  async release(size: number): Promise<void> {
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || next === undefined || next.base.size > size) return;
      // The last batch and its edge must stay.
      if (this.#segments.length === 2 && !this.#newestUsed) return;
      try {
        await this.#files.remove(segmentName(oldest.base.size));
        this.#segments.shift();
        await oldest.close();
        await this.#files.syncFolder('.');
      } catch (error) {
        throw new LogDiskFailed(error);
      }
    }
  }

  async close(): Promise<void> {
    for (const segment of this.#segments) await segment.close();
  }

  /** Undefined when there is no room. */
  async #begin(base: SegmentBase): Promise<JournalSegment | undefined> {
    // A disk that is nearly full has perhaps no room for a whole one, and for some batches still.
    return (await this.#create(base, this.#segmentBytes)) ?? this.#create(base, 0);
  }

  async #create(base: SegmentBase, bytes: number): Promise<JournalSegment | undefined> {
    const name = segmentName(base.size);
    let file: LogFile;
    try {
      file = await this.#files.create(name);
    } catch (error) {
      if (isFull(error)) return undefined;
      throw new LogDiskFailed(error);
    }
    try {
      const segment = await JournalSegment.create(file, base, bytes);
      await this.#files.syncFolder('.');
      this.#segments.push(segment);
      this.#newestUsed = false;
      return segment;
    } catch (error) {
      await this.#abandon(name, file);
      if (error instanceof LogDiskFull) return undefined;
      throw error instanceof LogDiskFailed ? error : new LogDiskFailed(error);
    }
  }

  /** A later file must not find a broken one before it. */
  async #abandon(name: string, file: LogFile): Promise<void> {
    try {
      await file.close();
      await this.#files.remove(name);
      await this.#files.syncFolder('.');
    } catch (error) {
      throw new LogDiskFailed(error);
    }
  }
}

/** Only what was checked at its append is ever written. */
function decoded(payload: Uint8Array): LogAppendRequest {
  let append: LogAppendRequest;
  try {
    append = decodeMessage((input) => LogAppendRequest.decode(input), payload);
  } catch {
    throw new JournalDamaged();
  }
  if (append.leaves.some(({ byteLength }) => byteLength > MAX_LEAF_BYTES)) {
    throw new JournalDamaged();
  }
  return append;
}

/** Leaves of the log after the last batch; undefined before the first. */
function endOf(batches: readonly JournalBatch[]): number | undefined {
  const last = batches.at(-1)?.append;
  return last === undefined ? undefined : Number(last.firstIndex) + last.leaves.length;
}
