/**
 * Prepares one launch of the enclave: private copy, registers, module configuration, command lines. After
 * this, everything that the enclave will execute lies in one folder and has been hashed there.
 */
import { mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, sep } from 'node:path';
import type { Hardening } from '../../enclave/wire/hardening.ts';
import { confine, type Confinement } from './confinement.ts';
import { listeningPath, removeStaleSocket } from './enclave-files.ts';
import { ENTRY_FILES, PLACES } from './launch-files.ts';
import { NODE_FLAGS, resolvePlaces, type Places } from './launch-manifest.ts';
import { LaunchError, listLibraries } from './library-closure.ts';
import { measurePrivateCopy } from './measured-launch.ts';
import type { Registers } from './measurement.ts';
import { launchSources, type PlatformConfig } from './platform-config.ts';

export interface PreparedLaunch {
  readonly registers: Registers;
  readonly svn: number;
  readonly launchManifest: Uint8Array;
  /** Program first. */
  readonly mainCommand: readonly string[];
  readonly workerCommand: readonly [string, ...string[]];
  readonly workerEnvironment: Readonly<Record<string, string>>;
  readonly modulePath: string;
  /** Where it listens: the host's path, or where that leads. */
  readonly linkSocket: string;
  readonly requiredHardening: readonly Hardening[];
  /** For the next launch on this machine. */
  readonly confinement: Confinement;
}

/** Asks the copied loader: every library of every copy must come from the private folder. */
function refuseForeignLibraries(
  folder: string,
  loaderOptions: readonly string[],
  files: readonly string[],
): void {
  for (const file of files) {
    const found = listLibraries(join(folder, PLACES.loader), join(folder, file), loaderOptions);
    for (const [name, path] of found) {
      if (!realpathSync(path).startsWith(realpathSync(folder) + sep)) {
        throw new LaunchError(
          `${file} would load ${name} from ${path}, which is not measured (an RPATH in the file?)`,
        );
      }
    }
  }
}

/** The module's configuration file, in the form `name = value` that SoftHSM and most others read. */
function writeModuleConfig(path: string, options: Readonly<Record<string, string>>): void {
  const lines = Object.entries(options).map(([name, value]) => `${name} = ${value}\n`);
  rmSync(path, { force: true });
  writeFileSync(path, lines.join(''), { mode: 0o400 });
}

/**
 * `known`: how an earlier launch was confined. Throws LaunchError when the set-up cannot be measured or started.
 */
export function prepareLaunch(
  config: PlatformConfig,
  folder: string,
  known?: Confinement,
): PreparedLaunch {
  removeStaleSocket(config);
  const sources = launchSources(config);
  const measured = measurePrivateCopy(sources, folder);
  const at = (place: string): string => join(folder, place);
  const modulePlace = join(PLACES.moduleFolder, basename(sources.module));
  const loaderOptions = ['--inhibit-cache', '--library-path', at(PLACES.libraries)];
  refuseForeignLibraries(folder, loaderOptions, [PLACES.node, PLACES.addon, modulePlace]);

  const places: Places = {
    '@config': at(PLACES.moduleConfig),
    '@folder': config.module.folder,
    '@libraries': at(PLACES.libraries),
  };
  writeModuleConfig(places['@config'], resolvePlaces(sources.settings.options, places));
  // SoftHSM does not start without it; an empty one shows no token, which the enclave can name.
  mkdirSync(config.module.folder, { recursive: true, mode: 0o700 });
  const confinement = confine(config, folder, known);

  // --argv0: the loader would otherwise put its own name into the process list.
  const program = [...loaderOptions, '--argv0', 'node', at(PLACES.node), ...NODE_FLAGS];
  return {
    registers: measured.registers,
    svn: measured.svn,
    launchManifest: measured.launchManifest,
    mainCommand: [
      ...confinement.prefix,
      at(PLACES.loader),
      ...program,
      at(ENTRY_FILES[sources.entry]),
    ],
    workerCommand: [at(PLACES.loader), ...program, at(PLACES.worker)],
    workerEnvironment: resolvePlaces(measured.moduleEnvironment, places),
    modulePath: at(modulePlace),
    linkSocket: listeningPath(config, confinement.user),
    requiredHardening: config.hardening.require,
    confinement,
  };
}
