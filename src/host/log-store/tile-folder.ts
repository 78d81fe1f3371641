/**
 * Full tiles and full bundles on the disk, under the paths of c2sp.org/tlog-tiles. Written durably under another
 * name, then renamed: what stands under its own name is whole, and is never written again.
 */
import { dirname } from 'node:path';
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import { LogDamaged } from './log-damage.ts';
import { LogDiskFailed, LogDiskFull, isFull, writeFully, type LogFiles } from './log-files.ts';

/** Where files are written before they get their names. What a crash leaves there is nobody's. */
const NEW_FOLDER = 'new';

export interface TileFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export class TileFolder {
  readonly #files: LogFiles;
  /** Folders that surely exist: one for each thousand tiles. */
  readonly #folders = new Set<string>(['.']);
  #lastNumber = 0;

  constructor(files: LogFiles) {
    this.#files = files;
  }

  /** Removes what a crash left half-written. Rejects with the error of the system. */
  async clean(): Promise<void> {
    for (const name of await this.#files.list(NEW_FOLDER)) {
      await this.#files.remove(`${NEW_FOLDER}/${name}`);
    }
  }

  /** Undefined when there is none. Rejects with the error of the system. */
  read(path: string): Promise<Uint8Array | undefined> {
    return this.#files.read(path);
  }

  /** Whether any tile was ever written here. */
  async isEmpty(): Promise<boolean> {
    return (await this.#files.list('tile')).length === 0;
  }

  /**
   * Resolves when all are durable under their names. Files that a crash left complete are kept. Rejects with
   * LogDiskFull, LogDiskFailed, or LogDamaged when another file is there already.
   */
  async write(files: readonly TileFile[]): Promise<void> {
    const written: { from: string; to: string }[] = [];
    try {
      for (const { path, bytes } of files) {
        const found = await this.#files.read(path);
        if (found === undefined) written.push({ from: await this.#writeNew(bytes), to: path });
        else if (!equalBytes(found, bytes))
          throw new LogDamaged({ where: path, what: 'wrong-hash' });
      }
      for (const { to } of written) await this.#ensureFolder(dirname(to));
      for (const { from, to } of written) await this.#files.rename(from, to);
      for (const folder of new Set(files.map(({ path }) => dirname(path)))) {
        await this.#files.syncFolder(folder);
      }
    } catch (error) {
      if (error instanceof LogDamaged) throw error;
      if (!isFull(error)) throw new LogDiskFailed(error);
      await this.#discard(written.map(({ from }) => from));
      throw new LogDiskFull();
    }
  }

  /** A full disk must not stay full because of what it had no room for. */
  async #discard(paths: readonly string[]): Promise<void> {
    try {
      for (const path of paths) await this.#files.remove(path);
    } catch (error) {
      throw new LogDiskFailed(error);
    }
  }

  async #writeNew(bytes: Uint8Array): Promise<string> {
    await this.#ensureFolder(NEW_FOLDER);
    this.#lastNumber += 1;
    const path = `${NEW_FOLDER}/${String(this.#lastNumber)}`;
    const file = await this.#files.create(path);
    try {
      await writeFully(file, bytes, 0);
      await file.datasync();
    } catch (error) {
      await file.close();
      await this.#files.remove(path);
      throw error;
    }
    await file.close();
    return path;
  }

  /** Makes it and every folder above it, durably. */
  async #ensureFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    const parent = dirname(folder);
    await this.#ensureFolder(parent);
    await this.#files.makeFolder(folder);
    // Also when it was there: its maker may have been killed before its name was durable.
    await this.#files.syncFolder(parent);
    this.#folders.add(folder);
  }
}
