/**
 * The store's file. Runs on the store's own thread, because node:sqlite blocks its caller. It keeps opaque
 * bytes: what they mean, and whether they are the right ones, only the enclave can tell.
 *
 * WAL with synchronous=FULL: a commit is one append and one fsync of the log, where a rollback journal needs
 * three or four. Exclusive locking keeps a second host out for as long as this one lives, and the kernel
 * gives the lock back when it is killed.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Refusal } from '../../enclave/wire/error-code.ts';
import {
  StoreGetRequest,
  StoreGetResponse,
  StoreListRequest,
  StoreListResponse,
  StorePutRequest,
  StorePutResponse,
  type StoreRecord,
} from '../../enclave/wire/gen/sealwright/enclave/v1/store.ts';
import { MAX_RECORD_BYTES, MAX_RESPONSE_BYTES, MAX_STORE_KEYS } from '../../enclave/wire/limits.ts';

/** "SWst": tells our file from another program's. */
const APPLICATION_ID = 0x53577374;
const SCHEMA_VERSION = 1;
const KEY = /^[a-z0-9./-]{1,200}$/;
const PREFIX = /^[a-z0-9./-]{0,200}$/;
/** Above every character that a key may have. */
const AFTER_EVERY_KEY = '~';
/** What one record costs in an answer besides key and value. */
const RECORD_OVERHEAD_BYTES = 16;

// rowid table on purpose: values reach 1 MiB, and a list reads the index of keys only.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;
  PRAGMA application_id = ${String(APPLICATION_ID)};
  PRAGMA user_version = ${String(SCHEMA_VERSION)};
`;

/** The file is a database of something else. */
export class ForeignFile extends Error {
  override readonly name = 'ForeignFile';
}

export class StoreDatabase {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #list: StatementSync;

  /** Opens or makes the file. Throws SQLite's errors and ForeignFile; then nothing is left open. */
  constructor(file: string, lockWaitMs: number) {
    // SQLite would make it readable by everybody; sealed records are nobody's business.
    closeSync(openSync(file, 'a', 0o600));
    this.#database = new DatabaseSync(file, { timeout: lockWaitMs });
    try {
      this.#prepare();
      this.#get = this.#database.prepare('SELECT value FROM records WHERE key = ?');
      this.#put = this.#database.prepare(
        'INSERT INTO records (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
      );
      this.#remove = this.#database.prepare('DELETE FROM records WHERE key = ?');
      this.#list = this.#database.prepare(
        'SELECT key FROM records WHERE key >= ? AND key < ? ORDER BY key',
      );
    } catch (error) {
      this.#database.close();
      throw error;
    }
    // The commits are durable only when the name of their file is.
    const folder = openSync(dirname(file), 'r');
    fsyncSync(folder);
    closeSync(folder);
  }

  #prepare(): void {
    this.#database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const id = this.#pragma('application_id');
    const version = this.#pragma('user_version');
    if (id !== 0 && id !== APPLICATION_ID) throw new ForeignFile();
    if (version > SCHEMA_VERSION) throw new ForeignFile();
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    // A write transaction takes the lock now, not at the first put.
    this.#database.exec(`BEGIN EXCLUSIVE; ${SCHEMA} COMMIT`);
  }

  #pragma(name: 'application_id' | 'user_version'): number {
    return Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name]);
  }

  /** Number of records. */
  count(): number {
    return Number(this.#database.prepare('SELECT count(*) AS n FROM records').get()?.['n']);
  }

  /** Answers StoreGetRequest. Throws Refusal for requests outside the limits. */
  get(request: Uint8Array): Uint8Array {
    const { keys } = decode(StoreGetRequest, request);
    if (keys.length > MAX_STORE_KEYS) throw new Refusal('REQUEST_MALFORMED', { field: 'keys' });
    keys.forEach(checkKey);
    const records: StoreRecord[] = [];
    let bytes = 0;
    for (const key of keys) {
      const value = this.#get.get(key)?.['value'];
      if (!(value instanceof Uint8Array)) continue;
      bytes += value.byteLength + key.length + RECORD_OVERHEAD_BYTES;
      // Asked before the next one is read: 1,024 records could be a gigabyte.
      if (bytes > MAX_RESPONSE_BYTES) throw tooLarge();
      records.push({ key, value });
    }
    return StoreGetResponse.encode({ records }).finish();
  }

  /** Answers StorePutRequest when the transaction is durable. */
  put(request: Uint8Array): Uint8Array {
    const { records, remove } = decode(StorePutRequest, request);
    for (const { key, value } of records) {
      checkKey(key);
      if (value.byteLength > MAX_RECORD_BYTES) {
        throw new Refusal('FRAME_TOO_LARGE', {
          limitBytes: String(MAX_RECORD_BYTES),
          field: 'records',
        });
      }
    }
    remove.forEach(checkKey);
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const { key, value } of records) this.#put.run(key, value);
      for (const key of remove) this.#remove.run(key);
      this.#database.exec('COMMIT');
    } catch (error) {
      // SQLite rolls back by itself after some errors; a second rollback would hide the first error.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
    return StorePutResponse.encode({}).finish();
  }

  /** Answers StoreListRequest. */
  list(request: Uint8Array): Uint8Array {
    const { prefix } = decode(StoreListRequest, request);
    if (!PREFIX.test(prefix)) throw new Refusal('REQUEST_MALFORMED', { field: 'prefix' });
    const keys: string[] = [];
    let bytes = 0;
    for (const row of this.#list.iterate(prefix, prefix + AFTER_EVERY_KEY)) {
      const key = String(row['key']);
      bytes += key.length + RECORD_OVERHEAD_BYTES;
      if (bytes > MAX_RESPONSE_BYTES) throw tooLarge();
      keys.push(key);
    }
    return StoreListResponse.encode({ keys }).finish();
  }

  close(): void {
    this.#database.close();
  }
}

function decode<T>(message: { decode: (bytes: Uint8Array) => T }, bytes: Uint8Array): T {
  try {
    return message.decode(bytes);
  } catch {
    throw new Refusal('REQUEST_MALFORMED');
  }
}

function checkKey(key: string): void {
  if (!KEY.test(key)) throw new Refusal('REQUEST_MALFORMED', { field: 'key' });
}

function tooLarge(): Refusal {
  return new Refusal('FRAME_TOO_LARGE', { limitBytes: String(MAX_RESPONSE_BYTES) });
}
