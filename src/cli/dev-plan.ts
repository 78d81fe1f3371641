/** From the options of `dev` to what the supervisor starts. */
import { isIP } from 'node:net';
import { join } from 'node:path';
import { SUITE_WORDS, type SuiteWord } from '../../enclave/wire/session/suites.ts';
import { ConfigError, parseHostConfig } from '../host/config.ts';
import { ensureDevPki } from '../simulator/dev-pki.ts';
import type { DevPki } from '../simulator/dev-pki.ts';
import { DEFAULT_SUITE } from '../simulator/defaults.ts';
import { LaunchError } from '../simulator/library-closure.ts';
import { defaultPlatformConfig } from '../simulator/platform-config.ts';
import type { PlatformConfig } from '../simulator/platform-config.ts';
import { linkSocket } from '../supervisor/supervisor.ts';
import { remember, statePaths, type StateFolder } from '../supervisor/state-folder.ts';
import { readJsonFile } from './canonical-file.ts';
import { CliError, usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';
import { DEV_CALLER, GUEST_CALLER, STRANGER } from '../simulator/dev-policy.ts';
import { EXIT } from './exit-status.ts';

const DEFAULT_LISTEN = '127.0.0.1:7443';
const DEFAULT_HTTP = '127.0.0.1:7480';
const ANY_PORT = '127.0.0.1:0';

/** What a host file of `dev` may say; the rest is made by `dev` itself. */
const HOST_KEYS = ['listen', 'http', 'unixSockets', 'drainSeconds'];

export interface HostSettings {
  readonly listen: string;
  readonly http: string;
  readonly unixSockets: unknown;
  readonly drainSeconds: unknown;
}

/** Reads and checks the options before anything is touched. Throws CliError with all problems. */
export function hostSettings(input: Arguments): HostSettings {
  const file = input.text('config');
  const given = file === undefined ? {} : readHostFile(file);
  // With a program there is nobody who would type the address, and runs side by side must not collide.
  const withProgram = input.program !== undefined;
  const text = (key: 'listen' | 'http', fallback: string): string =>
    (input.text(key) ?? given[key] ?? (withProgram ? ANY_PORT : fallback)) as string;
  return {
    listen: text('listen', DEFAULT_LISTEN),
    http: text('http', DEFAULT_HTTP),
    unixSockets: given['unixSockets'],
    drainSeconds: given['drainSeconds'] ?? 10,
  };
}

function readHostFile(file: string): Readonly<Record<string, unknown>> {
  const value = readJsonFile(file);
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw usageError(
      `${file} is not an object`,
      `an object with some of ${HOST_KEYS.join(', ')}`,
      'correct it',
    );
  }
  const foreign = Object.keys(value).filter((key) => !HOST_KEYS.includes(key));
  if (foreign.length === 0) return value as Readonly<Record<string, unknown>>;
  throw usageError(
    `${file}: ${foreign.map((key) => `/${key}`).join(', ')} cannot be set`,
    `some of ${HOST_KEYS.join(', ')}: dev makes certificates, store and sockets itself`,
    'leave them away, or use "npx sealwright serve"',
  );
}

export interface DevHost {
  readonly config: Readonly<Record<string, unknown>>;
  readonly drainSeconds: number;
  /** Names of its Unix sockets, which its callers have in the policy. */
  readonly sockets: readonly string[];
}

/** The host's configuration, checked as the host itself will check it. Throws CliError with all problems. */
export function devHost(
  settings: HostSettings,
  state: string,
  runFolder: string,
  pki: DevPki,
): DevHost {
  const config = {
    ...settings,
    // The permissions of the folder keep other users out.
    unixSockets: settings.unixSockets ?? [
      { path: join(runFolder, 'api.sock'), name: 'dev', mode: '0600' },
    ],
    tls: { certFile: pki.server.cert, keyFile: pki.server.key, clientCaFile: pki.ca },
    storeFile: statePaths(state).store,
  };
  try {
    const parsed = parseHostConfig({ ...config, enclaveSocket: linkSocket(runFolder) });
    const sockets = parsed.unixSockets.map(({ name }) => name);
    return { config, drainSeconds: parsed.drainSeconds, sockets };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw usageError(
      error.problems.join('; '),
      'HOST:PORT with port 0 for any free one, and valid settings',
      'correct --listen, --http or the file of --config',
    );
  }
}

export function devPki(state: string, settings: HostSettings): DevPki {
  const hosts = [settings.listen, settings.http].map(hostOf).filter((host) => !isWildcard(host));
  return ensureDevPki({
    folder: statePaths(state).pki,
    hosts: [...new Set(hosts)],
    clients: [DEV_CALLER, GUEST_CALLER, STRANGER],
  });
}

/** What is sealed in a folder opens under the measurement that sealed it, and the suite is part of that. */
function suiteFor({ path, suite: kept, clusterId }: StateFolder, input: Arguments): SuiteWord {
  const asked = input.text('suite') ?? kept;
  const suite = SUITE_WORDS.find((word) => word === asked) ?? DEFAULT_SUITE;
  if (clusterId !== undefined && suite !== (kept ?? DEFAULT_SUITE)) {
    throw new CliError({
      status: EXIT.usage,
      problem: `${path} holds a cluster with sessions of suite ${kept ?? DEFAULT_SUITE}`,
      expected: 'that suite: what is sealed there opens for no other launch',
      wayOut: 'leave --suite away, or name another folder with --state',
    });
  }
  remember(path, { suite });
  return suite;
}

/** Only for a folder that has never had a platform may one be made. */
export function devPlatform(
  folder: StateFolder,
  runFolder: string,
  input: Arguments,
): PlatformConfig {
  const { path: stateFolder, isNew: create } = folder;
  const suite = suiteFor(folder, input);
  try {
    return defaultPlatformConfig({
      stateFolder,
      create,
      linkSocket: linkSocket(runFolder),
      suite,
    });
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    throw new CliError({
      status: EXIT.refused,
      problem: error.message,
      wayOut: 'run "npm run setup"',
    });
  }
}

/** Without its brackets. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replaceAll(/^\[|\]$/g, '');
}

function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || (isIP(host) === 6 && /^[0:]+$/.test(host));
}

/** What a client on this computer dials for what a server listens on. */
export function dialable(address: string): string {
  if (!isWildcard(hostOf(address))) return address;
  return `127.0.0.1${address.slice(address.lastIndexOf(':'))}`;
}
