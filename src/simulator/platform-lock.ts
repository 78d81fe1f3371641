/**
 * One platform per state folder. Node has no flock, so the lock is an exclusive transaction of SQLite: the
 * kernel frees it when its process ends, however it ends.
 */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

/** Another platform works on this state folder. */
export class StateLockedError extends Error {
  override readonly name = 'StateLockedError';
}

/** Takes the lock until this process ends. Throws StateLockedError when another process has it. */
export function lockState(folder: string): DatabaseSync {
  const path = join(folder, 'lock.sqlite');
  const database = new DatabaseSync(path);
  try {
    take(database, path);
  } catch (error) {
    database.close();
    if (String(error).includes('database is locked')) {
      throw new StateLockedError(
        `another Sealwright platform is running on ${folder}; stop it, or use another state folder`,
      );
    }
    throw error;
  }
  return database;
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

const RECORD = 'enclave.json';

/**
 * Start time of a running process in clock ticks (proc(5), field 22): a number that was used again differs
 * by it. A zombie runs no more, and in a container nobody may ever collect it.
 */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    // The name in parentheses may hold anything, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Remembers the enclave that was started. */
export function recordEnclave(folder: string, pid: number): void {
  writeFileSync(join(folder, RECORD), JSON.stringify({ pid, startTicks: startTicks(pid) }), {
    mode: 0o600,
  });
}

export function forgetEnclave(folder: string): void {
  rmSync(join(folder, RECORD), { force: true });
}

/** Ends a process that leads its own group, and what it started: its HSM workers. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}

const OWN_END_MS = 2_000;

/**
 * A platform that was killed leaves an enclave that ends by itself when its channel closes. Two enclaves
 * must never work on one state, so this waits for it, and ends it when it hangs.
 */
export async function endOrphan(folder: string): Promise<void> {
  let record: { pid?: unknown; startTicks?: unknown };
  try {
    record = JSON.parse(readFileSync(join(folder, RECORD), 'utf8')) as typeof record;
  } catch {
    return;
  }
  const { pid, startTicks: ticks } = record;
  if (typeof pid !== 'number' || typeof ticks !== 'string') return;
  const alive = (): boolean => startTicks(pid) === ticks;
  for (let waited = 0; alive(); waited += 20) {
    if (waited === OWN_END_MS) killGroup(pid);
    await sleep(20);
  }
  forgetEnclave(folder);
}
