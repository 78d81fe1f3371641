/** A host process with a fake enclave, certificates and raw gRPC calls, for test/e2e/host-*.test.ts. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  Client,
  credentials,
  type ChannelCredentials,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import {
  BadRequest,
  ErrorInfo,
  ResourceInfo,
  RetryInfo,
} from '../../enclave/wire/gen/google/rpc/error_details.ts';
import { Status } from '../../enclave/wire/gen/google/rpc/status.ts';
import { ensureDevPki, type CertifiedKey, type DevPki } from '../../src/simulator/dev-pki.ts';
import { HOST_FLAGS } from '../../src/host/process-flags.ts';
import { FakeEnclave } from './fake-enclave.ts';

const MAIN = fileURLToPath(new URL('../../src/host/main.ts', import.meta.url));

export interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly [key: string]: unknown;
}

/** One host process. */
export class HostProcess {
  readonly child: ChildProcess;
  readonly logs: LogLine[] = [];
  /** Everything on stderr that was not a JSON object. Must stay empty. */
  readonly noise: string[] = [];
  grpc = '';
  http = '';

  /** `preload`: a module that runs in the host's process before it. `launcher`: what starts the program. */
  constructor(
    configFile: string,
    preload?: { readonly file: string; readonly env: NodeJS.ProcessEnv },
    launcher: readonly string[] = [],
  ) {
    const flags = ['--disable-warning=ExperimentalWarning', ...HOST_FLAGS];
    if (preload !== undefined) flags.push('--import', preload.file);
    const command = [process.execPath, ...flags, MAIN, '--config', configFile];
    const [program = '', ...args] = [...launcher, ...command];
    this.child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...preload?.env },
    });
    let rest = '';
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#line(line);
    });
  }

  #line(line: string): void {
    try {
      this.logs.push(JSON.parse(line) as LogLine);
    } catch {
      this.noise.push(line);
    }
  }

  /** Resolves with the one line on stdout, or rejects with what the host said when it ended. */
  async ready(): Promise<this> {
    const { stdout } = this.child;
    if (stdout === null) throw new Error('no stdout');
    const line = once(stdout.setEncoding('utf8'), 'data').then(([text]) => String(text));
    const exit = once(this.child, 'exit').then(() => undefined);
    const text = await Promise.race([line, exit]);
    if (text === undefined)
      throw new Error(`host ended: ${JSON.stringify(this.logs)} ${this.noise.join('\n')}`);
    const { listening } = JSON.parse(text) as { listening: { grpc: string; http?: string } };
    this.grpc = listening.grpc;
    this.http = listening.http ?? '';
    return this;
  }

  /** Ends the process and resolves with its exit code, or its signal. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const ended = this.child.exitCode ?? this.child.signalCode;
    if (ended !== null) return ended;
    const exit = once(this.child, 'close') as Promise<[number | null, string | null]>;
    this.child.kill(signal);
    const [code, by] = await exit;
    return code ?? by ?? '';
  }

  events(event: string): LogLine[] {
    return this.logs.filter((line) => line.event === event);
  }

  async logged(event: string, atLeast = 1): Promise<LogLine> {
    await until(() => this.events(event).length >= atLeast, `log event ${event}`);
    const line = this.events(event).at(-1);
    if (line === undefined) throw new Error(`no ${event}`);
    return line;
  }

  async readyz(): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await fetch(`http://${this.http}/readyz`);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://${this.http}/metrics`)).text();
  }
}

/** A folder with certificates, a fake enclave and the configuration of a host. */
export class HostBed {
  /** Short: paths of Unix sockets have 107 bytes. */
  readonly folder = mkdtempSync('/tmp/sw-host-');
  readonly pki: DevPki;
  readonly enclave: FakeEnclave;
  readonly unixSocket: string;
  readonly storeFile: string;
  readonly #clients: Client[] = [];
  readonly #hosts: HostProcess[] = [];

