/**
 * Starts the enclave as shielded as this machine and our rights allow: through the tools of util-linux, each of which
 * changes its own process and then becomes the next. What can't be had is left out; the enclave looks for itself what
 * holds, and says so (docs/spec/evidence.md, "Hardening").
 */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { giveFiles, listeningPath } from './enclave-files.ts';
import { chooseUser, type EnclaveUser } from './enclave-user.ts';
import { PLACES } from './launch-files.ts';
import { LaunchError } from './library-closure.ts';
import { tokenIsOurs, type PlatformConfig } from './platform-config.ts';
import { ownView } from './own-view.ts';

/** How the enclave is started: what stands before its own command line, and who it is. */
export interface Confinement {
  readonly prefix: readonly string[];
  readonly user: EnclaveUser | undefined;
}

/** What one try is made of. */
interface Layers {
  readonly user: EnclaveUser | undefined;
  /** A network namespace that nobody configures. */
  readonly noNetwork: boolean;
  /** A mount namespace in which the host's files are covered. */
  readonly ownView: boolean;
  /** setpriv: user, capabilities, no_new_privs. */
  readonly privileges: boolean;
  /** prlimit. */
  readonly limits: boolean;
}

/** Sixteen workers with two pipes each, twice over, and what Node itself needs. */
const OPEN_FILES = 512;
const PROBE_MS = 10_000;

/** Where Debian, Ubuntu and Fedora keep them. PATH is the environment's, and this may be root. */
const TOOL_FOLDERS = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Path of a tool; undefined when it is not installed. */
function tool(name: string): string | undefined {
  return TOOL_FOLDERS.map((folder) => join(folder, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * The strongest that works here, found by trying, with the files given to whom it makes the enclave. `known` is that of
 * an earlier launch.
 */
export function confine(
  config: PlatformConfig,
  privateFolder: string,
  known: Confinement | undefined,
): Confinement {
  if (known !== undefined) {
    giveFiles(config, privateFolder, known.user);
    return known;
  }
  for (const layers of candidates(config)) {
    const prefix = commands(layers, config, privateFolder);
    if (prefix === undefined) continue;
    try {
      giveFiles(config, privateFolder, layers.user);
    } catch (error) {
      // A user namespace may know no such user: then nothing can be given to it.
      if (layers.user === undefined) throw error;
      continue;
    }
    const confinement = { prefix, user: layers.user };
    if (works(confinement, config, privateFolder)) return confinement;
  }
  throw new LaunchError(
    `${privateFolder}: the loader in it can't be executed (is it mounted noexec?), or the folders of token and ` +
      'socket can not be written',
  );
}

const isRoot = (): boolean => process.geteuid?.() === 0;

/** From strong to weak. */
function* candidates(config: PlatformConfig): Generator<Layers> {
  const chosen = chooseUser(config);
  const network = config.hardening.network ? [false] : [true, false];
  for (const user of chosen === undefined ? [undefined] : [chosen, undefined]) {
    // Without root there is no mount that the same user could not undo.
    for (const ownView of isRoot() ? [true, false] : [false]) {
      for (const noNetwork of network) {
        yield { user, ownView, noNetwork, privileges: true, limits: true };
      }
    }
  }
  const none = { user: undefined, ownView: false, noNetwork: false, privileges: false };
  yield { ...none, limits: true };
  yield { ...none, limits: false };
}

/** Undefined when a tool is missing. */
function commands(
  layers: Layers,
  config: PlatformConfig,
  privateFolder: string,
): readonly string[] | undefined {
  const parts = [
    layers.noNetwork || layers.ownView ? unshareCommand(layers) : [],
    layers.ownView ? viewCommand(config, privateFolder, layers.user) : [],
    layers.privileges ? setprivCommand(layers.user) : [],
    // After setpriv: the loader must be executed by a process that has lost its capabilities already, or the kernel
    // finds that it may read what it executes.
    layers.limits ? prlimitCommand() : [],
  ];
  return parts.includes(undefined) ? undefined : parts.flatMap((part) => part ?? []);
}

function unshareCommand({ noNetwork, ownView }: Layers): string[] | undefined {
  const path = tool('unshare');
  if (path === undefined) return undefined;
  return [
    path,
    // Without root a network namespace needs a user namespace. No user is mapped in it: who maps one to itself, owns
    // the namespace and may trace everybody in it.
    ...(isRoot() ? [] : ['--user']),
    ...(noNetwork ? ['--net'] : []),
    ...(ownView ? ['--mount', '--propagation', 'private'] : []),
    '--',
  ];
}

function viewCommand(
  config: PlatformConfig,
  privateFolder: string,
  user: EnclaveUser | undefined,
): string[] | undefined {
  const shell = tool('sh');
  if (shell === undefined || tool('mount') === undefined) return undefined;
  const { stateFolder, module, hardening } = config;
  const folders = [
    stateFolder,
    ...(tokenIsOurs(config) ? [] : [module.folder]),
    dirname(listeningPath(config, user)),
    ...hardening.folders,
  ];
  const tableFile = join(dirname(privateFolder), 'own-view.fstab');
  const script = ownView([...new Set(folders)], tableFile);
  return script === undefined ? undefined : [shell, '-c', script, 'sh'];
}

function setprivCommand(user: EnclaveUser | undefined): string[] | undefined {
  const path = tool('setpriv');
  if (path === undefined) return undefined;
  return [
    path,
    ...(user === undefined
      ? []
      : [`--reuid=${String(user.uid)}`, `--regid=${String(user.gid)}`, '--clear-groups']),
    // An unprivileged process has none, and may not touch the bounding set.
    ...(isRoot() ? ['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all'] : []),
    '--no-new-privs',
    '--',
  ];
}

function prlimitCommand(): string[] | undefined {
  const path = tool('prlimit');
  if (path === undefined) return undefined;
  // 1, not 0: below a page no core is written, and 1 stops also one that goes to a program (docs/spec/evidence.md). A
  // lower limit than ours stays.
  const lowered = [
    ['core', 'core file size', 1],
    ['nofile', 'open files', OPEN_FILES],
  ] as const;
  const options = lowered
    .filter(([, name, limit]) => hardLimit(name) >= limit)
    .map(([option, , limit]) => `--${option}=${String(limit)}:${String(limit)}`);
  return [path, ...options, '--'];
}

function hardLimit(name: string): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const hard = new RegExp(`^Max ${name} +\\S+ +(\\S+)`, 'm').exec(limits)?.[1];
  return hard === 'unlimited' ? Infinity : Number(hard);
}

/** Executes the copied loader like this, and asks whether token and socket could be written. */
function works(
  { prefix, user }: Confinement,
  config: PlatformConfig,
  privateFolder: string,
): boolean {
  const folders = [
    dirname(listeningPath(config, user)),
    ...(tokenIsOurs(config) ? [config.module.folder] : []),
  ];
  const [program = '', ...args] = [
    ...prefix,
    tool('sh') ?? '/bin/sh',
    ...[
      '-c',
      'until [ "$1" = -- ]; do [ -w "$1" ] || exit 1; shift; done; shift; exec "$@"',
      'probe',
    ],
    ...[...folders, '--'],
    ...[join(privateFolder, PLACES.loader), '--inhibit-cache'],
    ...['--library-path', join(privateFolder, PLACES.libraries)],
    ...['--verify', join(privateFolder, PLACES.node)],
  ];
  try {
    execFileSync(program, args, { env: {}, cwd: '/', stdio: 'ignore', timeout: PROBE_MS });
    return true;
  } catch {
    return false;
  }
}
