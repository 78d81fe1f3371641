/**
 * One host per log folder: two of them would write one journal. Node has no flock, so the lock is an exclusive
 * transaction of SQLite; the kernel frees it when its process ends, however it ends.
 */
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
    // Nothing is ever written, so there is no journal to leave behind.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
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
