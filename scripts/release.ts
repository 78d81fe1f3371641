/**
 * Writes enclave/releases/NAME.json for the version in package.json: what the bundles built from this clone
 * measure to. With --check it compares instead, and exits 1 when the file is not that of this code.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundlesFolder } from '../src/simulator/defaults.ts';
import { SECURITY_VERSION } from '../src/simulator/launch-manifest.ts';
import { digestBundles } from '../src/simulator/measured-launch.ts';
import { measureBundles, type EntryKind } from '../src/simulator/measurement.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
};

function mr0(entry: EntryKind): string {
  return Buffer.from(measureBundles(entry, digestBundles(entry, bundlesFolder()))).toString('hex');
}

const release = {
  v: 1,
  kind: 'release',
  name: `sealwright ${manifest.version}`,
  svn: SECURITY_VERSION,
  MR0: { production: mr0('production'), simulated: mr0('simulated') },
};
const file = `enclave/releases/sealwright-${manifest.version}.json`;
const content = `${JSON.stringify(release, null, 2)}\n`;

function written(): string {
  try {
    return readFileSync(join(root, file), 'utf8');
  } catch {
    return '';
  }
}

if (!process.argv.includes('--check')) {
  mkdirSync(join(root, 'enclave/releases'), { recursive: true });
  writeFileSync(join(root, file), content);
} else if (written() !== content) {
  process.stderr.write(
    `release: ${file} is not the release of this code; if that is meant, run "npm run release"\n`,
  );
  process.exitCode = 1;
}
