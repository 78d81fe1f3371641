/**
 * The least of HTTP/2 (RFC 9113) that a caller of unary gRPC methods needs: one connection, one call at a time, headers
 * that were encoded before. A client of grpc-js costs more than the server that it should load.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Where the server is. PEM bytes. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly ca: Uint8Array;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const HEADER_BYTES = 9;
/** Message prefix of gRPC: a flag and the length. */
const PREFIX_BYTES = 5;

const TYPE = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
};
const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;

const INITIAL_WINDOW_SIZE = 4;
const LARGEST_WINDOW = 0x7fffffff;
const FIRST_WINDOW = 0xffff;
/** Given back to the server when this much of the connection's window was used. */
const WINDOW_STEP = 0x20000000;

/** Returns where the payload begins. */
function writeHeader(
  out: Buffer,
  at: number,
  type: number,
  flags: number,
  stream: number,
  payloadBytes: number,
): number {
  out.writeUIntBE(payloadBytes, at, 3);
  out.writeUInt8(type, at + 3);
  out.writeUInt8(flags, at + 4);
  out.writeUInt32BE(stream, at + 5);
  return at + HEADER_BYTES;
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(HEADER_BYTES + payload.byteLength);
  out.set(payload, writeHeader(out, 0, type, flags, stream, payload.byteLength));
  return out;
}

const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
};

/** A field without indexing (RFC 7541 §6.2.2): every block means the same on every connection. */
function field(name: string, value: string): Buffer {
  const text = (bytes: Buffer): Buffer => {
    if (bytes.byteLength >= 0x7f) throw new RangeError('too long for a length of one byte');
    return Buffer.concat([Buffer.from([bytes.byteLength]), bytes]);
  };
  return Buffer.concat([Buffer.from([0]), text(Buffer.from(name)), text(Buffer.from(value))]);
}

function headersOf(path: string): Buffer {
  return Buffer.concat([
    field(':method', 'POST'),
    field(':scheme', 'https'),
    field(':path', path),
    field(':authority', 'localhost'),
    field('content-type', 'application/grpc'),
    field('te', 'trailers'),
  ]);
}

/** The largest frame that a server takes unasked (RFC 9113 §4.2). */
const MAX_PAYLOAD_BYTES = 16_384;

/** One call: its HEADERS frame, and the message with gRPC's prefix as DATA frames. */
function callFrames(stream: number, headers: Buffer, message: Uint8Array): Buffer {
  const bodyBytes = PREFIX_BYTES + message.byteLength;
  const dataFrames = Math.ceil(bodyBytes / MAX_PAYLOAD_BYTES);
  const out = Buffer.allocUnsafe(
    HEADER_BYTES + headers.byteLength + dataFrames * HEADER_BYTES + bodyBytes,
  );
  let at = writeHeader(out, 0, TYPE.headers, END_HEADERS, stream, headers.byteLength);
  at += headers.copy(out, at);
  for (let sent = 0; sent < bodyBytes; sent += MAX_PAYLOAD_BYTES) {
    const payloadBytes = Math.min(MAX_PAYLOAD_BYTES, bodyBytes - sent);
    const flags = sent + payloadBytes === bodyBytes ? END_STREAM : 0;
    at = writeHeader(out, at, TYPE.data, flags, stream, payloadBytes);
    if (sent === 0) {
      out.writeUInt8(0, at);
      out.writeUInt32BE(message.byteLength, at + 1);
      out.set(message.subarray(0, payloadBytes - PREFIX_BYTES), at + PREFIX_BYTES);
    } else {
      out.set(message.subarray(sent - PREFIX_BYTES, sent - PREFIX_BYTES + payloadBytes), at);
    }
    at += payloadBytes;
  }
  return out;
}

