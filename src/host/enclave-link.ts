/**
 * The host's end of the link: connects to the enclave's socket, again and again, because an enclave may be
 * killed and restarted under a running host. What the frames mean is enclave/wire's; here are bytes only.
 */
import { randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { Link, LinkClosed, type CallHandler, type CallOptions } from '../../enclave/wire/link.ts';
import {
  LINK_BUSY_BYTES,
  LINK_STUCK_BYTES,
  RECONNECT_FIRST_MS,
  RECONNECT_LONGEST_MS,
} from './limits.ts';
import { describeBug, type Log } from './log.ts';

export interface EnclaveLinkOptions {
  readonly socketPath: string;
  /** Answers what the enclave asks: the store. */
  readonly handle: CallHandler;
  readonly log: Log;
  /** The link came up or went down. */
  readonly onChange: () => void;
}

interface Connection {
  readonly socket: Socket;
  readonly link: Link;
  readonly sinceMs: number;
  corked: boolean;
  down: 'closed' | 'malformed-frame' | 'not-reading';
}

export class EnclaveLink {
  readonly #options: EnclaveLinkOptions;
  #connection: Connection | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #attempts = 0;
  #stopped = false;

  constructor(options: EnclaveLinkOptions) {
    this.#options = options;
  }

  get up(): boolean {
    return this.#connection !== undefined;
  }

  /** Calls that wait for the enclave's answer. */
  get inFlight(): number {
    return this.#connection?.link.inFlight ?? 0;
  }

  start(): void {
    const socket = connect({ path: this.#options.socketPath });
    socket.once('connect', () => {
      this.#connected(socket);
    });
    // Every error is followed by 'close'; which one it was changes nothing.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#closed(socket);
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#connection?.socket.destroy();
  }

  /** Opens a call to the enclave. Rejects with Refusal or LinkClosed. */
  call(method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const connection = this.#connection;
    if (connection === undefined) return Promise.reject(new LinkClosed());
    if (connection.socket.writableLength > LINK_BUSY_BYTES) {
      return Promise.reject(new Refusal('RATE_LIMITED'));
    }
    return connection.link.call(method, body, options);
  }

  #connected(socket: Socket): void {
    if (this.#stopped) {
      socket.destroy();
      return;
    }
    const link = new Link({
      send: (bytes) => {
        this.#send(connection, bytes);
      },
      fail: () => {
        connection.down = 'malformed-frame';
        socket.destroy();
      },
      handle: this.#options.handle,
      onBug: (error, method) => {
        this.#options.log({
          event: 'host.bug',
          where: `link ${method}`,
          error: describeBug(error),
        });
      },
    });
    const connection: Connection = {
      socket,
      link,
      sinceMs: Date.now(),
      corked: false,
      down: 'closed',
    };
    this.#connection = connection;
    socket.on('data', (chunk: Buffer) => {
      link.receive(chunk);
    });
    this.#options.log({ event: 'link.up' });
    this.#options.onChange();
  }

  /**
   * All frames of one turn of the event loop leave in one writev: a system call costs more than a frame.
   * setImmediate, not nextTick, because each gRPC stream ends in a tick of its own.
   */
  #send(connection: Connection, bytes: Uint8Array): void {
    const { socket } = connection;
    if (!connection.corked) {
      connection.corked = true;
      socket.cork();
      setImmediate(() => {
        connection.corked = false;
        socket.uncork();
      });
    }
    socket.write(bytes);
    if (socket.writableLength > LINK_STUCK_BYTES) {
      connection.down = 'not-reading';
      socket.destroy();
    }
  }

  #closed(socket: Socket): void {
    const connection = this.#connection;
    if (connection?.socket === socket) {
      this.#connection = undefined;
      // An enclave that takes the connection only to drop it again must not be tried at full speed.
      if (Date.now() - connection.sinceMs > RECONNECT_LONGEST_MS) this.#attempts = 0;
      this.#options.log({ event: 'link.down', because: connection.down });
      connection.link.closed();
      this.#options.onChange();
    }
    if (this.#stopped) return;
    const ceiling = Math.min(RECONNECT_LONGEST_MS, RECONNECT_FIRST_MS * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 16);
    this.#retry = setTimeout(
      () => {
        this.start();
      },
      randomInt(Math.ceil(ceiling / 2), ceiling + 1),
    );
  }
}
