// docs/RANKS.md shows a caller in Python: it is the example as it stands, and its commands sign on a real stack.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startStack, temporaryFolder, type Stack } from '../support/stack.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/RANKS.md'), 'utf8');
const PYTHON = '/usr/bin/python3';
const found = spawnSync(PYTHON, ['-c', 'import grpc, cryptography, google.protobuf']).status === 0;
if (!found)
  process.stderr.write('SKIPPED: docs/RANKS.md needs python3-grpcio, python3-cryptography\n');

const block = (language: string): string =>
  new RegExp(`^\`\`\`${language}\n([\\s\\S]+?)^\`\`\`$`, 'm').exec(page)?.[1] ?? '';

test('the page shows the program that there is', () => {
  expect(block('python')).toBe(readFileSync(join(root, 'docs/examples/call_signed.py'), 'utf8'));
});

describe.skipIf(!found)('its commands', () => {
  const folder = temporaryFolder();
  let stack: Stack;

  beforeAll(async () => {
    for (const name of ['docs', 'src']) symlinkSync(join(root, name), join(folder.path, name));
    for (const name of ['bin', 'build/try'])
      mkdirSync(join(folder.path, name), { recursive: true });
    writeFileSync(join(folder.path, 'README.md'), 'a file to sign');
    const npx = `#!/bin/sh\nshift\nexec node '${join(root, 'bin/sealwright.mjs')}' "$@"\n`;
    writeFileSync(join(folder.path, 'bin/npx'), npx, { mode: 0o700 });
    stack = await startStack({ state: join(folder.path, '.sealwright') });
  });
  afterAll(async () => {
    await stack.stop();
    folder.remove();
  });

  const shell = (script: string) =>
    spawnSync('sh', ['-e'], {
      cwd: folder.path,
      input: script,
      encoding: 'utf8',
      env: { PATH: `${join(folder.path, 'bin')}:${process.env['PATH'] ?? ''}` },
    });

  test('sign a file that openssl verifies, by an enclave that has just started', () => {
    const commands = block('').replace('127.0.0.1:7443', stack.ready.address);
    const { status, stdout, stderr } = shell(commands);
    expect(stdout, stderr).toMatch(/^Verified OK$/m);
    expect(status).toBe(0);
    writeFileSync(join(folder.path, 'README.md'), 'another file');
    expect(shell(commands.split('\n').slice(-2).join('\n')).stdout).toBe('Verification failure\n');
  });

  test('are refused for another cluster', () => {
    const commands = block('').replace('127.0.0.1:7443', stack.ready.address);
    const other = commands.replace('"$cluster"', '00'.repeat(32));
    const { status, stderr } = shell(other);
    expect(status).not.toBe(0);
    expect(stderr).toContain('StatusCode.UNAUTHENTICATED');
  });
});
