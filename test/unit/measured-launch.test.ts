import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { afterEach, describe, expect, it } from 'vitest';
import { SUITES } from '../../enclave/wire/session/suites.ts';
import type { LaunchSources } from '../../src/simulator/launch-files.ts';
import {
  LaunchError,
  libraryClosure,
  listLibraries,
  readInterpreter,
  refusePreload,
} from '../../src/simulator/library-closure.ts';
import { measurePrivateCopy, measureSources } from '../../src/simulator/measured-launch.ts';
import { temporaryFolder } from '../support/platform-process.ts';

const folder = temporaryFolder();
afterEach(() => {
  folder.remove();
  mkdirSync(folder.path, { recursive: true });
});

/** A launch of small real ELF files, so that copying is quick: true(1) plays Node, libm the addon. */
function sources(): LaunchSources {
  const bundles = join(folder.path, 'bundles');
  mkdirSync(bundles, { recursive: true });
  writeFileSync(join(bundles, 'main-simulated.cjs'), 'main');
  writeFileSync(join(bundles, 'main.cjs'), 'production');
  writeFileSync(join(bundles, 'hsm-worker.cjs'), 'worker');
  const library = libraryClosure(readInterpreter(process.execPath), [process.execPath]).get(
    'libm.so.6',
  );
  writeFileSync(join(bundles, 'pkcs11.node'), readFileSync(library ?? ''));
  const module = join(folder.path, 'module.so');
  writeFileSync(module, readFileSync(library ?? ''));
  const settings = { options: {}, environment: {} };
  return {
    entry: 'simulated',
    bundles,
    node: '/bin/true',
    module,
    settings,
    workers: 1,
    suite: SUITES[1].word,
  };
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
const registersOf = (from: LaunchSources): string[] => measureSources(from).registers.map(hex);
const copyOf = (from: LaunchSources): string[] =>
  measurePrivateCopy(from, join(folder.path, 'private')).registers.map(hex);

describe('library closure', () => {
  it('is what ldd prints', () => {
    const interpreter = readInterpreter(process.execPath);
    const printed = execFileSync('ldd', [process.execPath], { encoding: 'utf8' });
    const expected = [...printed.matchAll(/^\s+(\S+) => (\S+)/gm)].map(([, name, path]) => [
      name,
      path,
    ]);
    expect([...listLibraries(interpreter, process.execPath)].sort()).toEqual(expected.sort());
    expect(printed).toContain(interpreter);
  });

  it('refuses what is no ELF program', () => {
    const file = join(folder.path, 'text');
    writeFileSync(file, '#!/bin/sh\n'.repeat(20));
    expect(() => readInterpreter(file)).toThrow(LaunchError);
    writeFileSync(file, '\x7fELF');
    expect(() => readInterpreter(file)).toThrow(LaunchError);
    expect(() => listLibraries(readInterpreter(process.execPath), file)).toThrow(LaunchError);
  });

  it('refuses two files of one name, and a library that is not there', () => {
    const interpreter = readInterpreter(process.execPath);
    const build = (output: string, ...args: string[]): string => {
      const path = join(folder.path, output);
      mkdirSync(dirname(path), { recursive: true });
      execFileSync('g++', ['-shared', '-o', path, '-x', 'c++', '/dev/null', ...args]);
      return path;
    };
    const needy = (output: string, library: string): string => {
      const made = build(join(library, 'libthing.so'), '-Wl,-soname,libthing.so');
      // --no-as-needed: nothing of it is used, and the linker would drop it.
      return build(output, '-x', 'none', '-Wl,--no-as-needed', made, `-Wl,-rpath,${dirname(made)}`);
    };
    const [first, second] = [needy('first.so', 'a'), needy('second.so', 'b')];
    expect(libraryClosure(interpreter, [first]).get('libthing.so')).toContain('/a/');
    expect(() => libraryClosure(interpreter, [first, second])).toThrow(LaunchError);
    rmSync(join(folder.path, 'a'), { recursive: true });
    expect(() => libraryClosure(interpreter, [first])).toThrow(LaunchError);
  });

  it('refuses a preload that no register covers', () => {
    const file = join(folder.path, 'ld.so.preload');
    refusePreload(file);
    writeFileSync(file, '# nothing\n\n');
    refusePreload(file);
    writeFileSync(file, '/usr/lib/spy.so\n');
    expect(() => {
      refusePreload(file);
    }).toThrow(LaunchError);
  });
});

describe('private copy', () => {
  it('has the registers of its sources, twice', () => {
    const from = sources();
    const expected = registersOf(from);
    expect(copyOf(from)).toEqual(expected);
    expect(copyOf(from)).toEqual(expected);
  });

  it('is measured as it is, not as its source', () => {
    const from = sources();
    const { runtime } = measurePrivateCopy(from, join(folder.path, 'private'));
    const copy = readFileSync(join(folder.path, 'private/node'));
    expect(hex(runtime['node'])).toBe(createHash('sha384').update(copy).digest('hex'));
  });

  it.each([
    ['main-simulated.cjs', 0],
    ['hsm-worker.cjs', 0],
    ['pkcs11.node', 1],
  ])('follows a changed source: %s', (name, register) => {
    const from = sources();
    const before = copyOf(from);
    const file = join(from.bundles, name);
    const bytes = readFileSync(file);
    // Past the end of what the loader reads: same size and times say nothing.
    bytes[bytes.byteLength - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const after = copyOf(from);
    expect(after).toEqual(registersOf(from));
    expect(after.map((value, i) => value !== before[i])).toEqual(
      [0, 1, 2].map((i) => i === register),
    );
  });

  it('covers module, workers and suite by MR2', () => {
    const from = sources();
    const before = copyOf(from);
    expect(copyOf({ ...from, workers: 2 })[2]).not.toBe(before[2]);
    expect(copyOf({ ...from, suite: SUITES[3].word })[2]).not.toBe(before[2]);
    const bytes = readFileSync(from.module);
    writeFileSync(from.module, Buffer.concat([bytes, Buffer.from([0])]));
    expect(copyOf(from)[2]).not.toBe(before[2]);
  });

  it('replaces a copy that somebody changed, and removes what does not belong', () => {
    const from = sources();
    const expected = copyOf(from);
    const main = join(folder.path, 'private/main-simulated.cjs');
    chmodSync(main, 0o700);
    writeFileSync(main, 'evil');
    const stray = join(folder.path, 'private/lib/libevil.so');
    writeFileSync(stray, 'evil');
    expect(copyOf(from)).toEqual(expected);
    expect(readFileSync(main, 'utf8')).toBe('main');
    expect(existsSync(stray)).toBe(false);
  });

  it('says which bundle is missing and what builds it', () => {
    const from = { ...sources(), bundles: join(folder.path, 'nowhere') };
    expect(() => copyOf(from)).toThrow(LaunchError);
  });
});
