/**
 * A strict reader of DER (X.690 §8, §10, §11). What BER would also allow is refused: indefinite and
 * non-minimal lengths, tags of more than one byte, padded integers, booleans other than 00 and ff, unused
 * bits that are not zero, trailing bytes. Nothing recurses; depth and size have caps.
 */

/** Bytes that are not the DER that was asked for; `offset` counts from the first byte of the document. */
export class DerError extends Error {
  override readonly name = 'DerError';
  readonly offset: number;
  readonly problem: string;
  constructor(offset: number, problem: string) {
    super(`byte ${String(offset)}: ${problem}`);
    this.offset = offset;
    this.problem = problem;
  }
}

/** Universal tags (X.680 §8.4), constructed bit included where DER wants it. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** [number] of a constructed, and of a primitive type. */
export const explicitTag = (number: number): number => 0xa0 | number;
export const implicitTag = (number: number): number => 0x80 | number;

/** What certificates need is eight levels: the inside of an extension. */
const MAX_DEPTH = 10;

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content, as received. */
  readonly raw: Uint8Array;
  /** Where `content` begins in the document. */
  readonly offset: number;
}

/** Reads the elements of one document or of one constructed element, in order. Views, not copies. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #base: number;
  readonly #depth: number;
  #at = 0;

  private constructor(bytes: Uint8Array, base: number, depth: number) {
    if (depth > MAX_DEPTH) throw new DerError(base, 'nested too deeply');
    this.#bytes = bytes;
    this.#base = base;
    this.#depth = depth;
  }

  /** A document of at most `maxBytes`. */
  static open(bytes: Uint8Array, maxBytes: number): DerReader {
    if (bytes.byteLength > maxBytes) throw new DerError(0, 'larger than the limit');
    return new DerReader(bytes, 0, 0);
  }

  get more(): boolean {
    return this.#at < this.#bytes.byteLength;
  }

  fail(problem: string): never {
    throw new DerError(this.#base + this.#at, problem);
  }

  /** True when the next element has this tag. */
  nextIs(tag: number): boolean {
    return this.#bytes[this.#at] === tag;
  }

  /** The next element; with `tag`, only that one will do. */
  element(tag?: number): DerElement {
    const start = this.#at;
    const found = this.#bytes[start];
    if (found === undefined) return this.fail('ends too early');
    if (tag !== undefined && found !== tag) {
      return this.fail(`expected tag ${tag.toString(16)}, found ${found.toString(16)}`);
    }
    if ((found & 0x1f) === 0x1f) return this.fail('tag of more than one byte');
    const { length, headerBytes } = this.#length(start + 1);
    const from = start + headerBytes;
    if (length > this.#bytes.byteLength - from) return this.fail('length reaches beyond the end');
    this.#at = from + length;
    return {
      tag: found,
      content: this.#bytes.subarray(from, this.#at),
      raw: this.#bytes.subarray(start, this.#at),
      offset: this.#base + from,
    };
  }

  /** X.690 §10.1: the shortest definite form. Two bytes of length are enough for 64 KiB. */
  #length(at: number): { length: number; headerBytes: number } {
    const first = this.#bytes[at];
    if (first === undefined) return this.fail('ends in a length');
    if (first < 0x80) return { length: first, headerBytes: 2 };
    if (first === 0x80) return this.fail('indefinite length');
    const digits = first & 0x7f;
    if (digits > 3) return this.fail('length of more than three bytes');
    let length = 0;
    for (let i = 1; i <= digits; i += 1) {
      const digit = this.#bytes[at + i];
      if (digit === undefined) return this.fail('ends in a length');
      length = length * 256 + digit;
    }
    const least = digits === 1 ? 0x80 : 256 ** (digits - 1);
    if (length < least) return this.fail('length is not minimal');
    return { length, headerBytes: 2 + digits };
  }

  /** A reader of what an element of this reader holds. */
  inside(element: DerElement): DerReader {
    return new DerReader(element.content, element.offset, this.#depth + 1);
  }

  /** The inside of the next element. */
  enter(tag: number): DerReader {
    return this.inside(this.element(tag));
  }

  sequence(): DerReader {
    return this.enter(TAG.sequence);
  }

  /** DER inside an OCTET STRING, as extensions have it. */
  wrapped(): DerReader {
    return this.enter(TAG.octetString);
  }

  boolean(): boolean {
    const { content } = this.element(TAG.boolean);
    const value = content[0];
    // X.690 §11.1
    if (content.byteLength !== 1 || (value !== 0 && value !== 0xff))
      return this.fail('not a DER boolean');
    return value === 0xff;
  }

  /** A non-negative INTEGER: its bytes, big-endian, without the sign byte (zero is one zero byte). */
  unsigned(): Uint8Array {
    const { content } = this.element(TAG.integer);
    const [first, second] = content;
    if (first === undefined) return this.fail('empty integer');
    if (first >= 0x80) return this.fail('negative integer');
    // X.690 §8.3.2
    if (first === 0 && second !== undefined && second < 0x80) return this.fail('padded integer');
    return first === 0 && second !== undefined ? content.subarray(1) : content;
  }

  /** A small non-negative INTEGER. */
  smallInteger(max: number): number {
    const bytes = this.unsigned();
    if (bytes.byteLength > 4) return this.fail('integer too large');
    const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
    return value <= max ? value : this.fail('integer too large');
  }

  octetString(): Uint8Array {
    return this.element(TAG.octetString).content;
  }

  null(): void {
    if (this.element(TAG.null).content.byteLength !== 0) this.fail('NULL with content');
  }

  /** A BIT STRING of whole bytes. */
  wholeBits(): Uint8Array {
    const { content } = this.element(TAG.bitString);
    if (content[0] !== 0) return this.fail('expected a bit string of whole bytes');
    return content.subarray(1);
  }

  /**
   * Numbers of the bits that are set (X.690 §11.2: unused bits zero, no trailing zero bits; with `padded` there may
   * be such).
   */
  namedBits(padded = false): ReadonlySet<number> {
    const { content } = this.element(TAG.bitString);
    const unused = content[0];
    const last = content.at(-1);
    if (unused === undefined || last === undefined || unused > 7)
      return this.fail('not a bit string');
    if (content.byteLength === 1) {
      return unused === 0 ? new Set() : this.fail('not a bit string');
    }
    if ((last & ((1 << unused) - 1)) !== 0) return this.fail('unused bits are set');
    if (!padded && ((last >> unused) & 1) !== 1) return this.fail('named bits are not minimal');
    const bits = new Set<number>();
    for (let bit = 0; bit < (content.byteLength - 1) * 8 - unused; bit += 1) {
      if (((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) bits.add(bit);
    }
    return bits;
  }

  /** Dotted form. X.690 §8.19: no padded arcs; arcs beyond 2^28 are nothing we know. */
  objectIdentifier(): string {
    const { content } = this.element(TAG.objectIdentifier);
    const arcs: number[] = [];
    let arc = 0;
    let bytesOfArc = 0;
    for (const byte of content) {
      if (bytesOfArc === 0 && byte === 0x80) return this.fail('padded object identifier');
      arc = arc * 128 + (byte & 0x7f);
      bytesOfArc += 1;
      if (bytesOfArc > 4) return this.fail('object identifier too large');
      if (byte < 0x80) {
        arcs.push(arc);
        arc = 0;
        bytesOfArc = 0;
      }
    }
    const first = arcs[0];
    if (first === undefined || bytesOfArc !== 0) return this.fail('not an object identifier');
    const root = Math.min(2, Math.floor(first / 40));
    return [root, first - root * 40, ...arcs.slice(1)].join('.');
  }

  /** Unix milliseconds of a UTCTime or GeneralizedTime in the one form that RFC 5280 §4.1.2.5 allows. */
  time(): number {
    const isUtc = this.nextIs(TAG.utcTime);
    const { content } = this.element(isUtc ? TAG.utcTime : TAG.generalizedTime);
    const text = String.fromCharCode(...content.subarray(0, 16));
    const match = (isUtc ? /^(\d{2})(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/).exec(text);
    if (match?.[1] === undefined || match[2] === undefined)
      return this.fail('not a time of RFC 5280');
    // RFC 5280 §4.1.2.5.1: two digits from 50 on are the last century.
    const year = Number(match[1]) + (isUtc ? (Number(match[1]) >= 50 ? 1900 : 2000) : 0);
    if (!isUtc && year < 2050) return this.fail('a GeneralizedTime before 2050');
    const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = (
      match[2].match(/../g) ?? []
    ).map(Number);
    const at = Date.UTC(year, month - 1, day, hour, minute, second);
    const expected = `${String(year)}${match[2]}`;
    // Date.UTC carries the 31st of February into March.
    const digits = new Date(at)
      .toISOString()
      .replace(/\.000Z$/, '')
      .replace(/[-:T]/g, '');
    return digits === expected ? at : this.fail('no such day or hour');
  }

  /** Call last: nothing may follow. */
  end(): void {
    if (this.more) this.fail('trailing bytes');
  }
}
