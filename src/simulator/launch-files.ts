/**
 * The files of one launch: which they are, under which names they are measured, and where their copies
 * lie in the platform's private folder.
 */
import { basename, join } from 'node:path';
import type { SuiteWord } from '../../enclave/wire/session/suites.ts';
import type { ModuleSettings } from './launch-manifest.ts';
import { libraryClosure, readInterpreter, refusePreload } from './library-closure.ts';
import type { EntryKind } from './measurement.ts';

/** What to launch: paths of the host, and the settings that MR2 measures. */
export interface LaunchSources {
  readonly entry: EntryKind;
  /** Folder of the built bundles and of pkcs11.node. */
  readonly bundles: string;
  /** The pinned Node binary. */
  readonly node: string;
  /** The PKCS#11 module. */
  readonly module: string;
  readonly settings: ModuleSettings;
  readonly workers: number;
  /** Of sessions. */
  readonly suite: SuiteWord;
}

/** One file to measure. */
export interface LaunchFile {
  /** Measured name. */
  readonly name: string;
  readonly source: string;
  /** Place of the copy, relative to the private folder. */
  readonly place: string;
}

export interface LaunchFiles {
  readonly bundles: readonly LaunchFile[];
  readonly runtime: readonly LaunchFile[];
  readonly module: LaunchFile;
}

export const ENTRY_FILES = {
  production: 'main.cjs',
  simulated: 'main-simulated.cjs',
} as const satisfies Record<EntryKind, string>;

/** Places in the private folder. */
export const PLACES = {
  loader: 'loader',
  libraries: 'lib',
  node: 'node',
  worker: 'hsm-worker.cjs',
  // Beside the bundles: the worker's bundle asks for ./pkcs11.node.
  addon: 'pkcs11.node',
  moduleFolder: 'module',
  moduleConfig: 'module.conf',
} as const;

/** The bundles alone: MR0 needs no PKCS#11 module and no loader. */
export function bundleFiles(entry: EntryKind, bundles: string): LaunchFile[] {
  const main = ENTRY_FILES[entry];
  return [
    { name: 'main', source: join(bundles, main), place: main },
    { name: 'hsm-worker', source: join(bundles, PLACES.worker), place: PLACES.worker },
  ];
}

/** Every file of the launch. Throws LaunchError when the loader could not load it from a private copy. */
export function launchFiles(sources: LaunchSources): LaunchFiles {
  refusePreload();
  const interpreter = readInterpreter(sources.node);
  const addon = join(sources.bundles, PLACES.addon);
  const libraries = libraryClosure(interpreter, [sources.node, addon, sources.module]);
  const moduleName = basename(sources.module);
  return {
    bundles: bundleFiles(sources.entry, sources.bundles),
    runtime: [
      { name: 'node', source: sources.node, place: PLACES.node },
      { name: 'addon', source: addon, place: PLACES.addon },
      { name: 'interpreter', source: interpreter, place: PLACES.loader },
      ...[...libraries].map(([name, source]) => ({
        name: `lib/${name}`,
        source,
        place: join(PLACES.libraries, name),
      })),
    ],
    module: {
      name: moduleName,
      source: sources.module,
      place: join(PLACES.moduleFolder, moduleName),
    },
  };
}
