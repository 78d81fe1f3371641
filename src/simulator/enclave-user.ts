/**
 * The user that the enclave runs as when root starts it: one that nobody else is, so that the token's files and the
 * enclave's memory are its alone. Without root there is no such user, and the enclave is whoever starts the platform.
 */
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { LaunchError } from './library-closure.ts';
import { tokenIsOurs, type PlatformConfig } from './platform-config.ts';

export interface EnclaveUser {
  readonly uid: number;
  readonly gid: number;
}

/** What systemd gives to users that exist for as long as their service runs: no person and no package is one. */
const FIRST_UID = 61_184;
const LAST_UID = 65_519;

/** Capabilities to become the user, give it its files, meet its socket and end it: bits of capabilities(7). */
const NEEDED = [0, 1, 3, 5, 6, 7, 8].reduce((set, bit) => set | (1n << BigInt(bit)), 0n);

/** Undefined: the enclave keeps the platform's user. Throws LaunchError for a configured user that can't be. */
export function chooseUser(config: PlatformConfig): EnclaveUser | undefined {
  const { user } = config.hardening;
  if (!mayChangeUser()) return undefined;
  if (user !== undefined) return namedUser(user);
  // Files of somebody else's are not given away: whoever keeps tokens elsewhere names the user.
  if (!tokenIsOurs(config)) return undefined;
  const uid = formerUid(config) ?? freeUid();
  return { uid, gid: uid };
}

function mayChangeUser(): boolean {
  if (process.geteuid?.() !== 0) return false;
  const set = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return (BigInt(`0x${set ?? '0'}`) & NEEDED) === NEEDED;
}

interface PasswdEntry extends EnclaveUser {
  readonly name: string;
}

function passwd(): PasswdEntry[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length === 7)
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
}

function namedUser(user: string | number): EnclaveUser {
  const found = passwd().find(({ name, uid }) => name === user || uid === user);
  if (found === undefined && typeof user === 'number') return { uid: user, gid: user };
  if (found === undefined) {
    throw new LaunchError(`hardening.user: there is no user ${String(user)} in /etc/passwd`);
  }
  if (found.uid === 0) throw new LaunchError(`hardening.user: ${String(user)} is root`);
  return { uid: found.uid, gid: found.gid };
}

const isOfRange = (id: number | undefined): boolean =>
  id !== undefined && id >= FIRST_UID && id <= LAST_UID;

/** Of an earlier launch: the token folder is still its, or the state folder still lets it through. */
function formerUid({ module, stateFolder }: PlatformConfig): number | undefined {
  const former = [
    statSync(module.folder, { throwIfNoEntry: false })?.uid,
    statSync(stateFolder, { throwIfNoEntry: false })?.gid,
  ];
  return former.find(isOfRange);
}

/** Nobody's at this moment. Drawn, so that two platforms that start at once hardly take the same. */
function freeUid(): number {
  const taken = new Set(passwd().map(({ uid }) => uid));
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const uid = /^Uid:\s+(\d+)/m.exec(readStatus(name))?.[1];
    if (uid !== undefined) taken.add(Number(uid));
  }
  for (;;) {
    const uid = randomInt(FIRST_UID, LAST_UID + 1);
    if (!taken.has(uid)) return uid;
  }
}

/**
 * Whether a process of that user runs: an earlier enclave's that left its group, or an enclave on a copy of the state
 * folder. By its own word: /proc/PID belongs to root where a process is not dumpable.
 */
export function isInUse(uid: number): boolean {
  const own = new RegExp(`^Uid:\\s+${String(uid)}\\s`, 'm');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(readStatus)
    .some((status) => own.test(status) && !/^State:\s+[ZX]/m.test(status));
}

function readStatus(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return '';
  }
}
