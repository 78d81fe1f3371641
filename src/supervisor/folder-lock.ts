/**
 * One supervisor per state folder. Node has no flock, so the lock is an exclusive transaction of SQLite:
 * the kernel frees it when its process ends, however it ends.
 */
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readConnection } from './connection-file.ts';
import { SupervisorProblem } from './problem.ts';

export interface FolderLock {
  release(): void;
}

/** Throws SupervisorProblem when another process has it. */
export function lockFolder(folder: string, name: string): FolderLock {
  const path = join(folder, name);
  const database = new DatabaseSync(path);
  try {
    take(database, path);
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

function holder(folder: string): string {
  try {
    const connection = readConnection(folder);
    if (connection !== undefined) return `a service (process ${String(connection.pid)})`;
  } catch {
    // An undecodable file names nobody.
  }
  return 'a service';
}
