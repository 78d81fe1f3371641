import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder = '';

// A clone that is set up already, as "npm test" has set up this one.
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright-setup-'));
  for (const path of ['bin', 'enclave', 'scripts', 'package.json', 'package-lock.json']) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  for (const path of ['build/enclave', 'build/.enclave-inputs']) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function run(...command: readonly string[]): { status: number | null; out: string; err: string } {
  const [program = '', ...rest] = command;
  const { status, stdout, stderr } = spawnSync(program, rest, { cwd: folder, encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

test('a second set-up has nothing to do and says nothing', () => {
  expect(run('sh', 'scripts/setup.sh')).toEqual({ status: 0, out: '', err: '' });
});

test('a changed bundle stays changed', () => {
  const bundle = join(folder, 'build/enclave/main-simulated.cjs');
  writeFileSync(bundle, `${readFileSync(bundle, 'utf8')}\n// changed\n`);
  const changed = readFileSync(bundle);

  expect(run('sh', 'scripts/setup.sh').status).toBe(0);

  expect(readFileSync(bundle).equals(changed)).toBe(true);
});

test('an argument that set-up does not know is refused', () => {
  expect(run('sh', 'scripts/setup.sh', '--without').status).toBe(1);
});

test('a command runs under the pinned Node', () => {
  const pin = /"node-linux-(?:x64|arm64)": "(.+)"/.exec(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  )?.[1];
  expect(run('sh', 'scripts/run.sh', 'node', '-v')).toEqual({
    status: 0,
    out: `v${String(pin)}\n`,
    err: '',
  });
});

test('a command does not run under a Node that is not the pinned one', () => {
  const manifest = join(folder, 'package.json');
  const text = readFileSync(manifest, 'utf8');
  writeFileSync(manifest, text.replace(/("node-linux-[^"]+": )"[^"]+"/g, '$1"24.0.0"'));
  const { status, out } = run('sh', 'scripts/run.sh', 'echo', 'ran');
  expect({ status, out }).toEqual({ status: 1, out: '' });
});

test('without the packages, the commands name the one to run first', () => {
  rmSync(join(folder, 'node_modules'));
  for (const command of [
    ['sh', 'scripts/run.sh', 'echo', 'ran'],
    [process.execPath, 'bin/sealwright.mjs', 'status'],
  ]) {
    const { status, out, err } = run(...command);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toContain('npm run setup');
  }
});
