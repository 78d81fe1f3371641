/**
 * This process as it finds itself (docs/spec/evidence.md, "Hardening"). The platform shields it as far as its rights
 * go; what of that holds is read here from the kernel, and never taken from the platform's word.
 */
import { openSync, closeSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { url as inspectorUrl } from 'node:inspector';
import process from 'node:process';
import type { LaunchFault, OwnProcess } from '../ports.ts';
import { HARDENING, type Hardening } from '../wire/hardening.ts';

/** What the platform says that it measured and wants. */
export interface ExpectedProcess {
  /** Node's flags of the launch manifest. */
  readonly nodeFlags: readonly string[];
  /** Words without which this process must not serve. */
  readonly requiredHardening: readonly string[];
}

/** Folders of `/` that hold programs or the kernel's own files; everything else of a host lies in the others. */
const NO_HOST_FILES = /^(?:bin|sbin|lib[^/]*|usr|dev|proc|sys)$/;

/** A look takes a quarter of a millisecond, and any caller may ask for the status. */
const LOOK_AGAIN_MS = 1_000;

export class LinuxProcess implements OwnProcess {
  readonly fault: LaunchFault | undefined;
  #seen: readonly Hardening[] = [];
  #seenAtMs = -Infinity;

  constructor(expected: ExpectedProcess) {
    this.fault = unsafe(expected.nodeFlags) ?? missing(expected, this.hardening());
  }

  hardening(): readonly Hardening[] {
    const now = performance.now();
    if (now - this.#seenAtMs < LOOK_AGAIN_MS) return this.#seen;
    this.#seenAtMs = now;
    const status = statusFields();
    this.#seen = HARDENING.filter((word) => SEEN[word](status));
    return this.#seen;
  }
}

/** Whatever could have made this process run other code than was measured. */
function unsafe(nodeFlags: readonly string[]): LaunchFault | undefined {
  const found = (field: string, actual: string): LaunchFault => ({
    reason: 'LAUNCH_UNSAFE',
    details: { field, actual },
  });
  // The platform gives none at all, so a list of dangerous ones would only be shorter than the truth.
  const [variable] = Object.keys(process.env);
  if (variable !== undefined) return found('environment', variable);
  const { execArgv } = process;
  const flag = [...execArgv.keys(), ...nodeFlags.keys()].find((i) => execArgv[i] !== nodeFlags[i]);
  if (flag !== undefined) return found('flags', execArgv[flag] ?? 'too few');
  return inspectorUrl() === undefined ? undefined : found('inspector', 'open');
}

function missing(
  { requiredHardening }: ExpectedProcess,
  held: readonly string[],
): LaunchFault | undefined {
  const words = requiredHardening.filter((word) => !held.includes(word));
  if (words.length === 0) return undefined;
  const details = { expected: words.join(', '), actual: held.join(', ') };
  return { reason: 'HARDENING_MISSING', details };
}

type StatusFields = ReadonlyMap<string, string>;

function statusFields(): StatusFields {
  return new Map(
    read('/proc/self/status')
      .split('\n')
      .map((line) => line.split(':\t', 2) as [string, string]),
  );
}

/** Empty for what this kernel does not have or does not show: a word is claimed only where something was seen. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

const SEEN: Readonly<Record<Hardening, (status: StatusFields) => boolean>> = {
  'no-capabilities': (status) =>
    ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].every((set) => isEmpty(status.get(set))) &&
    (isEmpty(status.get('CapBnd')) || status.get('NoNewPrivs') === '1'),
  'no-core-dumps': dumpsNoCore,
  'no-host-files': seesNoHostFiles,
  'no-network': hasNoNetwork,
  'no-new-privileges': (status) => status.get('NoNewPrivs') === '1',
  'no-tracing': isNotDumpable,
  'own-uid': (status) => hasOwnUid(status.get('Uid')),
  seccomp: (status) => status.get('Seccomp') === '2',
};

const isEmpty = (set: string | undefined): boolean => set !== undefined && /^0+$/.test(set);

/** proc(5): a limit of 0 does not stop a core that goes to a program; 1 is the kernel's own mark against that. */
function dumpsNoCore(): boolean {
  const hard = /^Max core file size +\S+ +(\S+)/m.exec(read('/proc/self/limits'))?.[1];
  if (hard === '1') return true;
  const pattern = read('/proc/sys/kernel/core_pattern');
  return hard === '0' && pattern !== '' && !/^[|@]/.test(pattern);
}

/** statfs(2), TMPFS_MAGIC: of what is mounted there last. */
const TMPFS = 0x01021994;

function isInMemory(folder: string): boolean {
  try {
    return statfsSync(folder).type === TMPFS;
  } catch {
    return false;
  }
}

/** For root it would mean nothing: devices and the kernel's own files are in sight, and root's. */
function seesNoHostFiles(): boolean {
  if (process.getuid?.() === 0) return false;
  const folders = readdirSync('/', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.every(({ name }) => NO_HOST_FILES.test(name) || isInMemory(`/${name}`));
}

/** A namespace that nobody configured: its loopback is down, so it has no address. */
function hasNoNetwork(): boolean {
  const net = (name: string): string => read(`/proc/self/net/${name}`);
  // Two lines of heading.
  const interfaces = net('dev').trimEnd().split('\n').slice(2);
  const onlyLoopback = interfaces.length > 0 && interfaces.every((line) => /^ *lo:/.test(line));
  return onlyLoopback && net('fib_trie') === '' && net('if_inet6') === '';
}

/** The files in /proc/self of a process that is not dumpable belong to root (proc(5)), even to the process itself. */
function isNotDumpable(): boolean {
  try {
    closeSync(openSync('/proc/self/environ', 'r'));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

function hasOwnUid(uids: string | undefined): boolean {
  const [uid, ...others] = uids?.split('\t') ?? [];
  const isOne = others.length === 3 && others.every((other) => other === uid);
  return isOne && uid !== '0' && uid !== String(statSync(process.execPath).uid);
}
