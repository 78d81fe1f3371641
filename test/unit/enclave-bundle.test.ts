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
import { buildEnclave, buildEnclaveWith, bundles } from '../../scripts/build-enclave.ts';
import { digestBundles } from '../../src/simulator/measured-launch.ts';
import { measureBundles } from '../../src/simulator/measurement.ts';

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

describe('the enclave on another entry', () => {
  const CHAINED = 'scripts/bench/enclave/main-chained.ts';
  const text = (folder: string, file: string): string =>
    readFileSync(join(temporary, folder, file), 'utf8');
  /** The bundler writes the path of each file above its part. */
  const ownFiles = (bundle: string): string[] =>
    [...bundle.matchAll(/^\/\/ ([\w./-]+\.ts)$/gm)].map((match) => match[1] ?? '');

  beforeAll(async () => {
    await buildEnclave(root, join(temporary, 'release'));
    await buildEnclaveWith(root, CHAINED, join(temporary, 'chained'));
  }, 60_000);

  test('is a folder that the simulated platform can start, without a production entry', () => {
    expect(readdirSync(join(temporary, 'chained')).sort()).toEqual([
      'hsm-worker.cjs',
      'main-simulated.cjs',
      'pkcs11.node',
    ]);
    expect(text('chained', 'hsm-worker.cjs')).toBe(text('release', 'hsm-worker.cjs'));
  });

  test('measures as none of a release', () => {
    const mr0 = (entry: 'production' | 'simulated', folder: string): string =>
      Buffer.from(measureBundles(entry, digestBundles(entry, join(temporary, folder)))).toString(
        'hex',
      );
    const chained = mr0('simulated', 'chained');
    expect([mr0('simulated', 'release'), mr0('production', 'release')]).not.toContain(chained);
  });

  test.each(['main.cjs', 'main-simulated.cjs'])(
    'leaves %s of a release without chained release, and without a way to it',
    (file) => {
      const bundle = text('release', file);
      const files = ownFiles(bundle);
      expect(files).toContain('enclave/run.ts');
      expect(files.filter((path) => !path.startsWith('enclave/'))).toEqual([]);
      // The one log store that there is, and nobody who hands over another.
      expect(
        bundle.match(/^var durable = \(links\) => new LinkLogStore\(links\);$/gm),
      ).toHaveLength(1);
      expect(bundle.match(/\blogOver\b/g)).toHaveLength(2);
      expect(bundle.match(/\blogStore: /g)).toEqual(['logStore: ']);
      const starts = [...bundle.matchAll(/ await run\((.*)\);$/gm)].map((match) => match[1]);
      expect(starts).toEqual([file === 'main.cjs' ? 'launched' : 'await launchedBySimulator()']);
    },
  );

  test('has chained release where it was asked for', () => {
    const bundle = text('chained', 'main-simulated.cjs');
    expect(ownFiles(bundle).filter((path) => !path.startsWith('enclave/'))).toEqual([
      'scripts/bench/enclave/chained-log-store.ts',
      CHAINED,
    ]);
  });

  test.each([
    ['a file from outside both folders', '../src/host.ts', /may not contain src\/host\.ts/],
    ['a package that is not announced', '@grpc/grpc-js', /may not contain .*@grpc\/grpc-js/],
  ])('refuses %s', async (title, specifier, refusal) => {
    const folder = plant(`other ${title}`, {
      'entry/main.ts': `import * as it from '${specifier}';\nprocess.stdout.write(typeof it);`,
      'src/host.ts': 'export const host = 1;',
    });
    const built = buildEnclaveWith(folder, 'entry/main.ts', join(temporary, 'other-refused'));
    await expect(built).rejects.toThrow(refusal);
  });
});
