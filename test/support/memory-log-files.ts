/**
 * The files of the log in memory, as a disk keeps them: what was written is there for the next process, and after a
 * power cut only what was synced, under the names that were synced. Any operation can be made to fail.
 */
import type { LogFile, LogFiles } from '../../src/host/log-store/log-files.ts';

interface Inode {
  bytes: Buffer;
  durable: Buffer;
}

interface Folder {
  readonly names: Map<string, Inode>;
  readonly durable: Map<string, Inode>;
}

export type FaultKind = 'ENOSPC' | 'EIO' | 'short-write' | 'crash';

/** What goes wrong at operation number `at`, from 1. */
export interface Fault {
  readonly at: number;
  readonly kind: FaultKind;
}

/** The process ended here: nothing after it happens. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

const systemError = (code: string): Error => Object.assign(new Error(code), { code });

function split(path: string): { readonly folder: string; readonly name: string } {
  const slash = path.lastIndexOf('/');
  return slash < 0
    ? { folder: '.', name: path }
    : { folder: path.slice(0, slash), name: path.slice(slash + 1) };
}

export class MemoryLogFiles implements LogFiles {
  readonly #folders: Map<string, Folder>;
  readonly #fault: Fault | undefined;
  /** Operations so far: the last of a run without a fault is the last that a fault can be put at. */
  operations = 0;
  /** Whether the fault has happened. */
  faulted = false;
  #crashed = false;
  #full = false;

  constructor(folders = new Map<string, Folder>(), fault?: Fault) {
    this.#folders = folders;
    this.#fault = fault;
    if (!folders.has('.')) folders.set('.', { names: new Map(), durable: new Map() });
  }

  /** The same disk for the next process: nothing that was written is lost, synced or not. */
  afterKill(fault?: Fault): MemoryLogFiles {
    return new MemoryLogFiles(this.#folders, fault);
  }

  /** The disk after the power came back: everything that was not synced is gone. */
  afterPowerCut(fault?: Fault): MemoryLogFiles {
    const copies = new Map<Inode, Inode>();
    const survivor = (inode: Inode): Inode => {
      const copy = copies.get(inode) ?? { bytes: inode.durable, durable: inode.durable };
      copies.set(inode, copy);
      return copy;
    };
    const folders = new Map<string, Folder>();
    for (const [path, { durable }] of this.#folders) {
      const names = new Map([...durable].map(([name, inode]) => [name, survivor(inode)] as const));
      folders.set(path, { names, durable: new Map(names) });
    }
    return new MemoryLogFiles(folders, fault);
  }

  /** A copy in which one may change things. */
  copy(): MemoryLogFiles {
    const folders = new Map<string, Folder>();
    for (const [path, { names }] of this.#folders) {
      const copied = new Map(
        [...names].map(([name, { bytes }]) => [name, { bytes, durable: bytes }] as const),
      );
      folders.set(path, { names: copied, durable: new Map(copied) });
    }
    return new MemoryLogFiles(folders);
  }

  /** Paths of all files. */
  paths(): string[] {
    return [...this.#folders].flatMap(([folder, { names }]) =>
      [...names.keys()].map((name) => (folder === '.' ? name : `${folder}/${name}`)),
    );
  }

  /** Changes a file behind everybody's back; undefined deletes it. */
  put(path: string, bytes: Uint8Array | undefined): void {
    const { folder, name } = split(path);
    const { names, durable } = this.#folder(folder);
    const copy = bytes === undefined ? undefined : Buffer.from(bytes);
    for (const map of [names, durable]) {
      if (copy === undefined) map.delete(name);
      else map.set(name, { bytes: copy, durable: copy });
    }
  }

  /** The bytes of a file that must be there. */
  get(path: string): Buffer {
    const inode = this.#inode(path);
    if (inode === undefined) throw new Error(`no ${path}`);
    return inode.bytes;
  }

  async open(path: string): Promise<LogFile | undefined> {
    await this.#step();
    const inode = this.#inode(path);
    return inode === undefined ? undefined : this.#file(inode);
  }

  async create(path: string): Promise<LogFile> {
    await this.#step();
    const { folder, name } = split(path);
    const { names } = this.#folder(folder);
    const inode = names.get(name) ?? { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) };
    inode.bytes = Buffer.alloc(0);
    names.set(name, inode);
    return this.#file(inode);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    await this.#step();
    const inode = this.#inode(path);
    return inode === undefined ? undefined : Uint8Array.from(inode.bytes);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step();
    const inode = this.#inode(from);
    if (inode === undefined) throw systemError('ENOENT');
    const target = split(to);
    this.#folder(target.folder).names.set(target.name, inode);
    const source = split(from);
    this.#folder(source.folder).names.delete(source.name);
  }

  async remove(path: string): Promise<void> {
    await this.#step();
    const { folder, name } = split(path);
    this.#folders.get(folder)?.names.delete(name);
  }

  async makeFolder(path: string): Promise<boolean> {
    await this.#step();
    if (this.#folders.has(path)) return false;
    this.#folder(split(path).folder);
    this.#folders.set(path, { names: new Map(), durable: new Map() });
    return true;
  }

  async list(path: string): Promise<string[]> {
    await this.#step();
    const folder = this.#folders.get(path);
    if (folder === undefined) return [];
    const prefix = path === '.' ? '' : `${path}/`;
    const below = [...this.#folders.keys()]
      .filter((name) => name !== '.' && name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((name) => name !== '' && !name.includes('/'));
    return [...folder.names.keys(), ...below];
  }

  async syncFolder(path: string): Promise<void> {
    await this.#step();
    const { names, durable } = this.#folder(path);
    durable.clear();
    for (const [name, inode] of names) durable.set(name, inode);
  }

  #folder(path: string): Folder {
    const folder = this.#folders.get(path);
    if (folder === undefined) throw systemError('ENOENT');
    return folder;
  }

  #inode(path: string): Inode | undefined {
    const { folder, name } = split(path);
    return this.#folders.get(folder)?.names.get(name);
  }

  async #step(): Promise<FaultKind | undefined> {
    await Promise.resolve();
    if (this.#crashed) throw new Crash();
    this.operations += 1;
    if (this.#fault?.at !== this.operations) return undefined;
    const { kind } = this.#fault;
    this.faulted = true;
    if (kind === 'crash') {
      this.#crashed = true;
      throw new Crash();
    }
    if (kind === 'short-write') return kind;
    throw systemError(kind);
  }

  #file(inode: Inode): LogFile {
    const write = (bytes: Uint8Array, position: number): void => {
      const end = position + bytes.byteLength;
      const next = Buffer.alloc(Math.max(end, inode.bytes.byteLength));
      next.set(inode.bytes);
      next.set(bytes, position);
      inode.bytes = next;
    };
    return {
      read: async (into, position) => {
        await this.#step();
        const found = inode.bytes.subarray(position, position + into.byteLength);
        into.set(found);
        return found.byteLength;
      },
      write: async (bytes, position) => {
        if (this.#full) {
          this.#full = false;
          throw systemError('ENOSPC');
        }
        let fault: FaultKind | undefined;
        try {
          fault = await this.#step();
        } catch (error) {
          // A process that ends while it writes, and a disk that fails, have written a part.
          if (this.faulted) write(bytes.subarray(0, Math.floor(bytes.byteLength / 3)), position);
          throw error;
        }
        const length = fault === 'short-write' ? bytes.byteLength >> 1 : bytes.byteLength;
        // What follows a short write on a full disk.
        this.#full = fault === 'short-write';
        write(bytes.subarray(0, length), position);
        return length;
      },
      datasync: async () => {
        await this.#step();
        inode.durable = Buffer.from(inode.bytes);
      },
      truncate: async (length) => {
        await this.#step();
        inode.bytes = inode.bytes.subarray(0, length);
      },
      size: async () => {
        await this.#step();
        return inode.bytes.byteLength;
      },
      close: async () => {
        await Promise.resolve();
      },
    };
  }
}
