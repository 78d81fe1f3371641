/**
 * The file operations of the log's storage, so that tests can make the n-th of them fail. All are asynchronous:
 * the host's event loop never waits for the disk. Paths are relative to the log's folder.
 */
import { mkdir, open, readdir, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

export interface LogFile {
  /** Resolves with the bytes read, which may be fewer. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Resolves with the bytes written, which may be fewer. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** Every one rejects with the error of the system. */
export interface LogFiles {
  /** For reading and writing; undefined when there is none. */
  open(path: string): Promise<LogFile | undefined>;
  /** A new file; what was under this name is emptied. */
  create(path: string): Promise<LogFile>;
  /** The whole file; undefined when there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Its parent must exist. False when it was there already. */
  makeFolder(path: string): Promise<boolean>;
  /** Names in a folder; none when there is no such folder. */
  list(path: string): Promise<string[]>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
}

/** The disk refused space; what was written of it is gone again, and the same bytes may be tried later. */
export class LogDiskFull extends Error {
  override readonly name = 'LogDiskFull';
}

/** The disk failed: what is on it is unknown, so nothing more is written by this process. */
export class LogDiskFailed extends Error {
  override readonly name = 'LogDiskFailed';
  /** Of the error of the system. */
  readonly code: string;
  constructor(cause: unknown) {
    super();
    this.code = codeOf(cause);
  }
}

const FULL_CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'UNKNOWN';
}

export function isFull(error: unknown): boolean {
  return FULL_CODES.has(codeOf(error));
}

/** Rejects with the error of the system; a disk that takes nothing and says nothing counts as full. */
export async function writeFully(file: LogFile, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) {
    const count = await file.write(bytes.subarray(written), at + written);
    if (count === 0) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
    written += count;
  }
}

export async function readFully(file: LogFile, into: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < into.byteLength;) {
    const count = await file.read(into.subarray(done), at + done);
    if (count === 0) throw Object.assign(new Error('short read'), { code: 'EIO' });
    done += count;
  }
}

async function unlessMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function logFile(handle: FileHandle): LogFile {
  return {
    read: async (into, position) =>
      (await handle.read(into, 0, into.byteLength, position)).bytesRead,
    write: async (bytes, position) =>
      (await handle.write(bytes, 0, bytes.byteLength, position)).bytesWritten,
    datasync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}

/** The files below a real folder. Readable by their owner only: readers come through the host. */
export function diskLogFiles(folder: string): LogFiles {
  const at = (path: string): string => join(folder, path);
  return {
    open: async (path) => {
      const handle = await unlessMissing(open(at(path), 'r+'));
      return handle === undefined ? undefined : logFile(handle);
    },
    create: async (path) => logFile(await open(at(path), 'w+', 0o600)),
    read: (path) => unlessMissing(readFile(at(path))),
    rename: (from, to) => rename(at(from), at(to)),
    remove: (path) => rm(at(path), { force: true }),
    makeFolder: async (path) => {
      try {
        await mkdir(at(path), { mode: 0o700 });
        return true;
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      }
    },
    list: async (path) => (await unlessMissing(readdir(at(path)))) ?? [],
    syncFolder: async (path) => {
      const handle = await open(at(path), 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}
