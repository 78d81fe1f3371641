/**
 * Reads and writes fixed binary layouts (docs/spec/session.md, docs/spec/signed-call.md): integers big-endian,
 * lp(x) = u32 length ‖ x.
 */

const U32_VALUES = 2 ** 32;

/** Thrown for bytes that are not the layout. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError';
}

/** What it returns are views: on bytes that nobody writes any more, or copied by who keeps them. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes read so far. */
  get at(): number {
    return this.#at;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.byteLength - start) throw new LayoutError('ends too early');
    this.#at = start + length;
    return start;
  }

  /** Big-endian, of at most four bytes. */
  #unsigned(length: number): number {
    const start = this.#take(length);
    let value = 0;
    for (let at = start; at < start + length; at += 1) {
      value = (value << 8) | (this.#bytes[at] ?? 0);
    }
    return value >>> 0;
  }

  u8(): number {
    return this.#unsigned(1);
  }

  u16(): number {
    return this.#unsigned(2);
  }

  u32(): number {
    return this.#unsigned(4);
  }

  /** A u64 below 2^53. */
  safeU64(): number {
    const value = this.u32() * U32_VALUES + this.u32();
    if (!Number.isSafeInteger(value)) throw new LayoutError('not below 2^53');
    return value;
  }

  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  lengthPrefixed(min: number, max: number): Uint8Array {
    const length = this.u32();
    if (length < min || length > max) throw new LayoutError('length out of bounds');
    return this.bytes(length);
  }

  text(min: number, max: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        this.lengthPrefixed(min, max),
      );
    } catch (error) {
      if (error instanceof TypeError) throw new LayoutError('not UTF-8');
      throw error;
    }
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.byteLength) throw new LayoutError('bytes follow');
  }
}

/** Writes into one buffer, or a new one of a length that is known before. Throws RangeError beyond its end. */
export class ByteWriter {
  readonly out: Uint8Array<ArrayBuffer>;
  #at: number;

  /** @param at where the writing begins */
  constructor(out: Uint8Array<ArrayBuffer> | number, at = 0) {
    this.out = typeof out === 'number' ? new Uint8Array(out) : out;
    this.#at = at;
  }

  // No DataView: one over a small array costs more than all that is written into it.
  #unsigned(value: number, length: number): this {
    const start = this.#next(length);
    for (let i = 0; i < length; i += 1) this.out[start + i] = value >>> (8 * (length - 1 - i));
    return this;
  }

  #next(length: number): number {
    const start = this.#at;
    if (length > this.out.byteLength - start) throw new RangeError('beyond the end');
    this.#at = start + length;
    return start;
  }

  u8(value: number): this {
    return this.#unsigned(value, 1);
  }

  u16(value: number): this {
    return this.#unsigned(value, 2);
  }

  u32(value: number): this {
    return this.#unsigned(value, 4);
  }

  /** Below 2^53. Throws RangeError for anything else. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('not below 2^53');
    return this.#unsigned(Math.floor(value / U32_VALUES), 4).#unsigned(value, 4);
  }

  bytes(value: Uint8Array): this {
    this.out.set(value, this.#next(value.byteLength));
    return this;
  }

  lengthPrefixed(value: Uint8Array): this {
    return this.u32(value.byteLength).bytes(value);
  }
}
