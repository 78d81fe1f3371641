/**
 * Frames as they stand on the link: u32 length (big-endian) ‖ protobuf Frame (docs/spec/frames.md).
 * A malformed frame closes the link, never the process.
 */
import { decodeMessage } from './decode-message.ts';
import { Frame } from './gen/sealwright/enclave/v1/frame.ts';
import { MAX_FRAME_BYTES } from './limits.ts';

export const WIRE_VERSION = 1;

const PREFIX_BYTES = 4;

/** Which rule of docs/spec/frames.md was broken. */
export type FrameRule =
  'length' | 'protobuf' | 'version' | 'stream-id' | 'kind' | 'order' | 'never-asked' | 'failed';

/** Thrown for bytes that are not frames. The link is closed. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly rule: FrameRule;
  constructor(rule: FrameRule) {
    super(rule);
    this.rule = rule;
  }
}

/** One frame with its length prefix, in one buffer of its own. */
export function encodeFrame(frame: Frame): Uint8Array {
  // fork/ldelim would write a varint; the prefix is a fixed u32 so that a reader knows what to wait for.
  const body = Frame.encode(frame).finish();
  if (body.byteLength > MAX_FRAME_BYTES) throw new FrameError('length');
  const out = new Uint8Array(PREFIX_BYTES + body.byteLength);
  new DataView(out.buffer).setUint32(0, body.byteLength);
  out.set(body, PREFIX_BYTES);
  return out;
}

/**
 * Cuts a byte stream into length-prefixed messages. Refuses a length above the limit before it
 * buffers anything of it. Messages are views on buffers that are not written again.
 */
export class MessageReader {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  #failed = false;

  constructor(maxBytes = MAX_FRAME_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Every message that is complete with this chunk. Throws FrameError, then only throws. */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#failed) throw new FrameError('failed');
    // Sockets give Buffers, whose slice shares memory where that of a Uint8Array copies: they end here.
    this.#chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#buffered += chunk.byteLength;
    const messages: Uint8Array[] = [];
    for (;;) {
      const length = this.#peekLength();
      if (length === undefined) return messages;
      if (length === 0 || length > this.#maxBytes) {
        this.#failed = true;
        this.#chunks = [];
        throw new FrameError('length');
      }
      if (this.#buffered < PREFIX_BYTES + length) return messages;
      messages.push(this.#take(PREFIX_BYTES + length).subarray(PREFIX_BYTES));
    }
  }

  /** Bytes of an unfinished message. */
  get pendingBytes(): number {
    return this.#buffered;
  }

  #peekLength(): number | undefined {
    if (this.#buffered < PREFIX_BYTES) return undefined;
    const first = this.#chunks[0];
    if (first === undefined) return undefined;
    if (first.byteLength < PREFIX_BYTES) {
      this.#chunks = [concat(this.#chunks, this.#buffered)];
      return this.#peekLength();
    }
    return new DataView(first.buffer, first.byteOffset, first.byteLength).getUint32(0);
  }

  #take(length: number): Uint8Array {
    let first = this.#chunks[0];
    if (first === undefined || first.byteLength < length) {
      first = concat(this.#chunks, this.#buffered);
      this.#chunks = [first];
    }
    if (first.byteLength === length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(length);
    this.#buffered -= length;
    return first.subarray(0, length);
  }
}

function concat(chunks: readonly Uint8Array[], total: number): Uint8Array {
  const out = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.byteLength;
  }
  return out;
}

/** Decodes one message. Throws FrameError for bytes that are not a frame of this version. */
export function decodeFrame(message: Uint8Array): Frame {
  let frame: Frame;
  try {
    frame = decodeMessage((input) => Frame.decode(input), message);
  } catch {
    throw new FrameError('protobuf');
  }
  if (frame.version !== WIRE_VERSION) throw new FrameError('version');
  if (frame.streamId === 0n) throw new FrameError('stream-id');
  return frame;
}
