/**
 * Frames as they stand on the link: u32 length (big-endian) ‖ protobuf Frame (docs/spec/frames.md).
 * A malformed frame closes the link, never the process.
 */
import { decodeMessage } from './decode-message.ts';
import { encodeMessage } from './encode-message.ts';
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
  // A varint would do for protobuf; the prefix is a fixed u32 so that a reader knows what to wait for.
  const out = encodeMessage(Frame, frame, PREFIX_BYTES);
  const length = out.byteLength - PREFIX_BYTES;
  if (length > MAX_FRAME_BYTES) throw new FrameError('length');
  new DataView(out.buffer).setUint32(0, length);
  return out;
}

/** An unfinished message gets a buffer of this size, or of its own when that is smaller; beyond, it doubles. */
const FIRST_BUFFER_BYTES = 64 * 1024;

/**
 * Cuts a byte stream into length-prefixed messages. Refuses a length above the limit before it
 * buffers anything of it. Messages are views on buffers that are not written again.
 */
export class MessageReader {
  readonly #maxBytes: number;
  /** The first `#heldBytes` are an unfinished message. Chunks of one byte would cost two hundred each if kept. */
  #held = new Uint8Array(0);
  #heldBytes = 0;
  #failed = false;

  constructor(maxBytes = MAX_FRAME_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Every message that is complete with this chunk. Throws FrameError, then only throws. */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#failed) throw new FrameError('failed');
    // Sockets give Buffers, whose slice shares memory where that of a Uint8Array copies: they end here.
    let input = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const messages: Uint8Array[] = [];
    while (input.byteLength > 0) {
      const held = this.#heldBytes;
      const wanted =
        held === 0 ? this.#bytesOf(input, input.byteLength) : this.#bytesOf(this.#held, held);
      // What lies in one chunk is not copied.
      if (held === 0 && wanted <= input.byteLength) {
        messages.push(input.subarray(PREFIX_BYTES, wanted));
        input = input.subarray(wanted);
        continue;
      }
      const part = input.subarray(0, wanted - held);
      this.#hold(part, wanted);
      input = input.subarray(part.byteLength);
      if (this.#heldBytes < this.#bytesOf(this.#held, this.#heldBytes)) continue;
      messages.push(this.#held.subarray(PREFIX_BYTES, this.#heldBytes));
      this.#held = new Uint8Array(0);
      this.#heldBytes = 0;
    }
    return messages;
  }

  /** Bytes of an unfinished message. */
  get pendingBytes(): number {
    return this.#heldBytes;
  }

  /** Prefix and message that begin here; the prefix alone while it is not complete. */
  #bytesOf(bytes: Uint8Array, available: number): number {
    if (available < PREFIX_BYTES) return PREFIX_BYTES;
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    if (length > 0 && length <= this.#maxBytes) return PREFIX_BYTES + length;
    this.#failed = true;
    this.#held = new Uint8Array(0);
    throw new FrameError('length');
  }

  #hold(part: Uint8Array, wanted: number): void {
    const needed = this.#heldBytes + part.byteLength;
    if (needed > this.#held.byteLength) {
      const room = Math.max(2 * needed, FIRST_BUFFER_BYTES);
      const grown = new Uint8Array(Math.min(wanted, room));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(part, this.#heldBytes);
    this.#heldBytes = needed;
  }
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
