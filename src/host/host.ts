/** The host as a whole: what is started in which order, and how it ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { status as Code } from '@grpc/grpc-js';
import { ArrivalBudget } from './arrival-budget.ts';
import { CallGate } from './call-gate.ts';
import { peerCaller, type Caller } from './caller.ts';
import type { HostConfig } from './config.ts';
import { EnclaveLink } from './enclave-link.ts';
import { StatusPoller } from './enclave-status.ts';
import { GrpcServices, type GrpcListener } from './grpc-server.ts';
import { HttpFront } from './http-front.ts';
import { GOODBYE_MS } from './limits.ts';
import { HOST_METHODS } from '../../enclave/wire/methods.ts';
import { answerLog } from './log-http.ts';
import { logMethods } from './log-service.ts';
import { LogStore } from './log-store/log-store.ts';
import type { Log } from './log.ts';
import { Metrics } from './metrics.ts';
import { Store } from './store.ts';
import { TlsListener } from './tls-listener.ts';
import { UnixListener } from './unix-listener.ts';

export interface Listening {
  readonly grpc: string;
  readonly http?: string;
  readonly unixSockets: readonly string[];
}

const GOODBYE_STEP_MS = 5;
/** For the enclave to write its log's head: one transaction. */
const DRAINED_MS = 1_000;

const CODE_NAMES = new Map<number, string>(
  Object.entries(Code).flatMap(([name, code]) => (typeof code === 'number' ? [[code, name]] : [])),
);

export class Host {
  readonly #config: HostConfig;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #store: Store;
  readonly #logStore: LogStore;
  readonly #gate: CallGate;
  readonly #budget = new ArrivalBudget();
  readonly #link: EnclaveLink;
  readonly #poller: StatusPoller;
  readonly #services: GrpcServices;
  readonly #grpc: GrpcListener[] = [];
  readonly #sockets: UnixListener[] = [];
  #tls: TlsListener | undefined;
  #http: HttpFront | undefined;
  #draining = false;
  #hurry: (() => void) | undefined;

  private constructor(
    config: HostConfig,
    log: Log,
    metrics: Metrics,
    store: Store,
    logStore: LogStore,
  ) {
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
    this.#store = store;
    this.#logStore = logStore;
    this.#gate = new CallGate(log, metrics);
    this.#link = new EnclaveLink({
      socketPath: config.enclaveSocket,
      handle: (call) =>
        call.method.startsWith('log/') ? logStore.handle(call) : store.handle(call),
      log,
      onChange: () => {
        this.#poller.ask();
      },
    });
    this.#poller = new StatusPoller(
      this.#link,
      ({ phase, haltReason }) => {
        log({ event: 'enclave.phase', phase, ...(haltReason === '' ? {} : { haltReason }) });
        if (!this.#draining) this.#services.setServing(this.#poller.serving);
      },
      (alarm) => {
        log({ event: 'enclave.alarm', alarm });
      },
    );
    this.#services = new GrpcServices(this.#link, this.#gate, log, logMethods(logStore));
  }

  /** Opens store and doors. Rejects when one of them can't be opened; the process then ends. */
  static async start(config: HostConfig, log: Log): Promise<{ host: Host; listening: Listening }> {
    const metrics = new Metrics();
    const store = await Store.open(config.storeFile, log, metrics);
    const logStore = await LogStore.open(config.logFolder, { log });
    const host = new Host(config, log, metrics, store, logStore);
    const listening = await host.#listen();
    log({ event: 'host.listening', ...listening });
    return { host, listening };
  }

  async #listen(): Promise<Listening> {
    this.#budget.start();
    this.#link.start();
    for (const socket of this.#config.unixSockets) {
      const caller: Caller = peerCaller(socket.name);
      const grpc = this.#services.listener(() => caller);
      const listener = new UnixListener(socket, grpc.inject);
      await listener.listen();
      this.#grpc.push(grpc);
      this.#sockets.push(listener);
    }
    const grpc = this.#services.listener((peer) => this.#tls?.identify(peer));
    this.#grpc.push(grpc);
    this.#tls = await TlsListener.create(this.#config.tls, grpc.inject, this.#log, this.#metrics);
    const address = await this.#tls.listen(this.#config.listen);
    const http =
      this.#config.http === undefined ? {} : { http: await this.#listenHttp(this.#config.http) };
    return {
      grpc: address,
      ...http,
      unixSockets: this.#config.unixSockets.map(({ path }) => path),
    };
  }

  async #listenHttp(address: NonNullable<HostConfig['http']>): Promise<string> {
    this.#http = new HttpFront({
      ready: () => ({
        ready: this.#poller.serving && !this.#draining,
        phase: this.#draining ? 'HOST_DRAINING' : this.#poller.status.phase,
        haltReason: this.#poller.status.haltReason,
      }),
      metrics: () => this.#renderMetrics(),
      log: (path) => answerLog(this.#logStore, path),
    });
    return this.#http.listen(address);
  }

  #renderMetrics(): string {
    const unix = this.#sockets.reduce((sum, { count }) => sum + count, 0);
    return this.#metrics.render(
      {
        linkUp: this.#link.up,
        linkInFlight: this.#link.inFlight,
        openCalls: this.#gate.openCalls,
        openStreams: this.#gate.openStreams,
        connections: { ...this.#tls?.counts, unix },
        phase: this.#poller.status.phase,
        alarms: this.#poller.status.alarms,
        log: this.#logStore.gauges,
      },
      (code) => CODE_NAMES.get(code) ?? String(code),
    );
  }

  /** Reads the certificate files again. */
  async reload(): Promise<void> {
    await this.#tls?.reload();
  }

  /** Ends well: no new calls, time for those in flight, then everything closes. A second call cuts the time. */
  async drain(signal: string): Promise<void> {
    if (this.#draining) {
      this.#hurry?.();
      return;
    }
    this.#draining = true;
    this.#log({ event: 'host.draining', signal, openCalls: this.#gate.openCalls });
    this.#services.setServing(false);
    this.#tls?.stopAccepting();
    for (const socket of this.#sockets) socket.stopAccepting();
    const ended = Promise.all(this.#grpc.map((listener) => listener.shutdown()));
    this.#gate.endStreams();
    const patience = new AbortController();
    const hurried = new Promise<void>((resolve) => {
      this.#hurry = resolve;
    });
    const finished = await Promise.race([
      ended.then(() => true),
      hurried.then(() => false),
      sleep(this.#config.drainSeconds * 1000, false, { signal: patience.signal }).catch(
        () => false,
      ),
    ]);
    patience.abort();
    if (finished) await this.#flushed();
    const cutCalls = this.#gate.openCalls;
    this.#tls?.destroyConnections();
    for (const socket of this.#sockets) socket.destroyConnections();
    await this.#link
      .call(HOST_METHODS.drained, new Uint8Array(0), { timeoutMs: DRAINED_MS })
      .catch(() => undefined);
    this.#poller.stop();
    this.#link.stop();
    this.#http?.close();
    this.#budget.stop();
    await this.#logStore.close();
    await this.#store.close();
    this.#log({ event: 'host.stopped', cutCalls });
  }

  /** The last answers of ended calls may still lie in the sockets, which close when they are sent. */
  async #flushed(): Promise<void> {
    const end = Date.now() + GOODBYE_MS;
    while (this.#connections() > 0 && Date.now() < end) await sleep(GOODBYE_STEP_MS);
  }

  #connections(): number {
    const { caller = 0, anonymous = 0 } = this.#tls?.counts ?? {};
    return this.#sockets.reduce((sum, { count }) => sum + count, caller + anonymous);
  }
}
