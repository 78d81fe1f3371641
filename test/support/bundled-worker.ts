/**
 * The program of a worker as one file: it starts in a third of the time that its sources take, and tests of the HSM
 * start hundreds.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** Below the repository, where it finds its package. */
const FOLDER = fileURLToPath(new URL('../../build', import.meta.url));

/** Builds it anew; the path of the bundle. Every process of a run writes the same bytes to the same place. */
export function bundledWorker(source: URL): string {
  const path = fileURLToPath(source);
  const { outputFiles } = buildSync({
    entryPoints: [path],
    bundle: true,
    write: false,
    external: ['pkcs11js'],
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    tsconfigRaw: {},
  });
  const bundle = join(FOLDER, `test-${basename(path, '.ts')}.cjs`);
  const unfinished = `${bundle}.${String(process.pid)}`;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(unfinished, outputFiles[0]?.contents ?? '');
  renameSync(unfinished, bundle);
  return bundle;
}
