/**
 * One file of the journal. Header: magic[8] ‖ u64 first leaf ‖ root hash[32] of the tree before it ‖ u32 CRC-32 of
 * these. Then one record a batch: magic[4] ‖ u32 length ‖ u32 CRC-32 of payload ‖ payload. Numbers are big-endian.
 * Zeros behind the last record are room for more.
 */
import { crc32 } from 'node:zlib';
import { concatBytes, equalBytes, u32, u64 } from '../../../enclave/wire/bytes.ts';
import { MAX_FRAME_BYTES } from '../../../enclave/wire/limits.ts';
import { HASH_BYTES } from '../../../enclave/wire/tlog.ts';
import {
  LogDiskFailed,
  LogDiskFull,
  isFull,
  readFully,
  writeFully,
  type LogFile,
} from './log-files.ts';

const FILE_MAGIC = Buffer.from('SWlog\0\0\x01', 'latin1');
const RECORD_MAGIC = Buffer.from('SWrc', 'latin1');
const RECORD_HEADER_BYTES = RECORD_MAGIC.byteLength + 8;
const CRC_BYTES = 4;
const FILE_HEADER_BYTES = FILE_MAGIC.byteLength + 8 + HASH_BYTES + CRC_BYTES;

/** The tree before a segment's first leaf: what the tiles on the disk must give again. */
export interface SegmentBase {
  readonly size: number;
  readonly rootHash: Uint8Array;
}

/** Whole records stand behind one that is broken: no torn write, somebody or something changed the file. */
export class JournalDamaged extends Error {
  override readonly name = 'JournalDamaged';
}

export class JournalSegment {
  readonly base: SegmentBase;
  readonly #file: LogFile;
  #end: number;
  #failure: LogDiskFailed | undefined;
  /** Something else than zeros stands behind the last whole record: a torn write. */
  #torn: boolean;

  private constructor(base: SegmentBase, file: LogFile, end: number, torn: boolean) {
    this.base = base;
    this.#file = file;
    this.#end = end;
    this.#torn = torn;
  }

  /**
   * Writes a new file of that many bytes, or of its header. An append into room that is there already changes no
   * length, so that its fdatasync is one write of the disk and not two. Rejects with LogDiskFull or LogDiskFailed.
   */
  static async create(file: LogFile, base: SegmentBase, bytes: number): Promise<JournalSegment> {
    const room = new Uint8Array(Math.max(bytes, FILE_HEADER_BYTES));
    room.set(encodeHeader(base));
    try {
      await writeFully(file, room, 0);
    } catch (error) {
      throw isFull(error) ? new LogDiskFull() : new LogDiskFailed(error);
    }
    const segment = new JournalSegment(base, file, FILE_HEADER_BYTES, false);
    await segment.#sync();
    return segment;
  }

  /**
   * Gives every whole record in order. A record that is torn is not there. Undefined for a file whose creation was
   * cut short. Rejects with JournalDamaged, or with the error of the system.
   */
  static async recover(
    file: LogFile,
    take: (payload: Uint8Array) => void,
  ): Promise<JournalSegment | undefined> {
    // A few times 4 MiB, once: a journal that isn't read in one piece can't be searched for what stands behind.
    const bytes = Buffer.alloc(await file.size());
    await readFully(file, bytes, 0);
    const base = decodeHeader(bytes);
    if (base === undefined) {
      if (wholeRecordBehind(bytes, 0)) throw new JournalDamaged();
      return undefined;
    }
    let end = FILE_HEADER_BYTES;
    for (;;) {
      const payload = recordAt(bytes, end);
      if (payload === undefined) break;
      take(payload);
      end += RECORD_HEADER_BYTES + payload.byteLength;
    }
    if (wholeRecordBehind(bytes, end)) throw new JournalDamaged();
    const rest = bytes.subarray(end);
    return new JournalSegment(base, file, end, !rest.equals(Buffer.alloc(rest.byteLength)));
  }

  /** Length of all whole records, with the header. */
  get bytes(): number {
    return this.#end;
  }

  get torn(): boolean {
    return this.#torn;
  }

  /** Resolves when the record is durable. Rejects with LogDiskFull or LogDiskFailed. One at a time. */
  async append(payload: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const header = [RECORD_MAGIC, u32(payload.byteLength), u32(crc32(payload))];
    const record = concatBytes(...header, payload);
    if (this.#torn) await this.#cut();
    await this.#write(record);
    await this.#sync();
    this.#end += record.byteLength;
  }

  /**
   * After recovery, before anything is said of it: a torn record goes, and what is whole becomes durable, because
   * a process that was killed may not have waited for the disk. Rejects with LogDiskFailed.
   */
  async settle(): Promise<void> {
    if (this.#torn) await this.#cut();
    else await this.#sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #write(record: Uint8Array): Promise<void> {
    try {
      await writeFully(this.#file, record, this.#end);
    } catch (error) {
      // A part of the record may stand there: it must not be taken for a torn tail of a later one.
      this.#torn = true;
      if (!isFull(error)) throw this.#fail(error);
      await this.#cut();
      throw new LogDiskFull();
    }
  }

  async #cut(): Promise<void> {
    try {
      await this.#file.truncate(this.#end);
    } catch (error) {
      throw this.#fail(error);
    }
    await this.#sync();
    this.#torn = false;
  }

  /** After a failed fsync the next one succeeds although the pages are gone: no further one is believed. */
  async #sync(): Promise<void> {
    try {
      await this.#file.datasync();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): LogDiskFailed {
    this.#failure = new LogDiskFailed(error);
    return this.#failure;
  }
}

function encodeHeader({ size, rootHash }: SegmentBase): Uint8Array {
  const header = concatBytes(FILE_MAGIC, u64(BigInt(size)), rootHash);
  return concatBytes(header, u32(crc32(header)));
}

function decodeHeader(bytes: Buffer): SegmentBase | undefined {
  if (bytes.byteLength < FILE_HEADER_BYTES) return undefined;
  const header = bytes.subarray(0, FILE_HEADER_BYTES - CRC_BYTES);
  if (!equalBytes(header.subarray(0, FILE_MAGIC.byteLength), FILE_MAGIC)) return undefined;
  if (bytes.readUInt32BE(header.byteLength) !== crc32(header)) return undefined;
  return {
    size: Number(bytes.readBigUInt64BE(FILE_MAGIC.byteLength)),
    rootHash: Uint8Array.from(header.subarray(-HASH_BYTES)),
  };
}

/** A view on the payload of the record that begins here; undefined when none does. */
function recordAt(bytes: Buffer, at: number): Uint8Array | undefined {
  const start = at + RECORD_HEADER_BYTES;
  if (start > bytes.byteLength) return undefined;
  if (!RECORD_MAGIC.equals(bytes.subarray(at, at + RECORD_MAGIC.byteLength))) return undefined;
  const length = bytes.readUInt32BE(at + RECORD_MAGIC.byteLength);
  if (length === 0 || length > MAX_FRAME_BYTES || start + length > bytes.byteLength) {
    return undefined;
  }
  const payload = bytes.subarray(start, start + length);
  return crc32(payload) === bytes.readUInt32BE(start - CRC_BYTES) ? payload : undefined;
}

/** One append is in flight, so a torn one is the last thing in the file. */
function wholeRecordBehind(bytes: Buffer, begin: number): boolean {
  for (
    let at = bytes.indexOf(RECORD_MAGIC, begin);
    at >= 0;
    at = bytes.indexOf(RECORD_MAGIC, at + 1)
  ) {
    if (recordAt(bytes, at) !== undefined) return true;
  }
  return false;
}
