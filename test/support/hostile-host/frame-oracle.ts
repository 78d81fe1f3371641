/**
 * A second reading of docs/spec/frames.md, written without the enclave's: does a stream of bytes break a rule? It
 * says `either` where that depends on what only the enclave knows, or where protobuf leaves it to the decoder.
 */
import { concatBytes } from '../../../enclave/wire/bytes.ts';

export type Outcome = 'open' | 'closed' | 'either';

const MAX_LENGTH = 4_259_840;
const MAX_FIELDS = 16_384;
/** Fields of a frame that are messages themselves: caller and details. */
const MESSAGES: ReadonlySet<number> = new Set([7, 9]);
const [REQUEST, RESPONSE, CANCEL] = [1n, 2n, 3n];
/** Varints have ten bytes at most; longer ones are each decoder's own. */
const MAX_VARINT = 10;

class Broken extends Error {}
class Unclear extends Error {}

interface Numbers {
  /** Last value of fields 1 (version), 2 (stream), 3 (kind). */
  readonly values: Map<number, bigint>;
  fields: number;
}

class Walker {
  readonly #bytes: Uint8Array;
  readonly #numbers: Numbers = { values: new Map(), fields: 0 };

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  walk(): ReadonlyMap<number, bigint> {
    this.#message(0, this.#bytes.length, true);
    return this.#numbers.values;
  }

  #message(from: number, to: number, outermost: boolean): void {
    let at = from;
    while (at < to) {
      this.#numbers.fields += 1;
      if (this.#numbers.fields > MAX_FIELDS) throw new Broken();
      const tag = this.#varint(at, to);
      at = tag.end;
      // Tags are 32 bits wide.
      if (tag.value >= 1n << 32n) throw new Unclear();
      const field = Number(tag.value >> 3n);
      if (field === 0) throw new Broken();
      switch (Number(tag.value & 7n)) {
        case 0: {
          const number = this.#varint(at, to);
          at = number.end;
          if (outermost) this.#numbers.values.set(field, number.value);
          break;
        }
        case 1:
          at += 8;
          break;
        case 2: {
          const length = this.#varint(at, to);
          if (length.value >= 1n << 31n) throw new Unclear();
          at = length.end + Number(length.value);
          if (at > to) throw new Broken();
          if (outermost && MESSAGES.has(field)) this.#message(length.end, at, false);
          break;
        }
        case 5:
          at += 4;
          break;
        default:
          throw new Broken();
      }
      if (at > to) throw new Broken();
    }
  }

  #varint(at: number, to: number): { readonly value: bigint; readonly end: number } {
    let value = 0n;
    for (let i = 0; i < MAX_VARINT; i += 1) {
      if (at + i >= to) throw new Broken();
      const byte = this.#bytes[at + i] ?? 0;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: at + i + 1 };
    }
    throw new Unclear();
  }
}

export class FrameOracle {
  #rest: Uint8Array = new Uint8Array(0);
  #lastRequest = 0n;
  #outcome: Outcome = 'open';
  /** Frames that were whole and good. */
  frames = 0;

  get outcome(): Outcome {
    return this.#outcome;
  }

  /** `asked` is the highest number of the calls that the enclave was seen to make. */
  push(bytes: Uint8Array, asked: bigint): void {
    if (this.#outcome !== 'open') return;
    this.#rest = concatBytes(this.#rest, bytes);
    try {
      while (this.#rest.length >= 4) {
        const length = new DataView(this.#rest.buffer, this.#rest.byteOffset).getUint32(0);
        if (length === 0 || length > MAX_LENGTH) throw new Broken();
        if (this.#rest.length < 4 + length) return;
        this.#frame(this.#rest.slice(4, 4 + length), asked);
        this.#rest = this.#rest.slice(4 + length);
        this.frames += 1;
      }
    } catch (error) {
      if (error instanceof Broken) this.#outcome = 'closed';
      else if (error instanceof Unclear) this.#outcome = 'either';
      else throw error;
    }
  }

  #frame(message: Uint8Array, asked: bigint): void {
    const values = new Walker(message).walk();
    const [version, stream, kind] = [1, 2, 3].map((field) => values.get(field) ?? 0n);
    if (version === undefined || stream === undefined || kind === undefined) throw new Broken();
    // A decoder may keep the low half of a number that is wider than its field.
    if ([version, kind].some((value) => value >= 1n << 32n)) throw new Unclear();
    if (version !== 1n || stream === 0n) throw new Broken();
    if (kind === REQUEST) {
      if (stream <= this.#lastRequest) throw new Broken();
      this.#lastRequest = stream;
    } else if (kind === RESPONSE) {
      // It may have asked more than was seen.
      if (stream > asked + 1000n) throw new Broken();
      if (stream > asked) throw new Unclear();
    } else if (kind !== CANCEL) throw new Broken();
  }
}
