/** What tests remove of the folder for temporary files is put aside instead, so that it can be searched. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, sep } from 'node:path';
import process from 'node:process';
import { exchange } from './exchange.ts';

let kept = 0;

/** Folders go to `attic`, which is there and on the same disk. */
export function keepRemoved(attic: string): void {
  exchange(fs, 'rmSync', (real) => (path, options) => {
    const name = String(path);
    const isFolder = fs.statSync(name, { throwIfNoEntry: false })?.isDirectory() === true;
    if (options?.recursive === true && isFolder && isTemporary(name)) {
      kept += 1;
      const place = join(attic, `${String(process.pid)}-${String(kept)}-${basename(name)}`);
      fs.renameSync(name, place);
      forgetCopies(place, real);
    } else real(path, options);
  });
}

/** Folders for Unix sockets are named by hand, to be short. */
const isTemporary = (path: string): boolean =>
  [tmpdir() + sep, '/tmp/'].some((folder) => path.startsWith(folder));

/** The private copies of a launch are what was measured: Node alone has 120 MB. */
function forgetCopies(folder: string, remove: typeof fs.rmSync): void {
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const isCopy =
      entry.isDirectory() && entry.name === 'enclave' && basename(entry.parentPath) === 'platform';
    if (isCopy) remove(path, { recursive: true, force: true });
  }
}
