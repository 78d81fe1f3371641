/**
 * The TLS door. It asks for a client certificate and lets the connection live without one, because only an
 * answered call can carry the reason of a refusal. It also knows how many strangers it may entertain.
 */
import { constants, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { tlsCaller, type Caller } from './caller.ts';
import type { ListenAddress, TlsConfig } from './config.ts';
import {
  HANDSHAKE_MS,
  MAX_ANONYMOUS_CONNECTIONS,
  MAX_CALLER_CONNECTIONS,
  MAX_HANDSHAKES,
  TLS_WATCH_MS,
} from './limits.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

interface Connection {
  readonly socket: Socket;
  readonly caller: Caller;
}

export class TlsListener {
  readonly #config: TlsConfig;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #inject: (connection: Duplex) => void;
  readonly #server: Server;
  /** By peer name; oldest first. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #anonymous = new Map<string, Connection>();
  readonly #callers = new Map<string, Connection>();
  #watch: ReturnType<typeof setInterval> | undefined;
  #seen = '';

  private constructor(
    config: TlsConfig,
    context: SecureContextOptions,
    inject: (connection: Duplex) => void,
    log: Log,
    metrics: Metrics,
  ) {
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
    this.#inject = inject;
    this.#server = createServer({
      ...context,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_MS,
    });
    this.#server.maxConnections =
      MAX_HANDSHAKES + MAX_ANONYMOUS_CONNECTIONS + MAX_CALLER_CONNECTIONS;
    this.#server.on('connection', (socket: Socket) => {
      this.#handshakeBegan(socket);
    });
    this.#server.on('secureConnection', (socket) => {
      this.#handshakeEnded(socket);
    });
    this.#server.on('tlsClientError', (_error, socket) => {
      metrics.handshakeFailed();
      // Node only reports a handshake that took too long; closing it is left to us.
      socket.destroy();
    });
  }

  /** Reads the certificate files. Rejects when they are missing or don't fit together. */
  static async create(
    config: TlsConfig,
    inject: (connection: Duplex) => void,
    log: Log,
    metrics: Metrics,
  ): Promise<TlsListener> {
    const context = await loadContext(config);
    const listener = new TlsListener(config, context, inject, log, metrics);
    listener.#seen = await fingerprint(config);
    return listener;
  }

  /** Listens, and watches the certificate files. Resolves with the bound address. */
  async listen({ host, port }: ListenAddress): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#watch = setInterval(() => {
      void this.#reloadIfChanged();
    }, TLS_WATCH_MS);
    this.#watch.unref();
    const bound = this.#server.address() as AddressInfo;
    return bound.family === 'IPv6'
      ? `[${bound.address}]:${String(bound.port)}`
      : `${bound.address}:${String(bound.port)}`;
  }

  identify(peer: string): Caller | undefined {
    return (this.#callers.get(peer) ?? this.#anonymous.get(peer))?.caller;
  }

  get counts(): Readonly<Record<string, number>> {
    return {
      handshake: this.#handshakes.size,
      anonymous: this.#anonymous.size,
      caller: this.#callers.size,
    };
  }

  /** Takes new certificates for new connections; those that exist live on. */
  async reload(): Promise<void> {
    try {
      const context = await loadContext(this.#config);
      this.#server.setSecureContext(context);
      const notAfter = new X509Certificate(context.cert as Buffer).validToDate.toISOString();
      this.#log({ event: 'tls.reloaded', notAfter });
    } catch (error) {
      // Files are replaced one after the other; the next look finds them complete.
      this.#log({ event: 'tls.reload-failed', code: errorCode(error) });
    }
  }

  stopAccepting(): void {
    clearInterval(this.#watch);
    this.#server.close();
  }

  destroyConnections(): void {
    for (const socket of this.#handshakes.values()) socket.destroy();
    for (const { socket } of this.#anonymous.values()) socket.destroy();
    for (const { socket } of this.#callers.values()) socket.destroy();
  }

  async #reloadIfChanged(): Promise<void> {
    const now = await fingerprint(this.#config);
    if (now === this.#seen) return;
    this.#seen = now;
    await this.reload();
  }

  #handshakeBegan(socket: Socket): void {
    const peer = peerOf(socket);
    this.#handshakes.set(peer, socket);
    socket.once('close', () => {
      if (this.#handshakes.get(peer) === socket) this.#handshakes.delete(peer);
    });
    if (this.#handshakes.size > MAX_HANDSHAKES)
      this.#evict(this.#handshakes, quietest, (one) => one);
  }

  #handshakeEnded(socket: TLSSocket): void {
    const peer = peerOf(socket);
    this.#handshakes.delete(peer);
    // A reset of the connection is an event of every day.
    socket.on('error', () => undefined);
    // Gone already: no peer name, nobody to answer.
    if (socket.destroyed || socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const connection: Connection = { socket, caller: tlsCaller(socket) };
    const pool = connection.caller.known ? this.#callers : this.#anonymous;
    pool.set(peer, connection);
    socket.once('close', () => {
      if (pool.get(peer) === connection) pool.delete(peer);
    });
    // Strangers push out strangers; a caller is never pushed out by a later one.
    if (this.#anonymous.size > MAX_ANONYMOUS_CONNECTIONS) {
      this.#evict(this.#anonymous, oldest, ({ socket: stranger }) => stranger);
    }
    if (this.#callers.size > MAX_CALLER_CONNECTIONS) {
      this.#metrics.connectionEvicted();
      socket.destroy();
      return;
    }
    this.#inject(socket);
  }

  #evict<T>(
    pool: Map<string, T>,
    choose: (pool: ReadonlyMap<string, T>) => string | undefined,
    socketOf: (entry: T) => Socket,
  ): void {
    const peer = choose(pool);
    const entry = peer === undefined ? undefined : pool.get(peer);
    if (peer === undefined || entry === undefined) return;
    // Now, and not at its 'close', which comes later: the next one must not find the same.
    pool.delete(peer);
    this.#metrics.connectionEvicted();
    socketOf(entry).destroy();
  }
}

const oldest = (pool: ReadonlyMap<string, unknown>): string | undefined => pool.keys().next().value;

/**
 * Of the older half the one that said least. In TLS 1.3 a client calls before the server has read its last message: to
 * push out one that has come so far would fail its call. And who came just now had no time to say anything.
 */
function quietest(pool: ReadonlyMap<string, Socket>): string | undefined {
  let [found, least, left] = [undefined as string | undefined, Infinity, pool.size / 2];
  for (const [peer, { bytesRead }] of pool) {
    if (bytesRead < least) [found, least] = [peer, bytesRead];
    left -= 1;
    if (least === 0 || left <= 0) break;
  }
  return found;
}

/** As grpc-js names a peer. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ''}:${String(socket.remotePort)}`;
}

/** TLS 1.3 only, and no session tickets: a resumed session has no chain and remembers an old CA. */
async function loadContext(config: TlsConfig): Promise<SecureContextOptions> {
  const [cert, key, ca] = await Promise.all([
    readFile(config.certFile),
    readFile(config.keyFile),
    readFile(config.clientCaFile),
  ]);
  const options = {
    cert,
    key,
    ca,
    minVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  } as const;
  // Throws for a key of another certificate, before the server is touched.
  createSecureContext(options);
  return options;
}

/** Changes when one of the files is replaced. */
async function fingerprint(config: TlsConfig): Promise<string> {
  const files = [config.certFile, config.keyFile, config.clientCaFile];
  const parts = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs, size, ino }) => `${String(mtimeMs)}/${String(size)}/${String(ino)}`,
        () => 'missing',
      ),
    ),
  );
  return parts.join(' ');
}

/** OpenSSL's or the file system's name of an error: a word, never a path or a content. */
export function errorCode(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'UNKNOWN';
}
