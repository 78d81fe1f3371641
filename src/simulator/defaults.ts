/** Where things are in a clone: what `dev`, `serve` and `npm run -s measure` launch when nothing else is said. */
import { existsSync } from 'node:fs';
import { arch } from 'node:process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SUITES } from '../../enclave/wire/session/suites.ts';
import type { LaunchSources } from './launch-files.ts';
import { SOFTHSM } from './launch-manifest.ts';
import { LaunchError } from './library-closure.ts';

export const REPOSITORY_FOLDER = fileURLToPath(new URL('../..', import.meta.url));

/** Two: one may be killed at its deadline while the other one still signs. */
export const DEFAULT_WORKERS = 2;

/** Every client has it, and its keys and openings are the smallest. */
export const DEFAULT_SUITE = SUITES[1].word;

const SOFTHSM_PATHS = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];

/** Path of SoftHSM 2. Throws LaunchError when it is not installed. */
export function findSoftHsm(): string {
  const found = SOFTHSM_PATHS.find((path) => existsSync(path));
  if (found === undefined) {
    throw new LaunchError(
      `SoftHSM 2 is not installed: none of ${SOFTHSM_PATHS.join(', ')} exists; run npm run setup`,
    );
  }
  return found;
}

export const bundlesFolder = (): string => join(REPOSITORY_FOLDER, 'build/enclave');

/** The pinned Node of this clone, whichever Node runs this program. */
export const pinnedNode = (): string =>
  join(REPOSITORY_FOLDER, 'node_modules', `node-linux-${arch}`, 'bin/node');

/** The clone's own enclave, on SoftHSM unless another module is named; that one needs settings of its own. */
export function defaultSources(module = findSoftHsm()): LaunchSources {
  return {
    entry: 'simulated',
    bundles: bundlesFolder(),
    node: pinnedNode(),
    module,
    settings: SOFTHSM,
    workers: DEFAULT_WORKERS,
    suite: DEFAULT_SUITE,
  };
}
