/**
 * The state folder: what is ours in it, when it may be used, and when it may be wiped. It is the only
 * thing that this program ever deletes, so the rules are narrow: a folder without our marker is left
 * alone, and in a folder with it only the names below are removed.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { replaceFile } from '../simulator/private-file.ts';
import { lockFolder } from './folder-lock.ts';
import type { FolderLock } from './folder-lock.ts';
import { SupervisorProblem } from './problem.ts';

const MARKER = 'sealwright-state.json';
const LOCK = 'supervisor.lock';
const KIND = 'sealwright-state';

/** Everything that we write, and nothing that anybody else does: who makes a new file here adds its name. */
const OURS = [
  'platform',
  'token',
  'log',
  'pki',
  'admin',
  'host.json',
  'platform.json',
  'host.log',
  'platform.log',
  'connection.json',
  'reference.json',
  'sample.txt',
  'sample.sig',
] as const;

/** The host keeps its store in files of this name and of names that go on from it (-wal, .log, …). */
const STORE = 'store.sqlite';

export interface StateFolder {
  readonly path: string;
  /** No platform root was ever made here: the platform may make one. */
  readonly isNew: boolean;
  /** The cluster that was born here, hex; undefined before genesis. */
  readonly clusterId: string | undefined;
  /** Word of the suite of its sessions, when `dev` has chosen one. */
  readonly suite: string | undefined;
  /** Entries of a wiped folder that are not ours and were left. */
  readonly leftAlone: readonly string[];
  readonly lock: FolderLock;
}

export interface StatePaths {
  readonly pki: string;
  /** Key of the admin that `dev` plays. */
  readonly admin: string;
  readonly platform: string;
  readonly token: string;
  readonly store: string;
  readonly hostConfig: string;
  readonly platformConfig: string;
  readonly hostLog: string;
  readonly platformLog: string;
  /** Reference values for verifiers. */
  readonly reference: string;
}

export function statePaths(state: string): StatePaths {
  return {
    pki: join(state, 'pki'),
    admin: join(state, 'admin'),
    platform: join(state, 'platform'),
    token: join(state, 'token'),
    store: join(state, STORE),
    hostConfig: join(state, 'host.json'),
    platformConfig: join(state, 'platform.json'),
    hostLog: join(state, 'host.log'),
    platformLog: join(state, 'platform.log'),
    reference: join(state, 'reference.json'),
  };
}

/** Makes or opens the folder and locks it. Throws SupervisorProblem. */
export function openStateFolder(
  folder: string,
  options: { readonly destroy: boolean },
): StateFolder {
  const path = resolve(folder);
  requireOurs(path);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const lock = lockFolder(path, LOCK);
  try {
    const leftAlone = options.destroy && readMarker(path) !== undefined ? wipe(path) : [];
    const { rooted, clusterId, suite } = remember(path, {});
    const isNew = rooted !== true && !existsSync(join(path, 'platform', 'root.json'));
    return { path, isNew, clusterId, suite, leftAlone, lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function requireOurs(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory()) {
    throw new SupervisorProblem('usage', `${path} is not a folder`, 'name a folder with --state');
  }
  const entries = readdirSync(path).filter((name) => !name.startsWith(LOCK));
  if (entries.length === 0 || readMarker(path) !== undefined) return;
  throw new SupervisorProblem(
    'usage',
    `${path} holds files, but not ours (no ${MARKER})`,
    'name a new or an empty folder with --state; a foreign folder is never used or wiped',
  );
}

/** What must not be forgotten even when everything else in the folder is lost. */
interface Marker {
  readonly v: 1;
  readonly kind: typeof KIND;
  /** A platform root was made here: a missing one is a loss, and no other one is made. */
  readonly rooted?: true;
  /** A cluster was born here: an empty token is a loss, and no other cluster is made. */
  readonly clusterId?: string;
  /** Part of the measurement that its state is sealed under. */
  readonly suite?: string;
}

/** undefined when there is none of ours. */
function readMarker(path: string): Marker | undefined {
  try {
    const marker = JSON.parse(readFileSync(join(path, MARKER), 'utf8')) as Partial<Marker> | null;
    return marker?.kind === KIND ? (marker as Marker) : undefined;
  } catch {
    return undefined;
  }
}

/** Adds facts to the marker, and makes it when there is none. */
export function remember(path: string, facts: Omit<Marker, 'v' | 'kind'>): Marker {
  const known = readMarker(path);
  const marker: Marker = { v: 1, kind: KIND, ...known, ...facts };
  const text = `${JSON.stringify(marker)}\n`;
  if (JSON.stringify(known) !== JSON.stringify(marker))
    replaceFile(join(path, MARKER), text, 0o600);
  return marker;
}

function wipe(path: string): readonly string[] {
  const stores = readdirSync(path).filter(
    (name) => name === STORE || /^store\.sqlite[-.]/.test(name),
  );
  for (const name of [...OURS, ...stores])
    rmSync(join(path, name), { recursive: true, force: true });
  // Last: a wipe that was cut off leaves a folder that says what it has lost, and can be wiped again.
  rmSync(join(path, MARKER));
  remember(path, {});
  return readdirSync(path).filter((name) => name !== MARKER && !name.startsWith(LOCK));
}
