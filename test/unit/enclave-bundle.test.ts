import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildEnclave, bundles } from '../../scripts/build-enclave.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let temporary = '';

beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), 'sealwright-bundle-'));
});
afterAll(() => {
  rmSync(temporary, { recursive: true, force: true });
});

/** Name and SHA-256 of every file of a folder. */
function digests(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const hash = createHash('sha256').update(readFileSync(join(folder, name)));
      return `${name} ${hash.digest('hex')}`;
    });
}

/** A repository that holds nothing but the given enclave files. */
function plant(name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(temporary, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

describe('the enclave bundles', () => {
  test('are the same bytes from another folder, whatever lies around there', async () => {
    const elsewhere = join(temporary, 'a folder', 'with a much longer path');
    const packages = new Set(bundles.flatMap((bundle) => bundle.packages));
    // package.json is an input: its "type" says how modules import CommonJS.
    const inputs = ['package.json', 'enclave'];
    for (const path of [...inputs, ...[...packages].map((name) => `node_modules/${name}`)]) {
      cpSync(join(root, path), join(elsewhere, path), { recursive: true });
    }
    // A tsconfig that a bundler finds changes what it writes.
    const misleading = { compilerOptions: { target: 'ES5', useDefineForClassFields: false } };
    for (const folder of ['.', 'enclave', 'enclave/wire']) {
      writeFileSync(join(elsewhere, folder, 'tsconfig.json'), JSON.stringify(misleading));
    }

    await buildEnclave(root, join(temporary, 'here'));
    await buildEnclave(elsewhere, join(temporary, 'there'));

    const here = digests(join(temporary, 'here'));
    expect(here).toHaveLength(bundles.length + 1);
    expect(digests(join(temporary, 'there'))).toEqual(here);
  });

  test('are strict, as the modules that they come from', async () => {
    const folder = plant('strict', {
      'enclave/main.ts': '(Object.freeze({ a: 1 }) as { a: number }).a = 2;',
      'enclave/main-simulated.ts': '',
      'enclave/hsm/worker.ts': '',
    });
    await buildEnclave(folder, join(temporary, 'strict-out'));
    const bundle = readFileSync(join(temporary, 'strict-out', 'main.cjs'), 'utf8');
    expect(bundle.startsWith(`'use strict';\n`)).toBe(true);
  });

  test.each([
    ['the simulated platform', './platform/simulated/attester.ts', /may not contain enclave\/plat/],
    ['a package that is not announced', '@grpc/grpc-js', /may not contain .*@grpc\/grpc-js/],
    ['a file from outside', '../src/host.ts', /may not contain src\/host\.ts/],
    ['the addon, which only the worker loads', 'pkcs11js', /may not contain .*pkcs11js/],
    ['another addon', './other.node', /not an addon that the enclave may load/],
  ])('refuse %s in the production entry', async (title, specifier, refusal) => {
    const folder = plant(title, {
      'enclave/main.ts': `import * as it from '${specifier}';\nprocess.stdout.write(typeof it);`,
      'enclave/platform/simulated/attester.ts': 'export const attester = 1;',
      'src/host.ts': 'export const host = 1;',
    });
    await expect(buildEnclave(folder, join(temporary, 'refused'))).rejects.toThrow(refusal);
  });
});
