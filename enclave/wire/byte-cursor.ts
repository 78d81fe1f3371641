/**
 * Reads and writes fixed binary layouts (docs/spec/session.md, docs/spec/signed-call.md): integers big-endian,
 * lp(x) = u32 length ‖ x.
 */

/** Thrown for bytes that are not the layout. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError';
}

/** What it returns are views: on bytes that nobody writes any more, or copied by who keeps them. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** A u64 below 2^53. */
  safeU64(): number {
    const value = this.#view.getBigUint64(this.#take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new LayoutError('not below 2^53');
    return Number(value);
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

/** Writes into one buffer of a length that is known before. Throws RangeError beyond its end. */
export class ByteWriter {
  readonly out: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.out = new Uint8Array(length);
    this.#view = new DataView(this.out.buffer);
  }

  #next(length: number): number {
    const start = this.#at;
    this.#at = start + length;
    return start;
  }

  u8(value: number): this {
    this.#view.setUint8(this.#next(1), value);
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#next(2), value);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#next(4), value);
    return this;
  }

  u64(value: number): this {
    this.#view.setBigUint64(this.#next(8), BigInt(value));
    return this;
  }

  bytes(value: Uint8Array): this {
    this.out.set(value, this.#next(value.byteLength));
    return this;
  }

  lengthPrefixed(value: Uint8Array): this {
    return this.u32(value.byteLength).bytes(value);
  }
}
