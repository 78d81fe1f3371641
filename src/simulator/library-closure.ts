/**
 * Which shared libraries the dynamic loader would give to a program. The loader itself is asked
 * (`--list`), because search order, cache and hardware-capability folders are its own business, and a
 * second implementation of them could measure one file and run another.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs';

/** A set-up that cannot be measured or started; the message says what to do. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
}

const PT_INTERP = 3;

/** Path of the ELF interpreter that a 64-bit little-endian program names (System V ABI, PT_INTERP). */
export function readInterpreter(program: string): string {
  const fd = openSync(program, 'r');
  try {
    const read = (length: number, position: number): Buffer => {
      const bytes = Buffer.alloc(length);
      if (readSync(fd, bytes, 0, length, position) !== length) {
        throw new LaunchError(`${program}: is not a complete ELF program`);
      }
      return bytes;
    };
    const header = read(64, 0);
    // 7f 'E' 'L' 'F', 64 bits, little-endian: what the pinned Node's packages are.
    if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) {
      throw new LaunchError(`${program}: is not a 64-bit little-endian ELF program`);
    }
    const tableAt = Number(header.readBigUInt64LE(32));
    const entryBytes = header.readUInt16LE(54);
    for (let i = 0; i < header.readUInt16LE(56); i += 1) {
      const entry = read(56, tableAt + i * entryBytes);
      if (entry.readUInt32LE(0) !== PT_INTERP) continue;
      const text = read(Number(entry.readBigUInt64LE(32)), Number(entry.readBigUInt64LE(8)));
      return text.toString('latin1').replace(/\0$/, '');
    }
    throw new LaunchError(`${program}: is statically linked, which this platform cannot start`);
  } finally {
    closeSync(fd);
  }
}

/** What the loader answers for one file: paths by the name that was asked for. */
export function listLibraries(
  interpreter: string,
  file: string,
  options: readonly string[] = [],
): ReadonlyMap<string, string> {
  let text: string;
  try {
    text = execFileSync(interpreter, [...options, '--list', file], {
      env: {},
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    throw new LaunchError(`${file}: the dynamic loader cannot load it: ${stderr.trim()}`);
  }
  const found = new Map<string, string>();
  // `name => path (address)`, or `path (address)` for what is needed by path; the vDSO has neither.
  for (const line of text.split('\n')) {
    const [, name, path] = /^\s*(?:(\S+) => )?(.+?)(?: \(0x[0-9a-f]+\))?$/.exec(line) ?? [];
    if (path === 'not found')
      throw new LaunchError(`${file}: library ${String(name)} was not found`);
    if (path?.startsWith('/') !== true) continue;
    if (name !== undefined && !name.includes('/')) found.set(name, path);
    // The interpreter lists itself by path; it is measured under its own name.
    else if (realpathSync(path) !== realpathSync(interpreter)) throw neededByPath(file, path);
  }
  return found;
}

function neededByPath(file: string, library: string): LaunchError {
  return new LaunchError(
    `${file}: needs ${library} by its path, so a private copy cannot replace it`,
  );
}

/** Union of the libraries of several files. One name must lead to one file. */
export function libraryClosure(
  interpreter: string,
  files: readonly string[],
): ReadonlyMap<string, string> {
  const union = new Map<string, string>();
  for (const file of files) {
    for (const [name, path] of listLibraries(interpreter, file)) {
      const known = union.get(name);
      if (known !== undefined && realpathSync(known) !== realpathSync(path)) {
        throw new LaunchError(
          `${name} is both ${known} and ${path}; one process cannot measure both`,
        );
      }
      union.set(name, path);
    }
  }
  return union;
}

/** The loader reads this file whatever its options say, and would load what it names into the enclave. */
export function refusePreload(path = '/etc/ld.so.preload'): void {
  if (!existsSync(path)) return;
  const names = readFileSync(path, 'utf8').replace(/#.*/g, '').trim();
  if (names !== '') {
    throw new LaunchError(
      `${path} loads ${names} into every program, which no register would cover; ` +
        'remove the entry, or run where it is absent',
    );
  }
}
