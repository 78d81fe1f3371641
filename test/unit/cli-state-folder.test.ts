import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SupervisorProblem } from '../../src/supervisor/problem.ts';
import { makeRunFolder, removeRunFolder } from '../../src/supervisor/run-folder.ts';
import { openStateFolder, remember } from '../../src/supervisor/state-folder.ts';
import type { StateFolder } from '../../src/supervisor/state-folder.ts';

const MARKER = 'sealwright-state.json';
let parent = '';
let path = '';

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'sealwright-test-'));
  path = join(parent, 'state');
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

/** Opens, looks, and lets go. */
function visit(destroy = false): Omit<StateFolder, 'lock'> {
  const { lock, ...folder } = openStateFolder(path, { destroy });
  lock.release();
  return folder;
}

function problem(destroy = false): SupervisorProblem {
  try {
    visit(destroy);
  } catch (error) {
    expect(error).toBeInstanceOf(SupervisorProblem);
    return error as SupervisorProblem;
  }
  throw new Error('not refused');
}

function put(name: string): void {
  mkdirSync(join(path, name, '..'), { recursive: true });
  writeFileSync(join(path, name), 'x');
}

describe('a folder', () => {
  test('that does not exist is made, for its owner alone', () => {
    expect(visit()).toMatchObject({ path, isNew: true, clusterId: undefined });
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });
  test('keeps what is remembered of it, until it is wiped', () => {
    visit();
    remember(path, { suite: 'p256-hkdf-sha256-aes256gcm' });
    remember(path, { clusterId: '00' });
    expect(visit()).toMatchObject({ suite: 'p256-hkdf-sha256-aes256gcm', clusterId: '00' });
    expect(visit(true)).toMatchObject({ suite: undefined, clusterId: undefined });
  });
  test('that is empty is taken', () => {
    mkdirSync(path);
    expect(visit().isNew).toBe(true);
  });
  test('stays new until a platform root was made', () => {
    visit();
    expect(visit().isNew).toBe(true);
    put('platform/root.json');
    expect(visit().isNew).toBe(false);
  });
  test('whose platform root was lost is not new', () => {
    visit();
    remember(path, { rooted: true });
    expect(visit().isNew).toBe(false);
  });
  test('remembers its cluster when everything else is gone', () => {
    visit();
    remember(path, { rooted: true });
    remember(path, { clusterId: 'ab' });
    expect(visit()).toMatchObject({ isNew: false, clusterId: 'ab' });
  });
});

describe('refused as a foreign folder, and left as it was', () => {
  test.each([false, true])('one with files but no marker (destroy: %s)', (destroy) => {
    put('platform/root.json');
    put('token/object');
    expect(problem(destroy).kind).toBe('usage');
    expect(readdirSync(path).sort()).toEqual(['platform', 'token']);
  });
  test.each(['', 'x', '{}', 'null', '[]', '{"kind":"other"}'])(
    'one whose marker reads %s',
    (text) => {
      put('store.sqlite');
      writeFileSync(join(path, MARKER), text);
      expect(problem(true).kind).toBe('usage');
      expect(existsSync(join(path, 'store.sqlite'))).toBe(true);
    },
  );
  test('a file', () => {
    writeFileSync(path, '');
    expect(problem().kind).toBe('usage');
  });
});

describe('--destroy', () => {
  test('removes what is ours, and the folder is new', () => {
    visit();
    for (const name of [
      'platform/root.json',
      'token/a/b',
      'store.sqlite',
      'store.sqlite-wal',
      'store.sqlite.log',
      'log/tile/0/000',
      'pki/ca.pem',
      'host.log',
    ])
      put(name);
    remember(path, { rooted: true, clusterId: 'ab' });
    expect(visit(true)).toMatchObject({ isNew: true, clusterId: undefined, leftAlone: [] });
    expect(readdirSync(path).sort()).toEqual([MARKER, 'supervisor.lock']);
  });
  test('leaves what is not ours, and names it', () => {
    visit();
    put('notes.txt');
    expect(visit(true).leftAlone).toEqual(['notes.txt']);
    expect(existsSync(join(path, 'notes.txt'))).toBe(true);
  });
  test('makes a folder that does not exist', () => {
    expect(visit(true).isNew).toBe(true);
  });
  test('does not touch a folder on which a service runs', () => {
    const { lock } = openStateFolder(path, { destroy: false });
    put('store.sqlite');
    expect(problem(true).kind).toBe('running');
    expect(existsSync(join(path, 'store.sqlite'))).toBe(true);
    lock.release();
  });
});

test('a folder has one supervisor at a time', () => {
  const { lock } = openStateFolder(path, { destroy: false });
  expect(problem().kind).toBe('running');
  lock.release();
  expect(visit().path).toBe(path);
});

describe('run folders', () => {
  test('are private and short enough for sockets', () => {
    const folder = makeRunFolder();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(Buffer.byteLength(join(folder, 'link.sock'))).toBeLessThanOrEqual(107);
    removeRunFolder(folder);
    expect(existsSync(folder)).toBe(false);
  });
  test('are short even when the temporary folder is not', () => {
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = join(parent, 'x'.repeat(100));
    const folder = makeRunFolder();
    process.env['TMPDIR'] = before;
    if (before === undefined) delete process.env['TMPDIR'];
    expect(Buffer.byteLength(join(folder, 'link.sock'))).toBeLessThanOrEqual(107);
    removeRunFolder(folder);
  });
  test('are the only folders that are removed as such', () => {
    mkdirSync(path);
    removeRunFolder(path);
    removeRunFolder(parent);
    expect(existsSync(path)).toBe(true);
  });
});
