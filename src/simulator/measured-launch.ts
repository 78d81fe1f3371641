/**
 * Measures a launch: from the sources as they are (`npm run -s measure`), or by copying them into a
 * private folder and measuring the copies (the platform). One code path, so that the two cannot disagree
 * about what is measured.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { bundleFiles, launchFiles, type LaunchFile, type LaunchSources } from './launch-files.ts';
import {
  BASE_ENVIRONMENT,
  encodeLaunchManifest,
  NODE_FLAGS,
  SECURITY_VERSION,
} from './launch-manifest.ts';
import { LaunchError } from './library-closure.ts';
import { measure, type EntryKind, type FileDigests, type Registers } from './measurement.ts';

export interface MeasuredLaunch {
  readonly registers: Registers;
  readonly svn: number;
  /** Canonical bytes of the manifest that MR2 measures. */
  readonly launchManifest: Uint8Array;
  /** The complete environment of an HSM worker, with placeholders. */
  readonly moduleEnvironment: Readonly<Record<string, string>>;
  readonly bundles: FileDigests;
  readonly runtime: FileDigests;
}

/** SHA-384 of a file, in pieces: Node's binary is 126 MB. */
function digestFile(path: string): Uint8Array {
  const hash = createHash('sha384');
  const buffer = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(path, 'r');
  try {
    for (;;) {
      const length = readSync(fd, buffer, 0, buffer.byteLength, null);
      if (length === 0) return Uint8Array.from(hash.digest());
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Copies into the folder and hashes the copy: what was hashed is what will run. A copy of an earlier
 * launch stays when its fresh hash equals the source's fresh hash; sizes and times are not believed.
 */
function copyAndDigest(file: LaunchFile, folder: string): Uint8Array {
  const copy = join(folder, file.place);
  mkdirSync(dirname(copy), { recursive: true, mode: 0o700 });
  if (lstatSync(copy, { throwIfNoEntry: false })?.isFile() === true) {
    chmodSync(copy, 0o500);
    const kept = digestFile(copy);
    if (Buffer.compare(kept, digestFile(file.source)) === 0) return kept;
  }
  // Removed, never overwritten: an earlier enclave that is still ending keeps its own bytes.
  rmSync(copy, { recursive: true, force: true });
  copyFileSync(file.source, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  chmodSync(copy, 0o500);
  return digestFile(copy);
}

/** The loader takes whatever lies in the library folder, so nothing may lie there that was not measured. */
function removeOthers(folder: string, files: readonly LaunchFile[]): void {
  const known = new Set(files.map((file) => join(folder, file.place)));
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && !known.has(path)) rmSync(path);
  }
}

function digestAll(
  files: readonly LaunchFile[],
  digest: (file: LaunchFile) => Uint8Array,
): FileDigests {
  return Object.fromEntries(
    files.map((file) => {
      try {
        return [file.name, digest(file)];
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const hint = code === 'ENOENT' ? 'is missing; `npm run setup` builds the bundles' : message;
        throw new LaunchError(`${file.source}: ${hint}`);
      }
    }),
  );
}

function measureFiles(
  sources: LaunchSources,
  digest: (file: LaunchFile) => Uint8Array,
): MeasuredLaunch {
  // Bundles first: a missing one has the clearer message than a loader that finds no addon.
  const bundles = digestAll(bundleFiles(sources.entry, sources.bundles), digest);
  const files = launchFiles(sources);
  const runtime = digestAll(files.runtime, digest);
  const moduleEnvironment = { ...BASE_ENVIRONMENT, ...sources.settings.environment };
  const launchManifest = encodeLaunchManifest({
    svn: SECURITY_VERSION,
    entry: sources.entry,
    nodeFlags: NODE_FLAGS,
    workers: sources.workers,
    suite: sources.suite,
    moduleName: files.module.name,
    moduleDigest: digest(files.module),
    moduleOptions: sources.settings.options,
    moduleEnvironment,
  });
  const registers = measure({ entry: sources.entry, bundles, runtime, launchManifest });
  const svn = SECURITY_VERSION;
  return { registers, svn, launchManifest, moduleEnvironment, bundles, runtime };
}

/** The registers that a launch from these sources would have now. */
export function measureSources(sources: LaunchSources): MeasuredLaunch {
  return measureFiles(sources, (file) => digestFile(file.source));
}

/** Makes `folder` hold a copy of every file and nothing else, and measures the copies. */
export function measurePrivateCopy(sources: LaunchSources, folder: string): MeasuredLaunch {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const copied: LaunchFile[] = [];
  const measured = measureFiles(sources, (file) => {
    copied.push(file);
    return copyAndDigest(file, folder);
  });
  removeOthers(folder, copied);
  return measured;
}

/** What MR0 is computed from. */
export function digestBundles(entry: EntryKind, bundles: string): FileDigests {
  return digestAll(bundleFiles(entry, bundles), (file) => digestFile(file.source));
}
