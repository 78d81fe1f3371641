/** The file of `serve`: state folder, host, platform. Every problem is told at once. */
import { isAbsolute, join } from 'node:path';
import { ConfigError, parseHostConfig } from '../host/config.ts';
import { LaunchError } from '../simulator/library-closure.ts';
import {
  PlatformConfigError,
  defaultPlatformConfig,
  parsePlatformConfig,
} from '../simulator/platform-config.ts';
import type { PlatformConfig } from '../simulator/platform-config.ts';
import { statePaths } from './state-folder.ts';

export interface ServeConfig {
  /** Absolute path of the state folder. */
  readonly state: string;
  /** As `src/host/config.ts` reads it, without `enclaveSocket`. */
  readonly host: Readonly<Record<string, unknown>>;
  readonly drainSeconds: number;
  readonly platform: PlatformSettings;
  /** Put into `connection.json` for the commands of this computer. */
  readonly client: ClientFiles | undefined;
}

export type PlatformSettings = Readonly<Record<string, unknown>>;

export interface ClientFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export class ServeConfigError extends Error {
  override readonly name = 'ServeConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.problems = problems;
  }
}

type Members = Readonly<Record<string, unknown>>;

const KEYS = ['state', 'host', 'platform', 'client'];
const CLIENT_KEYS = ['caFile', 'certFile', 'keyFile'] as const;
const PLATFORM_KEYS = ['workers', 'suite', 'module', 'hardening'];
/** What stands where a run puts its own socket: only for checking. */
const SOME_SOCKET = '/run/link.sock';

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Throws ServeConfigError with every problem, each as `pointer: what was expected`. */
export function parseServeConfig(value: unknown): ServeConfig {
  if (!isObject(value)) throw new ServeConfigError(['/: must be an object']);
  const problems: string[] = [];
  unknownKeys(problems, '', value, KEYS);
  const state = absolutePath(problems, '/state', value['state']);
  const host = section(problems, 'host', value);
  const platform = section(problems, 'platform', { platform: {}, ...value });
  const client = readClient(problems, value['client']);
  const checkedHost = checkHost(problems, host, state);
  unknownKeys(problems, '/platform', platform, PLATFORM_KEYS);
  const checked = collect(problems, '/platform', () =>
    platformConfig(platform, state, SOME_SOCKET, false),
  );
  if (problems.length > 0 || checkedHost === undefined || checked === undefined) {
    throw new ServeConfigError(problems);
  }
  return { state, ...checkedHost, platform, client };
}

/** The platform's configuration: defaults, with what the file says over them. Throws what its parser throws. */
export function platformConfig(
  settings: PlatformSettings,
  state: string,
  linkSocket: string,
  create: boolean,
): PlatformConfig {
  const { module, ...rest } = settings;
  const given: Members = isObject(module) ? module : {};
  const path = typeof given['path'] === 'string' ? { module: given['path'] } : {};
  const defaults = defaultPlatformConfig({ stateFolder: state, create, linkSocket, ...path });
  return parsePlatformConfig({
    ...defaults,
    ...rest,
    module: module === undefined || isObject(module) ? { ...defaults.module, ...given } : module,
  });
}

function checkHost(
  problems: string[],
  host: Members,
  state: string,
): Pick<ServeConfig, 'host' | 'drainSeconds'> | undefined {
  if ('enclaveSocket' in host)
    problems.push('/host/enclaveSocket: is chosen at each start; leave it away');
  const config = { storeFile: statePaths(state).store, ...host };
  return collect(problems, '/host', () => {
    const { drainSeconds } = parseHostConfig({ ...config, enclaveSocket: SOME_SOCKET });
    return { host: config, drainSeconds };
  });
}

/** Runs a part's own parser and puts its problems under the part's pointer. */
function collect<Part>(problems: string[], pointer: string, parse: () => Part): Part | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ConfigError)
      problems.push(...error.problems.map((problem) => `${pointer}${problem}`));
    else if (error instanceof PlatformConfigError) {
      // Its message is a heading and one indented line per problem.
      const lines = error.message.split('\n').slice(1);
      problems.push(...lines.map((line) => `${pointer}${line.trim()}`));
    } else if (error instanceof LaunchError) problems.push(`${pointer}/module: ${error.message}`);
    else throw error;
    return undefined;
  }
}

function section(problems: string[], name: string, value: Members): Members {
  const found = value[name];
  if (isObject(found)) return found;
  problems.push(`/${name}: must be an object`);
  return {};
}

function readClient(problems: string[], value: unknown): ClientFiles | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) {
    problems.push('/client: must be an object');
    return undefined;
  }
  unknownKeys(problems, '/client', value, CLIENT_KEYS);
  const [caFile, certFile, keyFile] = CLIENT_KEYS.map((key) =>
    absolutePath(problems, `/client/${key}`, value[key]),
  ) as [string, string, string];
  return { caFile, certFile, keyFile };
}

function unknownKeys(
  problems: string[],
  pointer: string,
  value: Members,
  known: readonly string[],
): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) problems.push(`${pointer}/${key}: unknown key`);
  }
}

function absolutePath(problems: string[], pointer: string, value: unknown): string {
  if (typeof value === 'string' && isAbsolute(value) && !value.includes('\0')) return value;
  problems.push(`${pointer}: must be an absolute path`);
  return join('/', 'unset');
}
