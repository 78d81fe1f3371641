/**
 * The host's configuration: one JSON file. Paths only, never a secret: the file may be read by anybody.
 * Relative paths are refused, because a supervisor and a person have different working directories.
 */
import { basename, dirname, isAbsolute, join } from 'node:path';
import { MAX_SOCKET_PATH_BYTES } from './limits.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface UnixSocketConfig {
  readonly path: string;
  /** What the enclave is told of it; policies name it. */
  readonly name: string;
  readonly mode: number;
  /** Name or number; undefined leaves the group of the process. */
  readonly group: string | number | undefined;
}

export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
}

export interface HostConfig {
  readonly listen: ListenAddress;
  readonly unixSockets: readonly UnixSocketConfig[];
  readonly tls: TlsConfig;
  readonly http: ListenAddress | undefined;
  readonly storeFile: string;
  /** Tiles and journal of the log; one host each. */
  readonly logFolder: string;
  readonly enclaveSocket: string;
  readonly drainSeconds: number;
}

export const HOST_CONFIG_DEFAULTS = {
  listen: '127.0.0.1:0',
  unixSockets: [],
  unixSocketMode: '0660',
  drainSeconds: 10,
  /** Beside the store file. */
  logFolderName: 'log',
} as const;

/** Everything that is wrong with a configuration, each as `pointer: what was expected`. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

const REQUIRED = new Set(['tls', 'storeFile', 'enclaveSocket']);
const KNOWN = new Set([...REQUIRED, 'listen', 'unixSockets', 'http', 'logFolder', 'drainSeconds']);
const KNOWN_TLS = new Set(['certFile', 'keyFile', 'clientCaFile']);
const KNOWN_SOCKET = new Set(['path', 'name', 'mode', 'group']);

type Fields = Readonly<Record<string, unknown>>;

/** Reads values and collects what is wrong with them; the values it returns then are never used. */
class Reader {
  readonly problems: string[] = [];

  problem(pointer: string, text: string): void {
    this.problems.push(`${pointer === '' ? '/' : pointer}: ${text}`);
  }

  fields(
    pointer: string,
    value: unknown,
    known: ReadonlySet<string>,
    required: ReadonlySet<string>,
  ): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.problem(pointer, 'must be an object');
      return {};
    }
    for (const key of Object.keys(value)) {
      if (!known.has(key)) this.problem(`${pointer}/${escape(key)}`, 'unknown key');
    }
    for (const key of required) {
      if (!Object.hasOwn(value, key)) this.problem(`${pointer}/${key}`, 'is required');
    }
    return value as Fields;
  }

  path(pointer: string, value: unknown): string {
    if (value === undefined) return '';
    if (typeof value === 'string' && isAbsolute(value) && !value.includes('\0')) return value;
    this.problem(pointer, 'must be an absolute path');
    return '';
  }

  socketPath(pointer: string, value: unknown): string {
    const path = this.path(pointer, value);
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      this.problem(
        pointer,
        `must be at most ${String(MAX_SOCKET_PATH_BYTES)} bytes, or the kernel refuses it`,
      );
    }
    return path;
  }

  address(pointer: string, value: unknown): ListenAddress {
    const match =
      typeof value === 'string'
        ? /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:/]+)):(\d{1,5})$/.exec(value)
        : null;
    const port = Number(match?.[3]);
    if (match !== null && port <= 65535) return { host: match[1] ?? match[2] ?? '', port };
    this.problem(pointer, 'must be "HOST:PORT" or "[IPV6]:PORT" with a port from 0 to 65535');
    return { host: '', port: 0 };
  }

  mode(pointer: string, value: unknown): number {
    if (typeof value === 'string' && /^0?[0-7]{3}$/.test(value)) return Number.parseInt(value, 8);
    this.problem(pointer, 'must be an octal string such as "0660"');
    return 0;
  }

  group(pointer: string, value: unknown): string | number | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
    if (typeof value === 'string' && /^[a-z_][a-z0-9_-]{0,31}$/i.test(value)) return value;
    this.problem(pointer, 'must be the name or the number of a group');
    return undefined;
  }
}

/** JSON pointer escapes (RFC 6901 §3). */
function escape(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function readSocket(reader: Reader, pointer: string, value: unknown): UnixSocketConfig {
  const fields = reader.fields(pointer, value, KNOWN_SOCKET, new Set(['path']));
  const path = reader.socketPath(`${pointer}/path`, fields['path']);
  const name = fields['name'] ?? basename(path);
  const named = typeof name === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(name);
  if (!named && path !== '') {
    reader.problem(`${pointer}/name`, 'must be 1 to 64 of A-Z, a-z, 0-9, ".", "_", "-"');
  }
  return {
    path,
    name: named ? name : '',
    mode: reader.mode(`${pointer}/mode`, fields['mode'] ?? HOST_CONFIG_DEFAULTS.unixSocketMode),
    group: reader.group(`${pointer}/group`, fields['group']),
  };
}

function readSockets(reader: Reader, value: unknown): UnixSocketConfig[] {
  if (!Array.isArray(value)) {
    reader.problem('/unixSockets', 'must be an array');
    return [];
  }
  const sockets = value.map((item, index) =>
    readSocket(reader, `/unixSockets/${String(index)}`, item),
  );
  for (const key of ['path', 'name'] as const) {
    sockets.forEach((socket, index) => {
      if (socket[key] !== '' && sockets.findIndex((other) => other[key] === socket[key]) < index) {
        reader.problem(`/unixSockets/${String(index)}/${key}`, 'is used twice');
      }
    });
  }
  return sockets;
}

/** Checks a parsed configuration file. Throws ConfigError with every problem at once. */
export function parseHostConfig(input: unknown): HostConfig {
  const reader = new Reader();
  const fields = reader.fields('', input, KNOWN, REQUIRED);
  const tls =
    fields['tls'] === undefined ? {} : reader.fields('/tls', fields['tls'], KNOWN_TLS, KNOWN_TLS);
  const drainSeconds = fields['drainSeconds'] ?? HOST_CONFIG_DEFAULTS.drainSeconds;
  if (typeof drainSeconds !== 'number' || !(drainSeconds >= 0 && drainSeconds <= 600)) {
    reader.problem('/drainSeconds', 'must be a number from 0 to 600');
  }
  const storeFile = reader.path('/storeFile', fields['storeFile']);
  const config: HostConfig = {
    listen: reader.address('/listen', fields['listen'] ?? HOST_CONFIG_DEFAULTS.listen),
    unixSockets: readSockets(reader, fields['unixSockets'] ?? HOST_CONFIG_DEFAULTS.unixSockets),
    tls: {
      certFile: reader.path('/tls/certFile', tls['certFile']),
      keyFile: reader.path('/tls/keyFile', tls['keyFile']),
      clientCaFile: reader.path('/tls/clientCaFile', tls['clientCaFile']),
    },
    http: fields['http'] === undefined ? undefined : reader.address('/http', fields['http']),
    storeFile,
    logFolder:
      fields['logFolder'] === undefined
        ? join(dirname(storeFile), HOST_CONFIG_DEFAULTS.logFolderName)
        : reader.path('/logFolder', fields['logFolder']),
    enclaveSocket: reader.socketPath('/enclaveSocket', fields['enclaveSocket']),
    drainSeconds: Number(drainSeconds),
  };
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return deepFreeze(config);
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value) as unknown[]) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
