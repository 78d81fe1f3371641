/**
 * The two pipes of a worker. Descriptor 3: u32 (big-endian) length ‖ protobuf, both ways. Descriptor 4: PINs, each
 * u16 (big-endian) length ‖ ASCII bytes, until end of file.
 */

export const REQUEST_DESCRIPTOR = 3;
export const PIN_DESCRIPTOR = 4;

export const FRAME_HEADER_BYTES = 4;

/** A request: the largest is an EdDSA message of 60 KiB with its identifier and algorithm. */
export const MAX_WORKER_REQUEST_BYTES = 64 * 1024;

/** An answer: the inventory of 20,000 objects at 400 bytes each. */
export const MAX_WORKER_RESPONSE_BYTES = 8 * 1024 * 1024;

/** PKCS#11 leaves the length of a PIN to the token; the longest known (`user:password`) stays far below. */
export const MAX_PIN_BYTES = 255;
const MAX_PINS = 2;
export const MAX_PIN_PIPE_BYTES = MAX_PINS * (2 + MAX_PIN_BYTES);

/** Throws RangeError above the limit. */
export function encodeWorkerFrame(body: Uint8Array, limitBytes: number): Buffer {
  if (body.length > limitBytes) throw new RangeError('frame too large');
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/** Puts chunks of a stream together to frame bodies. A body is a view on a chunk when it lies within one. */
export class WorkerFrameReader {
  readonly #limitBytes: number;
  #pending: Buffer = Buffer.alloc(0);

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The bodies that are complete with this chunk, in order. Throws RangeError above the limit. */
  push(chunk: Buffer): Buffer[] {
    let data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const bodies: Buffer[] = [];
    while (data.length >= FRAME_HEADER_BYTES) {
      const length = data.readUInt32BE(0);
      if (length > this.#limitBytes) throw new RangeError('frame too large');
      const end = FRAME_HEADER_BYTES + length;
      if (data.length < end) break;
      bodies.push(data.subarray(FRAME_HEADER_BYTES, end));
      data = data.subarray(end);
    }
    this.#pending = data;
    return bodies;
  }
}

/** One unpooled buffer, so that overwriting it leaves no copy. Throws RangeError for an impossible PIN. */
export function encodePins(pins: readonly Uint8Array[]): Buffer {
  if (pins.length > MAX_PINS) throw new RangeError('too many PINs');
  const whole = Buffer.alloc(pins.reduce((sum, pin) => sum + 2 + pin.length, 0));
  let offset = 0;
  for (const pin of pins) {
    if (pin.length === 0 || pin.length > MAX_PIN_BYTES)
      throw new RangeError('PIN has an impossible length');
    offset = whole.writeUInt16BE(pin.length, offset);
    whole.set(pin, offset);
    offset += pin.length;
  }
  return whole;
}

/** Views on `bytes`. Throws RangeError when they do not end with a PIN. */
export function parsePins(bytes: Buffer): Buffer[] {
  const pins: Buffer[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const start = offset + 2;
    if (start > bytes.length) throw new RangeError('truncated PIN');
    offset = start + bytes.readUInt16BE(offset);
    if (offset === start || offset > bytes.length || pins.length === MAX_PINS)
      throw new RangeError('malformed PINs');
    pins.push(bytes.subarray(start, offset));
  }
  return pins;
}
