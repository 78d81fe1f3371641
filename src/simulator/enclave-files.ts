/**
 * Who owns what the enclave works with. Under a user of its own it may read the private copy and no more, owns the
 * token's files alone, and listens in a folder of its own; every folder on the way lets its group through.
 */
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import process from 'node:process';
import { isInUse, type EnclaveUser } from './enclave-user.ts';
import { PLACES } from './launch-files.ts';
import { LaunchError } from './library-closure.ts';
import { tokenIsOurs, type PlatformConfig } from './platform-config.ts';

/** The folder and the name where an enclave with a user of its own listens; the host's path leads there. */
const LISTENING_FOLDER = '.in';
const LISTENING_NAME = 's';

/** Where the enclave listens. */
export function listeningPath({ linkSocket }: PlatformConfig, user?: EnclaveUser): string {
  return user === undefined ? linkSocket : join(`${linkSocket}${LISTENING_FOLDER}`, LISTENING_NAME);
}

/**
 * An enclave that was killed leaves its socket behind, and the next one could not listen. Only this
 * platform's enclaves listen there, and none is running now.
 */
export function removeStaleSocket({ linkSocket }: PlatformConfig): void {
  const found = lstatSync(linkSocket, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket() && !found.isSymbolicLink()) {
    throw new LaunchError(`${linkSocket}: is not a socket; the enclave listens there`);
  }
  rmSync(linkSocket);
}

/** Gives everything to `user`, or to this process's own. Throws what the file system throws, and LaunchError. */
export function giveFiles(config: PlatformConfig, privateFolder: string, user?: EnclaveUser): void {
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  givePrivateCopy(privateFolder, own.uid, user?.gid ?? own.gid, user !== undefined);
  if (tokenIsOurs(config)) {
    requireInside(config.module.folder, config.stateFolder);
    giveToken(config.module.folder, user ?? own);
  }
  const listening = listeningPath(config, user);
  const { linkSocket } = config;
  rmSync(linkSocket, { force: true });
  if (user === undefined) return;
  const folder = dirname(listening);
  removeListeningFolder(folder);
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, user.uid, user.gid);
  // Relative: the folder may be moved as a whole.
  symlinkSync(join(basename(folder), LISTENING_NAME), linkSocket);
  for (const way of [config.stateFolder, dirname(privateFolder), dirname(linkSocket)]) {
    letThrough(way, user.gid);
  }
}

/**
 * Nobody may write the copy, and nobody may read the loader: what executes a file that it can't read is not dumpable,
 * so no other process of its user can trace it (execve(2), ptrace(2)).
 */
function givePrivateCopy(folder: string, uid: number, gid: number, toGroup: boolean): void {
  const loader = join(folder, PLACES.loader);
  const give = (path: string, mode: number): void => {
    chownIfNeeded(path, uid, gid);
    chmodSync(path, toGroup ? mode | ((mode >> 3) & 0o050) : mode);
  };
  give(folder, 0o700);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    give(path, entry.isDirectory() ? 0o700 : path === loader ? 0o100 : 0o500);
  }
}

/** What is given away lies where the configuration says: not behind a link, and not up and down again. */
function requireInside(folder: string, stateFolder: string): void {
  const isInside = realpathSync(folder).startsWith(realpathSync(stateFolder) + sep);
  if (lstatSync(folder).isDirectory() && isInside) return;
  throw new LaunchError(`${folder}: leads out of the state folder; name its own place instead`);
}

/** Only the socket of an enclave of ours: a folder with anything else in it is somebody else's. */
function removeListeningFolder(folder: string): void {
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return;
  const socket = join(folder, LISTENING_NAME);
  try {
    if (lstatSync(socket, { throwIfNoEntry: false })?.isSocket() === true) rmSync(socket);
    rmdirSync(folder);
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code);
    throw new LaunchError(`${folder}: holds more than an enclave's socket (${code}); move it away`);
  }
}

/**
 * Root must not walk a tree in which its owner could exchange a part of the way meanwhile. A tree that has its owner
 * already lacks at most files that somebody put there since: the next start without such a process gives them too.
 */
function giveToken(folder: string, user: EnclaveUser): void {
  const isGiven = user.uid !== 0 && lstatSync(folder).uid === user.uid;
  if (!isGiven || !isInUse(user.uid)) giveTree(folder, user);
}

function giveTree(folder: string, { uid, gid }: EnclaveUser): void {
  // First: who does not own it may not even list it, and wants to hear why.
  chownIfNeeded(folder, uid, gid);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chownIfNeeded(join(entry.parentPath, entry.name), uid, gid);
  }
}

function chownIfNeeded(path: string, uid: number, gid: number): void {
  const found = lstatSync(path);
  // Only root may give a file away, and a file of ours may have any group of ours.
  if (found.uid === uid && (found.gid === gid || process.geteuid?.() !== 0)) return;
  // The other name may lie anywhere.
  if (found.isFile() && found.nlink > 1) throw new LaunchError(`${path}: has a second name`);
  try {
    lchownSync(path, uid, gid);
  } catch (error) {
    throw new LaunchError(
      `${path} belongs to user ${String(found.uid)} and can't be given to ${String(uid)} ` +
        `(${String((error as NodeJS.ErrnoException).code)}). Who runs this on a state folder of root's: give all of ` +
        'it back with chown -R, or run it as root',
    );
  }
}

const GROUP = 0o070;
const GROUP_PASSES = 0o010;
const OTHERS_PASS = 0o001;

/** Lets the group through a folder that is its owner's alone. One that others share stays as it is. */
function letThrough(folder: string, gid: number): void {
  const found: Stats = statSync(folder);
  if ((found.mode & OTHERS_PASS) !== 0) return;
  const isFree = (found.mode & GROUP) === 0 || (found.mode & GROUP) === GROUP_PASSES;
  if (!isFree) return;
  if (found.gid !== gid) chownSync(folder, found.uid, gid);
  chmodSync(folder, (found.mode & 0o7777) | GROUP_PASSES);
}
