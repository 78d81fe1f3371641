/** One connection of a host to the enclave's socket: raw bytes out, frames in. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { decodeFrame, FrameError, MessageReader } from '../../../enclave/wire/frame.ts';
import { FrameKind, type Frame } from '../../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { FrameOracle } from './frame-oracle.ts';

export interface Watcher {
  /** A frame of the enclave. */
  readonly fromEnclave: (frame: Frame, connection: Connection) => void;
  /** A frame that the enclave can read out of what was sent so far. */
  readonly toEnclave: (frame: Frame, connection: Connection) => void;
}

export class Connection {
  readonly #path: string;
  readonly #socket: Socket;
  readonly #watcher: Watcher;
  readonly #in = new MessageReader();
  readonly #out = new MessageReader();
  /** Whether what was sent breaks a rule. */
  readonly oracle = new FrameOracle();
  /** Highest number of the enclave's calls. */
  #asked = 0n;
  /** Resolves when the socket is closed, whoever did it. */
  readonly closed: Promise<void>;
  #open = true;
  #blind = false;

  private constructor(path: string, socket: Socket, watcher: Watcher) {
    this.#path = path;
    this.#socket = socket;
    this.#watcher = watcher;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#open = false;
        resolve();
      });
    });
    // A reset is how most attacks end.
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const message of this.#in.push(chunk)) this.#hear(decodeFrame(message));
    });
  }

  static async open(path: string, watcher: Watcher): Promise<Connection> {
    const socket = connect({ path });
    const connection = new Connection(path, socket, watcher);
    await once(socket, 'connect');
    return connection;
  }

  /** One more connection to the same socket. */
  again(watcher: Watcher): Promise<Connection> {
    return Connection.open(this.#path, watcher);
  }

  get open(): boolean {
    return this.#open;
  }

  /** Bytes that this side has not got rid of. */
  get unsent(): number {
    return this.#socket.writableLength;
  }

  /** Any bytes. */
  send(bytes: Uint8Array): void {
    this.#see(bytes);
    this.#socket.write(bytes);
  }

  /** As `send`, without looking at them; resolves when the kernel or the socket's end took them. */
  pour(bytes: Uint8Array): Promise<void> {
    this.#blind = true;
    return new Promise((resolve) => {
      if (!this.#open) resolve();
      else
        this.#socket.write(bytes, () => {
          resolve();
        });
    });
  }

  /** Stops reading what the enclave says. */
  deafen(): void {
    this.#socket.pause();
  }

  listen(): void {
    this.#socket.resume();
  }

  /** Says that nothing more will come, and goes on reading. */
  halfClose(): void {
    this.#socket.end();
  }

  drop(): void {
    this.#socket.destroy();
  }

  #hear(frame: Frame): void {
    if (frame.kind === FrameKind.FRAME_KIND_REQUEST) this.#asked = frame.streamId;
    this.#watcher.fromEnclave(frame, this);
  }

  /** The enclave stops reading at the first thing that is no frame, and so does this. */
  #see(bytes: Uint8Array): void {
    if (this.#blind) return;
    this.oracle.push(bytes, this.#asked);
    try {
      for (const message of this.#out.push(Uint8Array.from(bytes))) {
        this.#watcher.toEnclave(decodeFrame(message), this);
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#blind = true;
    }
  }
}