  constructor() {
    this.pki = ensureDevPki({ folder: this.path('pki'), clients: ['alice'] });
    this.enclave = new FakeEnclave(this.path('e.sock'));
    this.unixSocket = this.path('api.sock');
    this.storeFile = this.path('store.db');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  config(overrides: Record<string, unknown> = {}): string {
    const file = this.path(`host-${String(this.#hosts.length)}.json`);
    const { storeFile } = overrides;
    const config = {
      http: '127.0.0.1:0',
      unixSockets: [{ path: this.unixSocket, name: 'api' }],
      tls: {
        certFile: this.pki.server.cert,
        keyFile: this.pki.server.key,
        clientCaFile: this.pki.ca,
      },
      storeFile: this.storeFile,
      // Several hosts may run here, each with files of its own.
      logFolder: `${typeof storeFile === 'string' ? storeFile : this.storeFile}-log`,
      enclaveSocket: this.enclave.socketPath,
      ...overrides,
    };
    writeFileSync(file, JSON.stringify(config));
    return file;
  }

  /** Starts a host; does not wait for it. */
  spawn(overrides: Record<string, unknown> = {}): HostProcess {
    const host = new HostProcess(this.config(overrides));
    this.#hosts.push(host);
    return host;
  }

  start(overrides: Record<string, unknown> = {}): Promise<HostProcess> {
    return this.spawn(overrides).ready();
  }

  /** Starts host and enclave and waits until calls are answered. */
  async serve(overrides: Record<string, unknown> = {}): Promise<HostProcess> {
    await this.enclave.listen();
    const host = await this.start(overrides);
    await until(async () => (await host.readyz()).status === 200, 'ready');
    return host;
  }

  /** A client over TLS, with the certificate of alice unless told otherwise. */
  client(
    host: HostProcess,
    certificate: CertifiedKey | 'none' | undefined = this.pki.clients['alice'],
  ): Client {
    const ca = readFileSync(this.pki.ca);
    const own: ChannelCredentials =
      certificate === 'none' || certificate === undefined
        ? credentials.createSsl(ca)
        : credentials.createSsl(ca, readFileSync(certificate.key), readFileSync(certificate.cert));
    return this.#keep(new Client(host.grpc.replace('127.0.0.1', 'localhost'), own, OWN_CHANNEL));
  }

  unixClient(path = this.unixSocket): Client {
    return this.#keep(new Client(`unix:${path}`, credentials.createInsecure(), OWN_CHANNEL));
  }

  #keep(client: Client): Client {
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.#hosts.map((host) => host.stop('SIGKILL')));
    await this.enclave.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** grpc-js shares connections between clients of one process; each test needs its own. */
const OWN_CHANNEL = { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_retries': 0 };

export interface Outcome {
  readonly code: number;
  readonly message: string;
  readonly answer: Buffer | undefined;
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** undefined without RetryInfo. */
  readonly retryAfterMs: number | undefined;
  readonly fields: readonly string[];
  readonly resource: string | undefined;
}

export interface CallSettings {
  readonly deadlineMs?: number;
  readonly metadata?: Metadata;
  /** Called with a function that cancels. */
  readonly onStart?: (cancel: () => void) => void;
}

const identity = (bytes: Buffer): Buffer => bytes;

/** One unary call with bytes for messages. Never rejects. */
export function call(
  client: Client,
  path: string,
  request: Uint8Array = new Uint8Array(0),
  { deadlineMs, onStart }: CallSettings = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    const stream = client.makeUnaryRequest(
      path,
      identity,
      identity,
      Buffer.from(request),
      options,
      (error: ServiceError | null, answer?: Buffer) => {
        resolve(error === null ? { ...NO_ERROR, answer } : explain(error));
      },
    );
    onStart?.(() => {
      stream.cancel();
    });
  });
}

const NO_ERROR: Omit<Outcome, 'answer'> = {
  code: 0,
  message: '',
  reason: '',
  domain: '',
  metadata: {},
  retryAfterMs: undefined,
  fields: [],
  resource: undefined,
};

/** What a client reads out of `grpc-status-details-bin`. */
export function explain(error: ServiceError): Outcome {
  const [binary] = error.metadata.get('grpc-status-details-bin');
  const status = binary instanceof Buffer ? Status.decode(binary) : undefined;
  const detail = (name: string): Uint8Array | undefined =>
    status?.details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${name}`)
      ?.value;
  const info = ErrorInfo.decode(detail('ErrorInfo') ?? new Uint8Array(0));
  const retry = detail('RetryInfo');
  const delay = retry === undefined ? undefined : RetryInfo.decode(retry).retryDelay;
  const badRequest = detail('BadRequest');
  const resource = detail('ResourceInfo');
  return {
    code: error.code,
    message: error.details,
    answer: undefined,
    reason: info.reason,
    domain: info.domain,
    metadata: { ...info.metadata },
    retryAfterMs:
      delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6,
    fields:
      badRequest === undefined
        ? []
        : BadRequest.decode(badRequest).fieldViolations.map(({ field }) => field),
    resource: resource === undefined ? undefined : ResourceInfo.decode(resource).resourceName,
  };
}

/** Waits for a condition; fails after 10 s and says which. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(10);
  }
}