export class Http2Caller {
  readonly #socket: Socket;
  readonly #headers: Buffer;
  /** Of an unfinished frame. */
  #rest: Buffer = Buffer.alloc(0);
  #stream = -1;
  #sendWindow = FIRST_WINDOW;
  #received = 0;
  #body: Buffer[] = [];
  #settle: { resolve: (body: Buffer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#headers = headersOf(path);
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('error', (error) => {
      this.#fail(error);
    });
    socket.on('close', () => {
      this.#fail(new Error('the connection closed'));
    });
    socket.write(
      Buffer.concat([
        PREFACE,
        frame(
          TYPE.settings,
          0,
          0,
          Buffer.concat([Buffer.from([0, INITIAL_WINDOW_SIZE]), u32(LARGEST_WINDOW)]),
        ),
        frame(TYPE.windowUpdate, 0, 0, u32(LARGEST_WINDOW - FIRST_WINDOW)),
      ]),
    );
  }

  /** Opens a connection for calls of `path`. */
  static async connect(target: Target, path: string): Promise<Http2Caller> {
    const { host, port, ca, cert, key } = target;
    const raw = connectSocket({ host, port, noDelay: true });
    const socket = connectTls({
      socket: raw,
      servername: 'localhost',
      ca: Buffer.from(ca),
      cert: Buffer.from(cert),
      key: Buffer.from(key),
      ALPNProtocols: ['h2'],
    });
    await new Promise<void>((resolve, reject) => {
      raw.once('error', reject);
      socket.once('error', reject);
      socket.once('secureConnect', resolve);
    });
    return new Http2Caller(socket, path);
  }

  /** Resolves with the answer's message. Rejects for an answer without one: a refusal. One at a time. */
  call(message: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#stream += 2;
      this.#body = [];
      this.#sendWindow -= PREFIX_BYTES + message.byteLength;
      if (this.#sendWindow < 0) {
        this.#fail(new Error('the server gives no window'));
        return;
      }
      this.#socket.write(callFrames(this.#stream, this.#headers, message));
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }

  #receive(chunk: Buffer): void {
    let bytes = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.byteLength >= HEADER_BYTES) {
      const end = HEADER_BYTES + bytes.readUIntBE(0, 3);
      if (bytes.byteLength < end) break;
      this.#frame(
        bytes.readUInt8(3),
        bytes.readUInt8(4),
        bytes.readUInt32BE(5),
        bytes.subarray(HEADER_BYTES, end),
      );
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case TYPE.data:
        this.#countReceived(payload.byteLength);
        if (stream === this.#stream) this.#body.push(payload);
        break;
      case TYPE.settings:
        if ((flags & ACK) === 0) this.#socket.write(frame(TYPE.settings, ACK, 0, Buffer.alloc(0)));
        break;
      case TYPE.ping:
        if ((flags & ACK) === 0) this.#socket.write(frame(TYPE.ping, ACK, 0, payload));
        break;
      case TYPE.windowUpdate:
        if (stream === 0) this.#sendWindow += payload.readUInt32BE(0);
        break;
      case TYPE.resetStream:
      case TYPE.goAway:
        this.#fail(new Error(`frame of type ${String(type)} from the server`));
        break;
      default:
        break;
    }
    const ends = type === TYPE.data || type === TYPE.headers;
    if (ends && (flags & END_STREAM) !== 0 && stream === this.#stream) this.#ended();
  }

  #countReceived(bytes: number): void {
    this.#received += bytes;
    if (this.#received < WINDOW_STEP) return;
    this.#socket.write(frame(TYPE.windowUpdate, 0, 0, u32(this.#received)));
    this.#received = 0;
  }

  #ended(): void {
    const body = this.#body.length === 1 ? this.#body[0] : Buffer.concat(this.#body);
    const settle = this.#settle;
    this.#settle = undefined;
    if (body === undefined || body.byteLength < PREFIX_BYTES)
      settle?.reject(new Error('refused: an answer without a message'));
    else settle?.resolve(body.subarray(PREFIX_BYTES));
  }
}
