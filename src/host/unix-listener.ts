/** A Unix socket as a door: who may open it, by its permissions, is who calls. */
import { chmodSync, chownSync, lstatSync, readFileSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { UnixSocketConfig } from './config.ts';
import { MAX_CALLER_CONNECTIONS } from './limits.ts';

const PERMISSION_BITS = 0o777;

/** The socket can't be made. */
export class SocketUnusable extends Error {
  override readonly name = 'SocketUnusable';
}

export class UnixListener {
  readonly #config: UnixSocketConfig;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  constructor(config: UnixSocketConfig, inject: (connection: Duplex) => void) {
    this.#config = config;
    this.#server = createServer((socket) => {
      this.#connections.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#connections.delete(socket));
      inject(socket);
    });
    this.#server.maxConnections = MAX_CALLER_CONNECTIONS;
  }

  get count(): number {
    return this.#connections.size;
  }

  /** Makes the socket file with its permissions. Throws SocketUnusable. */
  async listen(): Promise<void> {
    const { path, mode, group } = this.#config;
    await removeStale(path);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(new SocketUnusable(`${path}: ${error.message}`));
      });
      // The file comes into being inside listen(): the mask leaves no moment in which others may connect.
      const mask = process.umask(PERMISSION_BITS & ~mode);
      this.#server.listen({ path }, resolve);
      process.umask(mask);
    });
    chmodSync(path, mode);
    if (group !== undefined) chownSync(path, -1, groupId(path, group));
  }

  /** Removes the socket file; connections that exist live on. */
  stopAccepting(): void {
    this.#server.close();
  }

  destroyConnections(): void {
    for (const socket of this.#connections) socket.destroy();
  }
}

/** Removes what a killed host left behind; never a socket that somebody serves, never another file. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketUnusable(`${path}: exists and is not a socket`);
  const served = await new Promise<boolean>((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
  if (served)
    throw new SocketUnusable(`${path}: another process serves this socket; stop it first`);
  unlinkSync(path);
}

/** Node has no getgrnam(3). */
function groupId(path: string, group: string | number): number {
  if (typeof group === 'number') return group;
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , id] = line.split(':');
    if (name === group && id !== undefined) return Number(id);
  }
  throw new SocketUnusable(`${path}: no group "${group}" in /etc/group`);
}
