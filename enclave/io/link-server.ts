/** The enclave's end of the link as a Unix socket: one host at a time; a second one is turned away. */
import { createServer, type Server, type Socket } from 'node:net';
import { MAX_UNREAD_BYTES, PAUSE_UNREAD_BYTES } from '../wire/limits.ts';
import { InFlight, Link, type CallHandler } from '../wire/link.ts';

export interface LinkServer {
  /** The link to the host; waits while there is none. */
  current(): Promise<Link>;
  /** Whether there is a host at this moment. */
  connected(): boolean;
  /** Calls of the host that are not answered yet. */
  serving(): number;
  close(): void;
}

/** Starts to listen; rejects when the path can't be used. */
export function listenForHost(
  path: string,
  handle: CallHandler,
  onBug: (error: unknown, method: string) => void,
): Promise<LinkServer> {
  let link: Link | undefined;
  const inFlight = new InFlight();
  let waiting: ((link: Link) => void)[] = [];

  const accept = (socket: Socket): void => {
    if (link !== undefined) {
      socket.destroy();
      return;
    }
    const own = serveSocket(socket, handle, onBug, inFlight, () => {
      if (link === own) link = undefined;
    });
    link = own;
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake(own);
  };

  const server: Server = createServer(accept);
  const linkServer: LinkServer = {
    current: () =>
      link === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(link),
    connected: () => link !== undefined,
    serving: () => link?.serving ?? 0,
    close: () => {
      server.close();
    },
  };
  return new Promise((resolve, reject) => {
    // Stays on: a failing accept must not end the enclave.
    server.on('error', reject);
    server.listen(path, () => {
      resolve(linkServer);
    });
  });
}

function serveSocket(
  socket: Socket,
  handle: CallHandler,
  onBug: (error: unknown, method: string) => void,
  inFlight: InFlight,
  onGone: () => void,
): Link {
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  const unreadBytes = (): number => socket.writableLength + batchBytes;
  // Frames of one tick leave in one write: a write costs more than a signature, and a kibibyte while it waits.
  const flush = (): void => {
    const [first] = batch;
    if (first !== undefined) socket.write(batch.length === 1 ? first : Buffer.concat(batch));
    batch = [];
    batchBytes = 0;
  };
  // 'close' comes a turn later, and whoever asks for the link until then must not be given this one.
  const end = (): void => {
    batch = [];
    socket.destroy();
    link.closed();
    onGone();
  };
  const link: Link = new Link({
    send: (bytes) => {
      if (batch.length === 0) setImmediate(flush);
      batch.push(bytes);
      batchBytes += bytes.byteLength;
      // A host that asks and does not read would keep its answers in our memory.
      if (unreadBytes() > MAX_UNREAD_BYTES) end();
    },
    fail: end,
    handle,
    onBug,
    inFlight,
  });
  socket.on('data', (chunk) => {
    link.receive(chunk);
    // Who does not read the answers is not read either.
    if (unreadBytes() > PAUSE_UNREAD_BYTES) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  });
  // 'close' follows every 'error'.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    link.closed();
    onGone();
  });
  return link;
}
