/** Leaks on purpose, one of each kind: what the search must find. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import {
  Client,
  Metadata,
  Server,
  ServerCredentials,
  credentials,
  status,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { Status } from '../../../enclave/wire/gen/google/rpc/status.ts';
import { call } from '../host-harness.ts';
import type { CanaryClone } from './clone.ts';

export type Encode = (secret: Buffer) => Buffer;

/** What every kind of place is tried with; test/unit/canary.test.ts tries the rest. */
export const PLANTED: Readonly<Record<'raw' | 'hex' | 'base64' | 'UTF-16', Encode>> = {
  raw: (secret) => secret,
  hex: (secret) => Buffer.from(secret.toString('hex')),
  base64: (secret) => Buffer.from(secret.toString('base64')),
  'UTF-16': (secret) => Buffer.from(secret.toString('hex'), 'utf16le'),
};

const LEAKY = fileURLToPath(new URL('leaky.ts', import.meta.url));
const LEAK = '/leaky/Leak';
const QUIET = '--disable-warning=ExperimentalWarning';

export interface LeakyOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** It writes heap snapshot and report at SIGUSR2, as the hosts of this clone do. */
  readonly clone: CanaryClone;
}

/** A process that holds `secret`; ready. The caller ends it. */
export async function startLeaky(
  secret: Uint8Array,
  { args = [], env = {}, cwd, clone }: LeakyOptions,
): Promise<ChildProcessWithoutNullStreams> {
  const before = join(clone.root, 'test/support/canary/dump-on-signal.ts');
  const child = spawn(process.execPath, [QUIET, '--import', before, LEAKY, ...args], {
    cwd,
    env: { ...process.env, ...env },
  });
  child.stdin.end(secret);
  for await (const chunk of child.stdout) {
    if ((chunk as Buffer).includes('ready\n')) break;
  }
  return child;
}

export async function end(
  child: ChildProcessWithoutNullStreams,
  signal: NodeJS.Signals,
): Promise<void> {
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** Where a gRPC service can say something. */
export const GRPC_PLACES = ['answer', 'message', 'metadata', 'details'] as const;

/** Calls a service that says `bytes`, or `text` where only text can be, in one place. */
export async function callLeakyService(
  place: (typeof GRPC_PLACES)[number],
  bytes: Buffer,
  text: string,
): Promise<void> {
  const refusal = {
    code: status.INTERNAL,
    details: place === 'message' ? text : '',
    metadata:
      place === 'metadata'
        ? withMetadata('leak', text)
        : withMetadata('grpc-status-details-bin', statusWith(bytes)),
  };
  const server = new Server();
  const plain = (value: Buffer): Buffer => value;
  const answer = (_call: unknown, done: sendUnaryData<Buffer>): void => {
    if (place === 'answer') done(null, bytes);
    else done(place === 'message' ? { ...refusal, metadata: new Metadata() } : refusal);
  };
  server.register(LEAK, answer, plain, plain, 'unary');
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const client = new Client(`127.0.0.1:${String(port)}`, credentials.createInsecure());
  await call(client, LEAK);
  client.close();
  server.forceShutdown();
}

/** google.rpc.Status with one detail of a kind that nobody knows. */
function statusWith(value: Uint8Array): Buffer {
  const details = [{ typeUrl: 'type.googleapis.com/leak', value }];
  return Buffer.from(Status.encode({ code: status.INTERNAL, message: '', details }).finish());
}

function withMetadata(name: string, value: string | Buffer): Metadata {
  const metadata = new Metadata();
  metadata.set(name, value);
  return metadata;
}

/** A web server with a leak in a header and one in the body of every answer; resolves with its address and its end. */
export async function startLeakyWeb(header: string, body: Buffer) {
  const server = createServer((_request, answer) => {
    answer.setHeader('leak', header);
    answer.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { http: `127.0.0.1:${String(port)}`, close: () => server.close() };
}
