import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listenForHost, type LinkServer } from '../../enclave/io/link-server.ts';
import { LinkHostStore } from '../../enclave/io/host-store.ts';
import { SystemClock, systemEntropy } from '../../enclave/io/system.ts';
import { u32, utf8 } from '../../enclave/wire/bytes.ts';
import { MAX_RESPONSE_BYTES, PAUSE_UNREAD_BYTES } from '../../enclave/wire/limits.ts';
import { Link, LinkClosed, type CallHandler } from '../../enclave/wire/link.ts';
import '../support/matchers.ts';

let folder: string;
let server: LinkServer;
const bugs: string[] = [];
const sockets: Socket[] = [];

beforeEach(() => {
  // Paths of Unix sockets are short.
  folder = mkdtempSync(join(tmpdir(), 'sw-'));
  bugs.length = 0;
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const path = (): string => join(folder, 'link');

async function listen(handle: CallHandler = (call) => Uint8Array.from(call.body)): Promise<void> {
  server = await listenForHost(path(), handle, (_, method) => bugs.push(method));
}

/** A host that answers `handle`. */
async function host(handle: CallHandler = () => new Uint8Array(0)): Promise<{
  readonly link: Link;
  readonly socket: Socket;
}> {
  const socket = connect({ path: path() });
  sockets.push(socket);
  const link = new Link({
    send: (bytes) => {
      socket.write(bytes);
    },
    fail: () => {
      socket.destroy();
    },
    handle,
    onBug: () => undefined,
  });
  socket.on('data', (chunk) => {
    link.receive(chunk);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    link.closed();
  });
  await once(socket, 'connect');
  return { link, socket };
}

/** Resolves when the number does not grow any more. */
async function quiet(count: () => number): Promise<void> {
  for (let last = -1; last !== count();) {
    last = count();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('the enclave’s socket', () => {
  test('answers the host, and calls it', async () => {
    await listen();
    const { link } = await host((call) => utf8(`host ${call.method}`));
    expect(await link.call('m', utf8('x'))).toEqual(utf8('x'));
    const ours = await server.current();
    expect(await ours.call('store/get', new Uint8Array(0))).toEqual(utf8('host store/get'));
  });

  test('answers many calls in one write', async () => {
    await listen();
    const { link } = await host();
    const bodies = Array.from({ length: 200 }, (_, i) => u32(i));
    expect(await Promise.all(bodies.map((body) => link.call('m', body)))).toEqual(bodies);
  });

  test('turns a second host away', async () => {
    await listen();
    const first = await host();
    await first.link.call('m', new Uint8Array(0));
    const second = await host();
    await expect(second.link.call('m', new Uint8Array(0))).rejects.toBeInstanceOf(LinkClosed);
    expect(await first.link.call('m', utf8('x'))).toEqual(utf8('x'));
  });

  test('takes the next host when the first is gone', async () => {
    await listen();
    const first = await host();
    await first.link.call('m', new Uint8Array(0));
    first.socket.destroy();
    await once(first.socket, 'close');
    const waiting = server.current();
    for (let tries = 0; tries < 50; tries += 1) {
      const next = await host();
      const answer = await next.link.call('m', utf8('x')).catch(() => undefined);
      if (answer !== undefined) break;
    }
    await expect(waiting).resolves.toBeInstanceOf(Link);
  });

  test('closes on malformed bytes and goes on listening', async () => {
    await listen();
    for (const bytes of [u32(0), u32(0xffff_ffff), Uint8Array.of(0, 0, 0, 1, 0)]) {
      const { socket, link } = await host();
      await link.call('m', new Uint8Array(0));
      socket.write(bytes);
      await once(socket, 'close');
    }
    const { link } = await host();
    expect(await link.call('m', utf8('x'))).toEqual(utf8('x'));
  });

  test('does not read a host that does not read, and goes on when it does', async () => {
    let asked = 0;
    const answer = new Uint8Array(100_000);
    await listen(() => {
      asked += 1;
      return answer;
    });
    const { link, socket } = await host();
    socket.pause();
    const calls = Array.from({ length: 1_000 }, () => link.call('m', new Uint8Array(60_000)));
    await quiet(() => asked);
    // What fits into the limit, into the kernel's buffers, and what came in the same piece.
    expect(asked).toBeGreaterThan(PAUSE_UNREAD_BYTES / answer.byteLength);
    expect(asked).toBeLessThan(2 * (PAUSE_UNREAD_BYTES / answer.byteLength));
    socket.resume();
    expect((await Promise.all(calls)).every((body) => body.byteLength === 100_000)).toBe(true);
  });

  test('hangs up on a host whose unread answers grow all the same', async () => {
    const releases: (() => void)[] = [];
    await listen(
      () =>
        new Promise((resolve) => {
          releases.push(() => {
            resolve(new Uint8Array(MAX_RESPONSE_BYTES));
          });
        }),
    );
    const { link, socket } = await host();
    const calls = Array.from({ length: 40 }, () => link.call('m', new Uint8Array(0)));
    await quiet(() => releases.length);
    socket.pause();
    for (const release of releases) release();
    await once(socket.resume(), 'close');
    const ends = await Promise.allSettled(calls);
    expect(ends.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(20);
    expect(server.connected()).toBe(false);
    const next = await host();
    expect(next.link.inFlight).toBe(0);
  });

  test('stays alive when a host breaks the link while its store is asked', async () => {
    await listen();
    const store = new LinkHostStore(server);
    let asked: () => void = () => undefined;
    const request = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const first = await host(() => {
      asked();
      return new Promise(() => undefined);
    });
    await first.link.call('m', new Uint8Array(0));
    const put = store.put([{ key: 'a', value: utf8('1') }], []);
    await request;
    // The socket closes a turn later: a retry that got the dead link until then would never let it close.
    first.socket.write(u32(0));
    await once(first.socket, 'close');
    await host();
    await put;
  });

  test('tells of bugs by method only, to us', async () => {
    await listen(() => {
      throw new Error('the PIN is 1234');
    });
    const { link } = await host();
    await expect(link.call('m', new Uint8Array(0))).toRefuseWith('INTERNAL', {});
    expect(bugs).toEqual(['m']);
  });

  test('counts what it has not answered', async () => {
    let release: (body: Uint8Array) => void = () => undefined;
    await listen(
      () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    );
    expect(server.serving()).toBe(0);
    const { link } = await host();
    const call = link.call('m', new Uint8Array(0));
    while (server.serving() === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(server.serving()).toBe(1);
    release(new Uint8Array(0));
    await call;
    expect(server.serving()).toBe(0);
  });

  test('can not listen where it may not', async () => {
    await listen();
    await expect(
      listenForHost(
        path(),
        () => new Uint8Array(0),
        () => undefined,
      ),
    ).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

describe('the process', () => {
  test('has a clock that only goes forward, in whole milliseconds of wall time', async () => {
    await listen();
    const clock = new SystemClock();
    const [monotonic, wall] = [clock.monotonicMs(), clock.wallMs()];
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(clock.monotonicMs()).toBeGreaterThan(monotonic);
    expect(clock.wallMs()).toBeGreaterThanOrEqual(wall);
    expect(Number.isSafeInteger(clock.wallMs())).toBe(true);
    expect(Math.abs(clock.wallMs() - Date.now())).toBeLessThan(1_000);
  });

  test('has entropy in buffers of its own', async () => {
    await listen();
    const bytes = systemEntropy.bytes(16);
    expect(bytes.buffer.byteLength).toBe(16);
    expect(bytes).not.toEqual(systemEntropy.bytes(16));
    expect(systemEntropy.bytes(0)).toHaveLength(0);
  });
});
