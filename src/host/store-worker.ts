/** The store's thread: takes one request after the other, so that the host's event loop never waits for a disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { ForeignFile, StoreDatabase } from './store-database.ts';
import type {
  FromStoreWorker,
  StoreTrouble,
  StoreWorkerData,
  ToStoreWorker,
} from './store-messages.ts';

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const BUSY = 5;
const IO_ERROR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;

const { file, lockWaitMs } = workerData as StoreWorkerData;
if (parentPort === null) throw new Error('not started as a worker thread');
const port = parentPort;

let database: StoreDatabase | undefined;

function post(message: FromStoreWorker): void {
  port.postMessage(message);
}

/** The name of an error and what it means for the file; undefined when the file is as it was. */
function troubleOf(error: unknown): StoreTrouble | undefined {
  if (error instanceof ForeignFile) return { kind: 'damaged', code: 'FOREIGN_FILE' };
  const { errcode, code } = error as { readonly errcode?: unknown; readonly code?: unknown };
  if (typeof errcode !== 'number') {
    // From opening the file itself: ENOENT, EACCES, EISDIR …
    return { kind: 'unreachable', code: typeof code === 'string' ? code : 'UNKNOWN' };
  }
  const name = `SQLITE_${String(errcode)}`;
  switch (errcode & 0xff) {
    case BUSY:
      return { kind: 'locked', code: name };
    case CORRUPT:
    case NOT_A_DATABASE:
      return { kind: 'damaged', code: name };
    case CANNOT_OPEN:
      return { kind: 'unreachable', code: name };
    // A full disk loses nothing: the transaction is rolled back and may be tried again.
    case FULL:
      return undefined;
    // After a failed fsync the next one succeeds although the pages are gone, so no further one is believed.
    case IO_ERROR:
    default:
      return { kind: 'failed', code: name };
  }
}

function open(): void {
  try {
    database = new StoreDatabase(file, lockWaitMs);
    post({ type: 'opened', records: database.count() });
  } catch (error) {
    close();
    post({
      type: 'trouble',
      trouble: troubleOf(error) ?? { kind: 'unreachable', code: 'SQLITE_13' },
    });
  }
}

function close(): void {
  try {
    database?.close();
  } catch {
    // A damaged file may not close cleanly; the process ends soon, and the lock with it.
  }
  database = undefined;
}

port.on('message', (message: ToStoreWorker) => {
  if ('close' in message) {
    close();
    port.close();
    return;
  }
  const { id, operation, request } = message;
  try {
    if (database === undefined) throw new Refusal('STORE_UNAVAILABLE');
    post({ type: 'answer', id, answer: database[operation](request) });
  } catch (error) {
    if (error instanceof Refusal) {
      post({ type: 'refusal', id, reason: error.reason, details: error.details });
      return;
    }
    const trouble = troubleOf(error);
    if (trouble !== undefined) {
      close();
      post({ type: 'trouble', trouble });
    }
    post({ type: 'refusal', id, reason: 'STORE_UNAVAILABLE', details: {} });
  }
});

open();
