/**
 * Damage of a state folder and of what is measured: each ends in a halt by name that tells the way out,
 * never in a crash loop or a silent new start.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runSealwright, type Finished } from '../support/stack.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const base = mkdtempSync(join(tmpdir(), 'sw-damage-'));
const sound = join(base, 'sound');
let copies = 0;

/** A copy of the sound state folder, damaged. */
function damaged(damage: (state: string) => void): string {
  copies += 1;
  const state = join(base, `copy-${String(copies)}`);
  cpSync(sound, state, { recursive: true });
  damage(state);
  return state;
}

function flipByte(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 0x01;
  writeFileSync(file, bytes);
}

beforeAll(async () => {
  const made = await runSealwright(['dev', '--state', sound, '--', 'true']);
  expect(made.status, made.stderr).toBe(0);
});

afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

function expectHalt(ended: Finished, reason: string): void {
  expect(ended.stderr).toContain(reason);
  expect(ended.status, ended.stderr).toBe(70);
  // The program of the command never ran, and no new cluster was born.
  expect(ended.stdout).toBe('');
  expect(ended.stderr).not.toContain('genesis   cluster');
}

describe('a state folder', () => {
  test.each<[string, string, (state: string) => void]>([
    [
      'without its store',
      'STATE_MISSING',
      (s) => {
        rmSync(join(s, 'store.sqlite'));
      },
    ],
    [
      'with an empty store',
      'STATE_MISSING',
      (s) => {
        truncateSync(join(s, 'store.sqlite'));
      },
    ],
    [
      'with a cut store',
      'STORE_UNAVAILABLE',
      (s) => {
        truncateSync(join(s, 'store.sqlite'), 9000);
      },
    ],
    [
      'without its token',
      'TOKEN_MISSING',
      (s) => {
        rmSync(join(s, 'token'), { recursive: true });
      },
    ],
    [
      'without its platform root',
      'PLATFORM_CHANGED',
      (s) => {
        rmSync(join(s, 'platform/root.json'));
      },
    ],
    [
      'with a damaged platform root',
      'PLATFORM_CHANGED',
      (s) => {
        flipByte(join(s, 'platform/root.json'), 40);
      },
    ],
    [
      'without its log',
      'ROLLBACK_DETECTED',
      (s) => {
        rmSync(join(s, 'log'), { recursive: true });
      },
    ],
  ])('%s halts with %s', async (_, reason, damage) => {
    const state = damaged(damage);
    expectHalt(await runSealwright(['dev', '--state', state, '--', 'echo', 'ran']), reason);
  });

  test('without its certificates gets new ones and serves', async () => {
    const state = damaged((s) => {
      rmSync(join(s, 'pki'), { recursive: true });
    });
    const ended = await runSealwright(['dev', '--state', state, '--', 'echo', 'ran']);
    expect([ended.status, ended.stdout]).toEqual([0, 'ran\n']);
  });

  test('is wiped by --destroy, and by nothing else', async () => {
    const state = damaged((s) => {
      rmSync(join(s, 'store.sqlite'));
    });
    const ended = await runSealwright(['dev', '--state', state, '--destroy', '--', 'echo', 'ran']);
    expect([ended.status, ended.stdout]).toEqual([0, 'ran\n']);
  });
});

describe('the measured code', () => {
  /** A clone of this repository as far as it is run, with its own bundles. */
  function clone(): string {
    const folder = join(base, 'clone');
    mkdirSync(folder);
    for (const part of ['bin', 'src', 'enclave', 'build/enclave', 'package.json', 'scripts']) {
      cpSync(join(REPOSITORY, part), join(folder, part), { recursive: true });
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    return folder;
  }

  async function devFrom(folder: string, state: string): Promise<Finished> {
    const node = join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin/node');
    const args = ['bin/sealwright.mjs', 'dev', '--state', state, '--', 'echo', 'ran'];
    const child = spawn(node, ['--disable-warning=ExperimentalWarning', ...args], { cwd: folder });
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ]);
    return { status: code ?? -1, stdout, stderr };
  }

  test('opens the state from another folder, and not with one byte changed: MR0 is named', async () => {
    const folder = clone();
    const state = damaged(() => undefined);
    const moved = await devFrom(folder, state);
    expect([moved.status, moved.stdout], moved.stderr).toEqual([0, 'ran\n']);
    const bundle = join(folder, 'build/enclave/hsm-worker.cjs');
    writeFileSync(bundle, `${readFileSync(bundle, 'utf8')} `);
    const changed = await devFrom(folder, state);
    expectHalt(changed, 'MEASUREMENT_CHANGED');
    expect(changed.stderr).toContain('MR0');
    expect(changed.stderr).toContain('--destroy');
  });
});
