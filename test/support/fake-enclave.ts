/**
 * An enclave for tests of the host: the real link over a real socket, answers from the test. Runs inside a
 * test, or as a process of its own (`node fake-enclave.ts SOCKET`) that answers Sign with a fixed response.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { GetStatusResponse, Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { Link, type CallHandler, type IncomingCall } from '../../enclave/wire/link.ts';
import { METHODS } from '../../enclave/wire/methods.ts';

export class FakeEnclave {
  readonly socketPath: string;
  /** Every call that arrived, newest last; polls of the status are left out. */
  readonly calls: IncomingCall[] = [];
  readonly #handlers = new Map<string, CallHandler>();
  readonly #connections = new Map<Socket, Link>();
  #server: Server | undefined;
  #phase: Phase = Phase.PHASE_SERVING;
  #haltReason = '';
  /** What GetStatus tells of alarms. */
  alarms: string[] = [];

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Listens; after `kill` it may listen again, as a restarted enclave does. */
  async listen(): Promise<void> {
    rmSync(this.socketPath, { force: true });
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
    this.#server.listen({ path: this.socketPath });
    await once(this.#server, 'listening');
  }

  /** As `kill -9` looks from outside: every connection is reset, nobody listens. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#connections.keys()) socket.destroy();
    await closed;
    rmSync(this.socketPath, { force: true });
  }

  /** What GetStatus answers from now on. */
  setPhase(phase: Phase, haltReason = ''): void {
    this.#phase = phase;
    this.#haltReason = haltReason;
  }

  /** How a method is answered from now on. */
  on(method: string, handler: CallHandler): void {
    this.#handlers.set(method, handler);
  }

  /** Bytes as they are, past the link's encoder. */
  sendRaw(bytes: Uint8Array): void {
    for (const socket of this.#connections.keys()) socket.write(bytes);
  }

  /** Stops reading, as an enclave that hangs does. */
  pause(): void {
    for (const socket of this.#connections.keys()) socket.pause();
  }

  resume(): void {
    for (const socket of this.#connections.keys()) socket.resume();
  }

  /** A call of the enclave to its host. */
  callHost(method: string, body: Uint8Array): Promise<Uint8Array> {
    const link = [...this.#connections.values()].at(-1);
    if (link === undefined) throw new Error('no host is connected');
    return link.call(method, body);
  }

  get connected(): boolean {
    return this.#connections.size > 0;
  }

  #accept(socket: Socket): void {
    const link = new Link({
      send: (bytes) => void socket.write(bytes),
      fail: () => {
        socket.destroy();
      },
      handle: (call) => this.#handle(call),
      onBug: (error) => {
        process.stderr.write(`fake enclave: ${String(error)}\n`);
      },
    });
    this.#connections.set(socket, link);
    socket.on('data', (chunk: Buffer) => {
      link.receive(chunk);
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#connections.delete(socket);
      link.closed();
    });
  }

  #handle(call: IncomingCall): Uint8Array | Promise<Uint8Array> {
    const handler = this.#handlers.get(call.method);
    if (call.method === METHODS.getStatus && handler === undefined) {
      const status = { phase: this.#phase, haltReason: this.#haltReason, platform: 'fake' };
      const { alarms } = this;
      return GetStatusResponse.encode({ ...EMPTY_STATUS, ...status, alarms }).finish();
    }
    this.calls.push(call);
    if (handler === undefined) throw new Refusal('METHOD_UNKNOWN');
    return handler(call);
  }
}

const EMPTY_STATUS = GetStatusResponse.decode(new Uint8Array(0));

/** An answer of the size that an ES256 signature makes. */
export const SIGN_RESPONSE: Uint8Array = SignResponse.encode({
  ...SignResponse.decode(new Uint8Array(0)),
  signature: new Uint8Array(71).fill(0x30),
  ring: 'es256-hsm',
  version: 1,
  kid: 'k'.repeat(43),
  algorithm: 1,
  encoding: 1,
  residency: 1,
  digest: new Uint8Array(32),
  measurement: new Uint8Array(48),
}).finish();

if (import.meta.main) {
  const [socketPath] = process.argv.slice(2);
  if (socketPath === undefined) throw new Error('usage: fake-enclave.ts SOCKET');
  const enclave = new FakeEnclave(socketPath);
  enclave.on(METHODS.sign, () => {
    // A benchmark makes millions of calls; nobody looks at them.
    enclave.calls.length = 0;
    return SIGN_RESPONSE;
  });
  await enclave.listen();
  process.stdout.write('listening\n');
}
