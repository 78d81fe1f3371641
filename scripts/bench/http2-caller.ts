/**
 * The least of HTTP/2 (RFC 9113) that a caller of gRPC methods needs: one connection, one message at a time, headers that were
 * encoded before. A client of grpc-js costs more than the server that it should load.
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

/** The message with gRPC's prefix as DATA frames, behind `before` bytes. */
function dataFrames(stream: number, message: Uint8Array, ends: boolean, before = 0): Buffer {
  const bodyBytes = PREFIX_BYTES + message.byteLength;
  const frames = Math.ceil(bodyBytes / MAX_PAYLOAD_BYTES);
  const out = Buffer.allocUnsafe(before + frames * HEADER_BYTES + bodyBytes);
  let at = before;
  for (let sent = 0; sent < bodyBytes; sent += MAX_PAYLOAD_BYTES) {
    const payloadBytes = Math.min(MAX_PAYLOAD_BYTES, bodyBytes - sent);
    const flags = ends && sent + payloadBytes === bodyBytes ? END_STREAM : 0;
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

/** The HEADERS frame of a call, and its first message. */
function callFrames(stream: number, headers: Buffer, message: Uint8Array, ends: boolean): Buffer {
  const out = dataFrames(stream, message, ends, HEADER_BYTES + headers.byteLength);
  headers.copy(out, writeHeader(out, 0, TYPE.headers, END_HEADERS, stream, headers.byteLength));
  return out;
}

/** A method that is called. */
export interface CalledMethod {
  /** Full gRPC path. */
  readonly path: string;
  /** Both ways: all messages of a connection travel in one call, each with one answer. Else each is a unary call. */
  readonly streams: boolean;
}

export class Http2Caller {
  readonly #socket: Socket;
  readonly #headers: Buffer;
  readonly #streams: boolean;
  /** Of an unfinished frame. */
  #rest: Buffer = Buffer.alloc(0);
  #stream = -1;
  #sendWindow = FIRST_WINDOW;
  /** Of the one call of a method that streams: a unary call ends before it has used up its own. */
  #streamWindow = FIRST_WINDOW;
  #received = 0;
  #body: Buffer[] = [];
  #settle: { resolve: (body: Buffer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket, { path, streams }: CalledMethod) {
    this.#socket = socket;
    this.#headers = headersOf(path);
    this.#streams = streams;
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

  /** Opens a connection for calls of one method. */
  static async connect(target: Target, method: CalledMethod): Promise<Http2Caller> {
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
    return new Http2Caller(socket, method);
  }

  /** Resolves with the answer's message. Rejects for an answer without one: a refusal. One at a time. */
  call(message: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#body = [];
      const bytes = PREFIX_BYTES + message.byteLength;
      this.#sendWindow -= bytes;
      if (this.#streams) this.#streamWindow -= bytes;
      if (Math.min(this.#sendWindow, this.#streamWindow) < 0) {
        this.#fail(new Error('the server gives no window'));
        return;
      }
      this.#socket.write(this.#framesOf(message));
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #framesOf(message: Uint8Array): Buffer {
    if (this.#streams && this.#stream > 0) return dataFrames(this.#stream, message, false);
    this.#stream += 2;
    return callFrames(this.#stream, this.#headers, message, !this.#streams);
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
        if (stream === this.#stream) this.#take(payload);
        break;
      case TYPE.settings:
        if ((flags & ACK) === 0) this.#socket.write(frame(TYPE.settings, ACK, 0, Buffer.alloc(0)));
        break;
      case TYPE.ping:
        if ((flags & ACK) === 0) this.#socket.write(frame(TYPE.ping, ACK, 0, payload));
        break;
      case TYPE.windowUpdate:
        if (stream === 0) this.#sendWindow += payload.readUInt32BE(0);
        else if (this.#streams) this.#streamWindow += payload.readUInt32BE(0);
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
    for (const stream of this.#streams ? [0, this.#stream] : [0]) {
      this.#socket.write(frame(TYPE.windowUpdate, 0, stream, u32(this.#received)));
    }
    this.#received = 0;
  }

  #take(payload: Buffer): void {
    this.#body.push(payload);
    if (!this.#streams) return;
    const body = this.#wholeBody();
    if (body.byteLength < PREFIX_BYTES) return;
    if (body.byteLength >= PREFIX_BYTES + body.readUInt32BE(1)) this.#answered(body);
  }

  #ended(): void {
    if (this.#streams) this.#fail(new Error('refused: the stream ended'));
    else this.#answered(this.#wholeBody());
  }

  #wholeBody(): Buffer {
    const [first, ...more] = this.#body;
    return first !== undefined && more.length === 0 ? first : Buffer.concat(this.#body);
  }

  #answered(body: Buffer): void {
    const settle = this.#settle;
    this.#settle = undefined;
    if (body.byteLength < PREFIX_BYTES)
      settle?.reject(new Error('refused: an answer without a message'));
    else settle?.resolve(body.subarray(PREFIX_BYTES));
  }
}
