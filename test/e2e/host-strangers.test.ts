import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { connect as h2connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect as netConnect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { gzipSync } from 'node:zlib';
import type { Client } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { METHODS } from '../../enclave/wire/methods.ts';
import {
  MAX_ANONYMOUS_CONNECTIONS,
  MAX_ARRIVING_BYTES,
  MAX_HANDSHAKES,
} from '../../src/host/limits.ts';
import { SIGN_RESPONSE } from '../support/fake-enclave.ts';
import { HostBed, call, until, type HostProcess } from '../support/host-harness.ts';

const bed = new HostBed();
let host: HostProcess;
let honest: Client;
const open: { destroy: () => unknown }[] = [];

beforeAll(async () => {
  host = await bed.serve();
  bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
  honest = bed.client(host);
});
afterEach(async () => {
  for (const thing of open.splice(0)) thing.destroy();
  // Whatever a stranger did: a caller is served on an old connection and on a new one.
  expect(await call(honest, METHODS.sign)).toMatchObject({ code: 0 });
  expect(await call(bed.client(host), METHODS.sign)).toMatchObject({ code: 0 });
  expect(host.events('host.bug')).toEqual([]);
  expect(host.noise).toEqual([]);
});
afterAll(() => bed.close());

const port = (): number => Number(host.grpc.split(':')[1]);

function raw(): Socket {
  const socket = netConnect({ host: '127.0.0.1', port: port() });
  socket.on('error', () => undefined);
  // Unread, the end of a connection is not seen.
  socket.resume();
  open.push(socket);
  return socket;
}

function tls(): Socket {
  const ca = readFileSync(bed.pki.ca);
  const address = { host: '127.0.0.1', port: port(), servername: 'localhost' };
  const socket = tlsConnect({ ...address, ca, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  socket.resume();
  open.push(socket);
  return socket;
}

async function h2(certificate = bed.pki.clients['alice']): Promise<ClientHttp2Session> {
  const own =
    certificate === undefined
      ? {}
      : { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) };
  const session = h2connect(`https://localhost:${String(port())}`, {
    ca: readFileSync(bed.pki.ca),
    ...own,
  });
  session.on('error', () => undefined);
  await once(session, 'connect');
  open.push(session);
  return session;
}

interface Reply {
  readonly status: string;
  readonly http: string;
}

/** Sends headers and bytes as they are, and reports what came back. */
async function send(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body: Buffer | undefined,
): Promise<Reply> {
  const stream = session.request({
    ':method': 'POST',
    ':path': METHODS.sign,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let status = '';
  let http = '';
  stream.on('response', (found) => {
    http = String(found[':status']);
    status = String(found['grpc-status'] ?? status);
  });
  stream.on('trailers', (found: IncomingHttpHeaders) => {
    status = String(found['grpc-status'] ?? status);
  });
  stream.on('error', () => undefined);
  stream.resume();
  if (body !== undefined) stream.end(body);
  await Promise.race([once(stream, 'close'), sleep(5_000)]);
  return { status, http };
}

const message = (bytes: Buffer, flag = 0): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag, 0);
  prefix.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([prefix, bytes]);
};

describe('bytes that are not what they should be', () => {
  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(4096)],
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['plain HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['a broken ClientHello', Buffer.from('16030100050100000100', 'hex')],
  ])('before TLS: %s', async (_name, bytes) => {
    const socket = raw();
    await once(socket, 'connect');
    socket.end(bytes);
    await Promise.race([once(socket, 'close'), sleep(6_000)]);
    expect(socket.destroyed).toBe(true);
  });

  it.each<[string, Buffer]>([
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['rubbish', Buffer.alloc(1000, 0xee)],
    [
      'a preface and rubbish',
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(100, 0xff)]),
    ],
  ])('inside TLS and on a Unix socket: %s', async (_name, bytes) => {
    for (const [connect, event] of [
      [tls, 'secureConnect'],
      [(): Socket => netConnect({ path: bed.unixSocket }).resume(), 'connect'],
    ] as const) {
      const socket = connect();
      const closed = once(socket, 'close');
      socket.on('error', () => undefined);
      open.push(socket);
      socket.once(event, () => socket.write(bytes));
      await closed;
    }
  });

  it.each<[string, Record<string, string>, Buffer, string]>([
    [
      'two messages',
      {},
      Buffer.concat([message(Buffer.from('a')), message(Buffer.from('b'))]),
      '12',
    ],
    ['no message', {}, Buffer.alloc(0), '12'],
    ['half a message', {}, message(Buffer.alloc(10)).subarray(0, 8), '12'],
    ['a length of four gigabytes', {}, Buffer.from('00ffffffff', 'hex'), '8'],
    [
      'a compressed message',
      { 'grpc-encoding': 'gzip' },
      message(gzipSync(Buffer.from('hi')), 1),
      '0',
    ],
    [
      'a bomb',
      { 'grpc-encoding': 'gzip' },
      message(gzipSync(Buffer.alloc(200 * 1024 * 1024)), 1),
      '8',
    ],
    ['broken gzip', { 'grpc-encoding': 'gzip' }, message(Buffer.alloc(100, 7), 1), '13'],
    ['unknown compression', { 'grpc-encoding': 'x' }, message(Buffer.from('a'), 1), '12'],
    ['a strange deadline', { 'grpc-timeout': '99999999H' }, message(Buffer.from('a')), ''],
    ['no deadline at all', { 'grpc-timeout': 'soon' }, message(Buffer.from('a')), '13'],
    ['an unknown path', { ':path': '/a.B/C\u00e9%00' }, message(Buffer.from('a')), ''],
    ['a strange authority', { ':authority': 'x'.repeat(2000) }, message(Buffer.from('a')), '0'],
  ])('in a call: %s', async (_name, headers, body, status) => {
    const reply = await send(await h2(), headers, body);
    if (status !== '') expect(reply.status).toBe(status);
  });

  it('in a call: another content type', async () => {
    const reply = await send(
      await h2(),
      { 'content-type': 'text/html' },
      message(Buffer.from('a')),
    );
    expect(reply.http).toBe('415');
  });
});

