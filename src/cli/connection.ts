/** From options and environment to an open client. grpc-js is loaded only when there is an address. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SealwrightClient } from '../client/client.ts';
import type { Endpoint, GrpcTransport } from '../client/grpc-transport.ts';
import { connectionPath, readConnection } from '../supervisor/connection-file.ts';
import type { ConnectionFile } from '../supervisor/connection-file.ts';
import { unavailable, usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';

export const DEFAULT_STATE = '.sealwright';

type Environment = Readonly<Record<string, string | undefined>>;

const PARTS = ['address', 'ca', 'cert', 'key'] as const;
type Part = (typeof PARTS)[number];

/** A client, and the plain channel under it. */
export interface Connection {
  readonly endpoint: Endpoint;
  readonly grpc: GrpcTransport;
  readonly client: SealwrightClient;
}

/** Runs `use` with a connection and closes it whatever happens. */
export async function withConnection<Result>(
  input: Arguments,
  use: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const endpoint = resolveEndpoint(input, process.env);
  const [{ SealwrightClient: Client }, { GrpcTransport: Grpc }] = await Promise.all([
    import('../client/client.ts'),
    import('../client/grpc-transport.ts'),
  ]);
  const grpc = openChannel(Grpc, endpoint);
  try {
    return await use({ endpoint, grpc, client: new Client(grpc) });
  } finally {
    await grpc.close();
  }
}

/** Runs `use` with a client and closes it whatever happens. */
export function withClient<Result>(
  input: Arguments,
  use: (client: SealwrightClient) => Promise<Result>,
): Promise<Result> {
  return withConnection(input, ({ client }) => use(client));
}

function openChannel(Grpc: typeof GrpcTransport, endpoint: Endpoint): GrpcTransport {
  try {
    return new Grpc(endpoint);
  } catch (error) {
    throw usageError(
      `certificate, key or authority cannot be used: ${messageOf(error)}`,
      'PEM files that belong together',
      'check --ca, --cert and --key',
    );
  }
}

/** Options win over environment, addresses over state folders. Throws CliError. */
export function resolveEndpoint(input: Arguments, environment: Environment): Endpoint {
  const given = PARTS.filter((part) => input.text(part) !== undefined);
  const socket = input.text('socket');
  const state = input.text('state');
  const ways = [
    ...(socket === undefined ? [] : ['--socket']),
    ...(state === undefined ? [] : ['--state']),
    ...(given.length === 0 ? [] : [`--${String(given[0])}`]),
  ];
  if (ways.length > 1) {
    throw usageError(
      `${ways.join(' and ')} name the service in different ways`,
      'one of --state, --socket, or --address with --ca, --cert, --key',
      'leave the others away',
    );
  }
  if (socket !== undefined) return { kind: 'socket', path: resolve(socket) };
  if (state !== undefined) return fromState(state);
  if (given.length > 0 || isSet(environment['SEALWRIGHT_ADDRESS']))
    return fromParts(input, environment);
  const fromEnvironment = environment['SEALWRIGHT_STATE'];
  return fromState(isSet(fromEnvironment) ? fromEnvironment : DEFAULT_STATE);
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}

function fromParts(input: Arguments, environment: Environment): Endpoint {
  const part = (name: Part): string => {
    const variable = `SEALWRIGHT_${name.toUpperCase()}`;
    const value = input.text(name) ?? environment[variable];
    if (isSet(value)) return value;
    throw usageError(
      `--${name} is missing`,
      '--address, --ca, --cert and --key together, each as option or in SEALWRIGHT_*',
      `add --${name}, set ${variable}, or name a state folder with --state`,
    );
  };
  const [address, ca, cert, key] = PARTS.map(part) as [string, string, string, string];
  return tlsEndpoint(address, ca, cert, key);
}

function fromState(folder: string): Endpoint {
  const state = resolve(folder);
  if (!existsSync(state)) {
    throw usageError(
      `there is no state folder ${state}`,
      'the state folder of a service on this computer',
      'start one with "npx sealwright dev", or name the service with --state or --address',
    );
  }
  const connection = readConnectionOrExplain(state);
  if (connection === undefined) {
    throw unavailable(
      `no service runs on ${state}`,
      'start it with "npx sealwright dev" or "npx sealwright serve"',
    );
  }
  return readEndpoint(connection);
}

/** The best way in that a connection file offers: TLS with a certificate, else a socket. Throws CliError. */
export function readEndpoint({ address, ca, cert, key, sockets }: ConnectionFile): Endpoint {
  if (address !== undefined && ca !== undefined && cert !== undefined && key !== undefined) {
    return tlsEndpoint(address, ca, cert, key);
  }
  const [first] = sockets;
  if (first !== undefined) return { kind: 'socket', path: first };
  throw usageError(
    'the service offers neither a client certificate nor a socket to this computer',
    'a service with a Unix socket, or our own certificate',
    `give --ca, --cert and --key with --address ${address ?? 'HOST:PORT'}`,
  );
}

function readConnectionOrExplain(state: string): ConnectionFile | undefined {
  try {
    return readConnection(state);
  } catch (error) {
    throw usageError(
      `${connectionPath(state)} cannot be read: ${messageOf(error)}`,
      'the file that "dev" and "serve" write',
      'start the service again',
    );
  }
}

function tlsEndpoint(address: string, ca: string, cert: string, key: string): Endpoint {
  if (!/^(\[[0-9a-fA-F:.]+\]|[^:/\s]+):\d{1,5}$/.test(address)) {
    throw usageError(
      `"${address}" is no address`,
      'HOST:PORT, for example 127.0.0.1:7443',
      'correct it',
    );
  }
  return {
    kind: 'tls',
    address,
    ca: readPem('ca', ca),
    cert: readPem('cert', cert),
    key: readPem('key', key),
  };
}

function readPem(part: Part, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw usageError(`--${part}: ${messageOf(error)}`, 'a readable PEM file', 'correct the path');
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
