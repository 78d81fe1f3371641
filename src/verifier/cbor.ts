/**
 * A strict reader of CBOR (RFC 8949), for what attestation documents need: integers, byte and text strings, arrays,
 * maps, tags, true, false, null. Maps and arrays may be of indefinite length, because vendors write them so; their
 * order is free. Refused: chunked strings, floats, undefined, integers beyond 2^53, lengths that are not minimal,
 * keys that stand twice, trailing bytes. Depth and number of items have caps, and nothing is allocated by a length
 * before the bytes are there.
 */

/** Bytes that are not the CBOR that was asked for; `offset` counts from the first byte of the document. */
export class CborError extends Error {
  override readonly name = 'CborError';
  readonly offset: number;
  readonly problem: string;
  constructor(offset: number, problem: string) {
    super(`byte ${String(offset)}: ${problem}`);
    this.offset = offset;
    this.problem = problem;
  }
}

export class CborTag {
  readonly number: number;
  readonly value: CborValue;
  constructor(number: number, value: CborValue) {
    this.number = number;
    this.value = value;
  }
}

export type CborMap = ReadonlyMap<number | string, CborValue>;
/** Byte strings are views of the document. */
export type CborValue =
  number | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap | CborTag;

export interface CborLimits {
  readonly maxBytes: number;
  /** Arrays, maps and tags around a value. */
  readonly maxDepth: number;
  /** All values and keys together. */
  readonly maxItems: number;
}

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6 } as const;
const INDEFINITE = 31;
const BREAK = 0xff;

/** One whole document. Throws CborError. */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits): CborValue {
  if (bytes.byteLength > limits.maxBytes) throw new CborError(0, 'larger than the limit');
  const decoder = new Decoder(bytes, limits);
  const value = decoder.value(0);
  decoder.end();
  return value;
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #limits: CborLimits;
  #at = 0;
  #items = 0;

  constructor(bytes: Uint8Array, limits: CborLimits) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  #fail(problem: string, at = this.#at): never {
    throw new CborError(at, problem);
  }

  end(): void {
    if (this.#at < this.#bytes.byteLength) this.#fail('trailing bytes');
  }

  value(depth: number): CborValue {
    const start = this.#at;
    this.#items += 1;
    if (this.#items > this.#limits.maxItems) this.#fail('too many items');
    if (depth > this.#limits.maxDepth) this.#fail('nested too deeply');
    const first = this.#bytes[start];
    if (first === undefined) return this.#fail('ends too early');
    this.#at += 1;
    const major = first >> 5;
    const info = first & 0x1f;
    if (major === 7) return this.#simple(first, start);
    if (info === INDEFINITE) {
      if (major === MAJOR.array) return this.#array(undefined, depth);
      if (major === MAJOR.map) return this.#map(undefined, depth);
      return this.#fail(
        major === MAJOR.bytes || major === MAJOR.text ? 'a string in chunks' : 'reserved length',
        start,
      );
    }
    const argument = this.#argument(info, start);
    switch (major) {
      case MAJOR.unsigned:
        return argument;
      case MAJOR.negative:
        return -1 - argument;
      case MAJOR.bytes:
        return this.#string(argument, start);
      case MAJOR.text:
        return this.#text(argument, start);
      case MAJOR.array:
        return this.#array(argument, depth);
      case MAJOR.map:
        return this.#map(argument, depth);
      default:
        return new CborTag(argument, this.value(depth + 1));
    }
  }

  /** RFC 8949 §3: a number, or the length of what follows; in its shortest form (§4.1). */
  #argument(info: number, start: number): number {
    if (info < 24) return info;
    if (info > 27) return this.#fail('reserved length', start);
    const size = 1 << (info - 24);
    const from = this.#at;
    if (size > this.#bytes.byteLength - from) return this.#fail('ends in a length', start);
    this.#at += size;
    const value =
      size === 8
        ? this.#view.getUint32(from) * 2 ** 32 + this.#view.getUint32(from + 4)
        : size === 4
          ? this.#view.getUint32(from)
          : size === 2
            ? this.#view.getUint16(from)
            : this.#view.getUint8(from);
    const least = size === 1 ? 24 : 2 ** (4 * size);
    if (value < least) return this.#fail('length is not minimal', start);
    if (value > Number.MAX_SAFE_INTEGER) return this.#fail('number beyond 2^53', start);
    return value;
  }

  #string(length: number, start: number): Uint8Array {
    const from = this.#at;
    if (length > this.#bytes.byteLength - from) {
      return this.#fail('length reaches beyond the end', start);
    }
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  #text(length: number, start: number): string {
    const bytes = this.#string(length, start);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.#fail('text is not UTF-8', start);
    }
  }

  /** True when the open container ends here. */
  #ends(count: number | undefined, seen: number): boolean {
    if (count !== undefined) return seen === count;
    if (this.#bytes[this.#at] !== BREAK) return false;
    this.#at += 1;
    return true;
  }

  #array(count: number | undefined, depth: number): readonly CborValue[] {
    const items: CborValue[] = [];
    while (!this.#ends(count, items.length)) items.push(this.value(depth + 1));
    return items;
  }

  #map(count: number | undefined, depth: number): CborMap {
    const members = new Map<number | string, CborValue>();
    while (!this.#ends(count, members.size)) {
      const start = this.#at;
      const key = this.value(depth + 1);
      if (typeof key !== 'number' && typeof key !== 'string') {
        return this.#fail('a key that is neither integer nor text', start);
      }
      if (members.has(key)) return this.#fail(`a key stands twice`, start);
      members.set(key, this.value(depth + 1));
    }
    return members;
  }

  /** RFC 8949 §3.3 */
  #simple(first: number, start: number): CborValue {
    switch (first) {
      case 0xf4:
        return false;
      case 0xf5:
        return true;
      case 0xf6:
        return null;
      default:
        return this.#fail(
          first === BREAK ? 'a break without a beginning' : 'float or simple value',
          start,
        );
    }
  }
}
