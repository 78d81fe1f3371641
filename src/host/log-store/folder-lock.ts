/**
 * One host per log folder: two of them would write one journal. Node has no flock, so the lock is an exclusive
 * transaction of SQLite; the kernel frees it when its process ends, however it ends.
 */
import { truncateSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Another process has the folder. */
export class LogFolderInUse extends Error {
  override readonly name = 'LogFolderInUse';
}

export interface FolderLock {
  release(): void;
}

/** Throws LogFolderInUse, or the error of SQLite. Blocks, but only at the start and only for a moment. */
export function lockFile(path: string): FolderLock {
  const database = new DatabaseSync(path);
  try {
    take(database, path);
  } catch (error) {
    database.close();
    if (String(error).includes('database is locked')) throw new LogFolderInUse();
    throw error;
  }
  return {
    release: () => {
      database.close();
    },
  };
}

/** Nothing is ever written, so there is no journal to leave behind, and whatever stands in the file is damage. */
function take(database: DatabaseSync, path: string): void {
  const sql = 'PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE';
  try {
    database.exec(sql);
  } catch (error) {
    // Nobody holds it, or it would be locked.
    if (!String(error).includes('not a database')) throw error;
    truncateSync(path);
    database.exec(sql);
  }
}
