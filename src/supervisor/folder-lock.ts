/**
 * One supervisor per state folder. Node has no flock, so the lock is an exclusive transaction of SQLite:
 * the kernel frees it when its process ends, however it ends.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readConnection } from './connection-file.ts';
import { SupervisorProblem } from './problem.ts';

export interface FolderLock {
  release(): void;
}

/** Throws SupervisorProblem when another process has it. */
export function lockFolder(folder: string, name: string): FolderLock {
  const database = new DatabaseSync(join(folder, name));
  try {
    // Nothing is ever written, so there is no journal to leave behind.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!String(error).includes('database is locked')) throw error;
    throw new SupervisorProblem(
      'running',
      `${holder(folder)} already runs on ${folder}`,
      'use that one, stop it, or name another folder with --state',
    );
  }
  return {
    release: () => {
      database.close();
    },
  };
}

function holder(folder: string): string {
  try {
    const connection = readConnection(folder);
    if (connection !== undefined) return `a service (process ${String(connection.pid)})`;
  } catch {
    // An undecodable file names nobody.
  }
  return 'a service';
}
