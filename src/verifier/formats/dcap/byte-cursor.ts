import { MalformedEvidence } from '../../malformed.ts';

/**
 * Reads little-endian fields one after the other. Views, not copies. A field that reaches beyond the end is
 * MalformedEvidence with the offset and the name of the field; nothing is allocated by a length that was read.
 */
export class ByteCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #place: string;
  readonly #base: number;
  #at = 0;

  /** `base` is where the bytes begin in what the sender sent; it only serves error messages. */
  constructor(bytes: Uint8Array, place: string, base = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#place = place;
    this.#base = base;
  }

  /** How many bytes were read. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.byteLength - this.#at;
  }

  fail(problem: string): never {
    const offset = String(this.#base + this.#at);
    throw new MalformedEvidence(this.#place, `byte ${offset}: ${problem}`);
  }

  #advance(length: number, field: string): number {
    if (length > this.left) {
      return this.fail(`${field}: ${String(length)} bytes, and only ${String(this.left)} are left`);
    }
    const from = this.#at;
    this.#at += length;
    return from;
  }

  u16(field: string): number {
    return this.#view.getUint16(this.#advance(2, field), true);
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#advance(4, field), true);
  }

  bytes(length: number, field: string): Uint8Array {
    const from = this.#advance(length, field);
    return this.#bytes.subarray(from, from + length);
  }

  /** A cursor over the next bytes, which then count as read. */
  part(length: number, field: string): ByteCursor {
    const base = this.#base + this.#at;
    return new ByteCursor(this.bytes(length, field), this.#place, base);
  }

  rest(): Uint8Array {
    return this.bytes(this.left, 'rest');
  }

  /** Call last: nothing may follow. */
  end(what: string): void {
    if (this.left > 0) this.fail(`${String(this.left)} bytes follow ${what}`);
  }
}