describe('too much of everything', () => {
  it('headers', async () => {
    const session = await h2();
    for (let index = 0; index < 20; index += 1) {
      void send(
        session,
        { [`x-${'h'.repeat(100)}`]: 'v'.repeat(60_000) },
        message(Buffer.from('a')),
      );
    }
    await sleep(300);
  });

  it('connections that never begin TLS', async () => {
    // The first 100 bytes of a ClientHello: older than all others, and never pushed out by them.
    const begun = raw();
    begun.write(Buffer.concat([Buffer.from('1603010200010001fc0303', 'hex'), Buffer.alloc(89, 1)]));
    await sleep(500);
    const sockets = Array.from({ length: MAX_HANDSHAKES + 100 }, raw);
    await until(async () => {
      const handshakes = /kind="handshake"} (\d+)/.exec(await host.metrics())?.[1];
      return Number(handshakes) === MAX_HANDSHAKES;
    }, 'the pool to fill');
    expect(await call(bed.client(host), METHODS.sign)).toMatchObject({ code: 0 });
    await until(
      () => sockets.filter(({ destroyed }) => destroyed).length >= 100,
      'eviction of the quietest',
    );
    expect(begun.destroyed).toBe(false);
    // A handshake that doesn't come ends the rest.
    await until(() => sockets.every(({ destroyed }) => destroyed), 'the handshake time-out');
  });

  it('connections that begin TLS and say no more', async () => {
    const hello = Buffer.concat([
      Buffer.from('1603010200010001fc0303', 'hex'),
      Buffer.alloc(89, 1),
    ]);
    const sockets = Array.from({ length: 2 * MAX_HANDSHAKES }, raw);
    for (const socket of sockets) socket.write(hello);
    await until(
      () => sockets.filter(({ destroyed }) => destroyed).length >= MAX_HANDSHAKES,
      'eviction of half of them',
    );
    // A newcomer has said nothing yet, and is let in all the same.
    for (let i = 0; i < 10; i += 1)
      expect(await call(bed.client(host), METHODS.sign)).toMatchObject({ code: 0 });
  });

  it('connections without a certificate', async () => {
    const sockets = Array.from({ length: MAX_ANONYMOUS_CONNECTIONS + 40 }, tls);
    await until(
      () => sockets.filter(({ destroyed }) => destroyed).length >= 40,
      'eviction of the oldest',
    );
    expect(await host.metrics()).toContain(
      `kind="anonymous"} ${String(MAX_ANONYMOUS_CONNECTIONS)}`,
    );
    expect(await call(bed.client(host, 'none'), '/grpc.health.v1.Health/Check')).toMatchObject({
      code: 0,
    });
  });

  it('requests that begin and never end', async () => {
    const halves: ClientHttp2Stream[] = [];
    const half = Buffer.concat([Buffer.from('00001f0000', 'hex'), Buffer.alloc(0x1e0000)]);
    for (let index = 0; index < 4; index += 1) {
      const session = await h2();
      session.setLocalWindowSize(1 << 24);
      for (let stream = 0; stream < 12; stream += 1) {
        const request = session.request({
          ':method': 'POST',
          ':path': METHODS.sign,
          'content-type': 'application/grpc',
          te: 'trailers',
        });
        request.on('error', () => undefined);
        request.resume();
        request.write(half);
        halves.push(request);
      }
    }
    const room = Math.floor(MAX_ARRIVING_BYTES / half.byteLength);
    await until(
      () => halves.filter(({ closed }) => closed).length >= halves.length - room,
      'eviction of the oldest',
    );
    expect(await call(honest, METHODS.sign)).toMatchObject({ code: 0 });
    // … and none is left when the time for a request to arrive is over.
    await until(
      () => halves.every(({ closed, destroyed }) => closed || destroyed),
      'the arrival time-out',
    ).catch(() => undefined);
    await until(
      async () => (await host.metrics()).includes('sealwright_open_calls 0'),
      'no open call',
    );
  });

  it('calls that are taken back at once', async () => {
    const session = await h2();
    for (let index = 0; index < 2_000 && !session.destroyed; index += 1) {
      const stream = session.request({
        ':method': 'POST',
        ':path': METHODS.sign,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => undefined);
      stream.close(8);
      if (index % 100 === 0) await sleep(1);
    }
    await sleep(200);
    await until(
      async () => (await host.metrics()).includes('sealwright_open_calls 0'),
      'no open call',
    );
  });

  it('leaves memory bounded', () => {
    const kibibytes = /^VmRSS:\s+(\d+)/m.exec(
      readFileSync(`/proc/${String(host.child.pid)}/status`, 'utf8'),
    )?.[1];
    expect(Number(kibibytes)).toBeLessThan(600 * 1024);
  });
});
