/**
 * Loaded into a host before it starts: its log's disk fails as long as a file says so. The file named by
 * SEALWRIGHT_TEST_DISK holds `full`, `short` or `broken`; without it the disk is well. Only the log is written
 * through file handles; the store has SQLite.
 */
import { existsSync, readFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

const switchFile = process.env['SEALWRIGHT_TEST_DISK'] ?? '';

function fault(): string {
  return existsSync(switchFile) ? readFileSync(switchFile, 'utf8').trim() : '';
}

const systemError = (code: string): Error => Object.assign(new Error(code), { code });

type Write = (
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<unknown>;

const probe = await open(process.execPath);
const prototype = Object.getPrototypeOf(probe) as FileHandle;
await probe.close();
// The methods are called with the handle that they belong to.
const write = Reflect.get<object, string>(prototype, 'write') as Write;
const datasync = Reflect.get<object, string>(prototype, 'datasync') as () => Promise<void>;
let afterShort = false;

const faultyWrite: Write = function faultyWrite(this: FileHandle, bytes, offset, length, position) {
  const kind = fault();
  if (kind === 'full' || (kind === 'short' && afterShort)) {
    afterShort = false;
    return Promise.reject(systemError('ENOSPC'));
  }
  afterShort = kind === 'short';
  const part = afterShort ? Math.ceil(length / 2) : length;
  return write.call(this, bytes, offset, part, position);
};

Object.assign(prototype, {
  write: faultyWrite,
  datasync(this: FileHandle): Promise<void> {
    return fault() === 'broken' ? Promise.reject(systemError('EIO')) : datasync.call(this);
  },
});
