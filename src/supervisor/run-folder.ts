/**
 * A short private folder for Unix sockets. State folders may lie deep, and the kernel refuses socket
 * paths of more than 107 bytes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const PREFIX = 'sealwright-';
const MAX_SOCKET_PATH_BYTES = 107;
/** The longest name that is put into it, with its slash. */
const LONGEST_NAME_BYTES = 24;

export function makeRunFolder(): string {
  // mkdtemp adds six characters and makes the folder 0700.
  const wanted = join(tmpdir(), PREFIX);
  const fits = Buffer.byteLength(wanted) + 6 + LONGEST_NAME_BYTES <= MAX_SOCKET_PATH_BYTES;
  return mkdtempSync(fits ? wanted : join('/tmp', PREFIX));
}

/** Removes a folder that `makeRunFolder` made, now or in a life that was cut off; nothing else. */
export function removeRunFolder(folder: string): void {
  if (!/^sealwright-\w{6}$/.test(basename(folder))) return;
  rmSync(folder, { recursive: true, force: true });
}
