/**
 * The checkpoint that readers get: the newest that the enclave handed over, once the tree here gives its root. It is
 * signed, so a file keeps it over restarts; a lost one costs nothing, because the next batch brings the next one.
 */
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import {
  decodeText,
  parseCheckpoint,
  parseNote,
  type Checkpoint,
} from '../../../enclave/wire/tlog-note.ts';
import { TlogError } from '../../../enclave/wire/tlog.ts';
import type { LogCopy } from './log-copy.ts';
import { LogDamaged } from './log-damage.ts';
import { writeFully, type LogFiles } from './log-files.ts';

const NAME = 'checkpoint';
/** One write for all checkpoints of this time: under load there are hundreds a second. */
const WRITE_AFTER_MS = 250;

export interface KnownCheckpoint extends Checkpoint {
  /** The signed note. */
  readonly note: string;
}

/** Undefined for text that is no checkpoint. Its signature is for readers to check. */
function parsed(note: string): KnownCheckpoint | undefined {
  try {
    return { note, ...parseCheckpoint(parseNote(note).text) };
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}

export class ServedCheckpoint {
  readonly #files: LogFiles;
  readonly #copy: LogCopy;
  #newest: KnownCheckpoint | undefined;
  /** The newest one whose root the tree here gave. */
  #proven: KnownCheckpoint | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(files: LogFiles, copy: LogCopy) {
    this.#files = files;
    this.#copy = copy;
  }

  /**
   * Looks for the checkpoint of an earlier process. Rejects with the error of the system, and with LogDamaged when it
   * covers more leaves than are here: it was signed after they were acknowledged.
   */
  async recall(): Promise<void> {
    const bytes = await this.#files.read(NAME);
    if (bytes === undefined) return;
    let note: string;
    try {
      note = decodeText(bytes);
    } catch {
      return;
    }
    const checkpoint = parsed(note);
    if (checkpoint === undefined) return;
    if (checkpoint.size > this.#copy.size) {
      throw new LogDamaged({ where: 'journal', what: 'missing' });
    }
    this.#newest = checkpoint;
  }

  /** False for what is no checkpoint of the log's durable leaves. */
  take(note: string): boolean {
    const checkpoint = parsed(note);
    if (checkpoint === undefined || checkpoint.size > this.#copy.size) return false;
    // Handed over out of turn: readers never see a smaller tree than before.
    if (checkpoint.size < (this.#newest?.size ?? 0) || note === this.#newest?.note) return true;
    this.#newest = checkpoint;
    this.#timer ??= setTimeout(() => {
      this.#write();
    }, WRITE_AFTER_MS).unref();
    return true;
  }

  /** Undefined before the first. Rejects with LogDamaged when the tree here is not the one that was signed. */
  async current(): Promise<KnownCheckpoint | undefined> {
    const newest = this.#newest;
    if (newest === undefined || newest === this.#proven) return newest;
    const root = await this.#copy.rootHash(newest.size);
    if (!equalBytes(root, newest.rootHash)) throw notOurTree();
    if (newest.size >= (this.#proven?.size ?? 0)) this.#proven = newest;
    return newest;
  }

  /** Ends when the newest one is in its file, if the disk takes it. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const note = this.#newest?.note ?? '';
    // No fsync, and no word of failure: without this file readers wait for the next batch.
    this.#writing = this.#writing.then(() => this.#replace(note)).catch(() => undefined);
  }

  async #replace(note: string): Promise<void> {
    const path = `${NAME}.new`;
    const file = await this.#files.create(path);
    try {
      await writeFully(file, Buffer.from(note), 0);
    } finally {
      await file.close();
    }
    await this.#files.rename(path, NAME);
  }
}

function notOurTree(): LogDamaged {
  return new LogDamaged({ where: NAME, what: 'wrong-hash' });
}
