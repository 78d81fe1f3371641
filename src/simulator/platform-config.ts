/** The platform's configuration: one JSON file with paths and settings, no secrets (docs/OPERATIONS.md). */
import { isAbsolute, join, sep } from 'node:path';
import { SUITE_WORDS, type SuiteWord } from '../../enclave/wire/session/suites.ts';
import { DEFAULT_SUITE, defaultSources } from './defaults.ts';
import { DEFAULT_HARDENING, parseHardening, type HardeningConfig } from './hardening-config.ts';
import type { LaunchSources } from './launch-files.ts';
import { moduleSettingsProblems, type ModuleSettings } from './launch-manifest.ts';

export interface PlatformConfig {
  /** State folder; the platform's own is `platform` in it. */
  readonly stateFolder: string;
  /** The caller says that the state folder is new: only then may a root secret be drawn and kept. */
  readonly create: boolean;
  /** Folder of the built bundles and of pkcs11.node. */
  readonly bundles: string;
  /** The pinned Node binary. */
  readonly node: string;
  /** Unix socket on which the enclave listens for its host: at most 107 bytes. */
  readonly linkSocket: string;
  /** HSM workers: 1 to 16. */
  readonly workers: number;
  /** Of sessions (docs/spec/session.md). */
  readonly suite: SuiteWord;
  readonly module: ModuleSettings & {
    readonly path: string;
    /** What `@folder` stands for: where the module keeps tokens or its configuration. */
    readonly folder: string;
  };
  readonly hardening: HardeningConfig;
}

/** Every problem of a configuration, at JSON pointers. */
export class PlatformConfigError extends Error {
  override readonly name = 'PlatformConfigError';
  constructor(problems: readonly string[]) {
    super(`the platform's configuration is not usable:\n  ${problems.join('\n  ')}`);
  }
}

/** sun_path holds 108 bytes with its closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;
export const MAX_WORKERS = 16;

const KEYS = [
  'stateFolder',
  'create',
  'bundles',
  'node',
  'linkSocket',
  'workers',
  'suite',
  'module',
  'hardening',
];
const MODULE_KEYS = ['path', 'folder', 'options', 'environment'];

/** What `dev` and `serve` ask for: the clone's own enclave on SoftHSM, tokens in `stateFolder`/token. */
export function defaultPlatformConfig(request: {
  readonly stateFolder: string;
  readonly create: boolean;
  readonly linkSocket: string;
  readonly module?: string;
  readonly suite?: SuiteWord;
}): PlatformConfig {
  const sources = defaultSources(request.module);
  return {
    stateFolder: request.stateFolder,
    create: request.create,
    bundles: sources.bundles,
    node: sources.node,
    linkSocket: request.linkSocket,
    workers: sources.workers,
    suite: request.suite ?? sources.suite,
    module: {
      ...sources.settings,
      path: sources.module,
      folder: join(request.stateFolder, 'token'),
    },
    hardening: DEFAULT_HARDENING,
  };
}

/** The token's files lie in the state folder, so the platform makes them and gives them to the enclave. */
export function tokenIsOurs({ module, stateFolder }: PlatformConfig): boolean {
  return module.folder.startsWith(stateFolder + sep);
}

export function launchSources(config: PlatformConfig): LaunchSources {
  const { bundles, node, workers, suite, module } = config;
  const settings = { options: module.options, environment: module.environment };
  return { entry: 'simulated', bundles, node, workers, suite, module: module.path, settings };
}

type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTextMap = (value: unknown): value is Readonly<Record<string, string>> =>
  isObject(value) && Object.values(value).every((member) => typeof member === 'string');

/** Throws PlatformConfigError with every problem at once. */
export function parsePlatformConfig(value: unknown): PlatformConfig {
  const problems: string[] = [];
  if (!isObject(value)) throw new PlatformConfigError(['/: must be an object']);
  const module: Members = isObject(value['module']) ? value['module'] : {};
  const unknownKeys = (object: Members, known: readonly string[], place: string): void => {
    for (const key of Object.keys(object)) {
      if (!known.includes(key)) problems.push(`${place}/${key}: unknown key`);
    }
  };
  const path = (object: Members, key: string, place: string): string => {
    const found = object[key];
    // A line break would add a setting to the module's configuration, a colon a folder to the library path.
    // eslint-disable-next-line no-control-regex -- control characters are what is refused
    const harmful = /[\x00-\x1f:;]/;
    if (typeof found === 'string' && isAbsolute(found) && !harmful.test(found)) return found;
    problems.push(
      `${place}/${key}: must be an absolute path without control characters, ":" and ";"`,
    );
    return '/';
  };
  const textMap = (key: string): Readonly<Record<string, string>> => {
    const found = module[key];
    if (isTextMap(found)) return found;
    problems.push(`/module/${key}: must be an object of strings`);
    return {};
  };
  unknownKeys(value, KEYS, '');
  unknownKeys(module, MODULE_KEYS, '/module');
  const { create, workers } = value;
  if (typeof create !== 'boolean') problems.push('/create: must be true or false');
  const validWorkers =
    Number.isInteger(workers) && Number(workers) >= 1 && Number(workers) <= MAX_WORKERS;
  if (!validWorkers) problems.push(`/workers: must be an integer from 1 to ${String(MAX_WORKERS)}`);
  const suite = SUITE_WORDS.find((word) => word === value['suite']);
  if (suite === undefined) problems.push(`/suite: must be one of ${SUITE_WORDS.join(', ')}`);
  const config: PlatformConfig = {
    stateFolder: path(value, 'stateFolder', ''),
    create: create === true,
    bundles: path(value, 'bundles', ''),
    node: path(value, 'node', ''),
    linkSocket: path(value, 'linkSocket', ''),
    workers: Number(workers),
    suite: suite ?? DEFAULT_SUITE,
    module: {
      path: path(module, 'path', '/module'),
      folder: path(module, 'folder', '/module'),
      options: textMap('options'),
      environment: textMap('environment'),
    },
    hardening: parseHardening(value['hardening'], problems),
  };
  if (Buffer.byteLength(config.linkSocket) > MAX_SOCKET_PATH_BYTES) {
    problems.push(
      `/linkSocket: longer than ${String(MAX_SOCKET_PATH_BYTES)} bytes, which no Unix socket can be`,
    );
  }
  problems.push(...moduleSettingsProblems(config.module));
  if (problems.length > 0) throw new PlatformConfigError(problems);
  return config;
}
