/** The commands of the README's "Sign one file, verify it offline", as they are written. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, temporaryFolder } from '../support/stack.ts';
import type { Stack } from '../support/stack.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { path: folder, remove } = temporaryFolder();
let stack: Stack;

/** The shell blocks of one section, in order. */
function blocksOf(heading: string): string[] {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^```\n([^`]+)^```$/gm)].map(([, block = '']) => block);
}

beforeAll(async () => {
  stack = await startStack({ state: join(folder, '.sealwright') });
  copyFileSync(join(root, 'README.md'), join(folder, 'README.md'));
  // What npx does within a clone, without asking npm.
  mkdirSync(join(folder, 'bin'));
  const npx = `#!/bin/sh\nshift\nexec node '${join(root, 'bin/sealwright.mjs')}' "$@"\n`;
  writeFileSync(join(folder, 'bin/npx'), npx, { mode: 0o700 });
});
afterAll(async () => {
  await stack.stop();
  remove();
});

function shell(script: string): { status: number | null; stdout: string; stderr: string } {
  const PATH = `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`;
  return spawnSync('sh', ['-e'], { cwd: folder, input: script, encoding: 'utf8', env: { PATH } });
}

test('every command does what the README says, the second block without a service', async () => {
  const [online, offline, ...more] = blocksOf('Sign one file, verify it offline');
  expect(more).toEqual([]);
  const first = shell(online ?? 'false');
  expect(first.status, first.stderr).toBe(0);

  await stack.stop();
  rmSync(join(folder, '.sealwright'), { recursive: true });
  const second = shell(offline ?? 'false');
  expect(second.stdout).toMatch(/^Verified OK$/m);
  expect(second.stdout).toContain('The leaf is about exactly what was given as signed.');
  expect(second.stdout.trimEnd().split('\n').at(-1)).toBe('WARNING: SIMULATED, protects nothing');
  expect(second.status, second.stderr).toBe(1);

  writeFileSync(join(folder, 'README.md'), 'changed');
  const third = shell(offline ?? 'true');
  expect([third.status, third.stdout]).toEqual([1, 'Verification failure\n']);
});
