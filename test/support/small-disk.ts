/**
 * A real disk that gets really full: a small tmpfs, mounted in a mount namespace of its own, so that nothing stays
 * mounted and no root is needed where unprivileged namespaces are allowed. What uses it is started through `launcher`.
 */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Ways into a namespace where this process may mount, and into one that exists. */
interface Way {
  readonly make: readonly string[];
  readonly enter: readonly string[];
}

/** A user namespace maps one user only, and root's processes may be of several: so root does without. */
const WAYS: readonly Way[] = [
  { make: ['-m'], enter: ['-m'] },
  { make: ['-Urm'], enter: ['-U', '-m', '--preserve-credentials'] },
];
const PAGE_BYTES = 4096;

function problemOf({ make }: Way): string | undefined {
  const script = 'mount -t tmpfs tmpfs /mnt && nsenter --version';
  const tried = spawnSync('unshare', [...make, 'sh', '-c', script], { encoding: 'utf8' });
  return tried.status === 0 ? undefined : (tried.error?.message ?? tried.stderr.trim());
}

/** Why no tmpfs can be mounted here; undefined when it can. */
export function smallDiskIsMissing(): string | undefined {
  const problems = WAYS.map(problemOf);
  return problems.includes(undefined) ? undefined : problems.join('; ');
}

export class SmallDisk {
  readonly #holder: ChildProcessWithoutNullStreams;
  readonly #folder: string;
  readonly #enter: readonly string[];

  private constructor(holder: ChildProcessWithoutNullStreams, folder: string, { enter }: Way) {
    this.#holder = holder;
    this.#folder = folder;
    this.#enter = enter;
  }

  /** Mounts it over a folder that is there; only what is started through `launcher` sees it. */
  static async mount(folder: string, bytes: number): Promise<SmallDisk> {
    const way = WAYS.find((candidate) => problemOf(candidate) === undefined);
    if (way === undefined) throw new Error('no tmpfs can be mounted here');
    // The namespace lives as long as this process, whoever else is killed in it.
    const script = 'mount -t tmpfs -o "size=$2,mode=0700" tmpfs "$1" && echo mounted && read -r _';
    const holder = spawn('unshare', [
      ...way.make,
      ...['--propagation', 'private', 'sh', '-c', script, 'sh', folder, String(bytes)],
    ]);
    const mounted = once(holder.stdout, 'data').then(() => true);
    const ended = once(holder, 'exit').then(() => false);
    if (!(await Promise.race([mounted, ended]))) throw new Error(`no tmpfs over ${folder}`);
    return new SmallDisk(holder, folder, way);
  }

  /** What stands before a command that is to see the disk. */
  get launcher(): readonly string[] {
    return ['nsenter', '-t', String(this.#holder.pid), ...this.#enter];
  }

  /** The folder as this process reaches it. */
  get path(): string {
    return join(`/proc/${String(this.#holder.pid)}/root`, this.#folder);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Takes every page that is left. */
  fill(): void {
    const file = openSync(join(this.path, 'ballast'), 'a');
    const page = Buffer.alloc(PAGE_BYTES, 1);
    try {
      for (;;) writeSync(file, page);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Gives back what `fill` took. */
  free(): void {
    rmSync(join(this.path, 'ballast'), { force: true });
  }

  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin.end();
    await ended;
  }
}
