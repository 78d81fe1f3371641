/** Evidence that was changed after it was made, by a generator that can be run again. */
import type { PlatformFormatName } from '../../src/verifier/index.ts';
import { seededNumbers } from './evidence-maker.ts';

export interface Mutation {
  readonly bytes: Uint8Array;
  /** Which change, and where: enough to make it again by hand. */
  readonly what: string;
  /** The first and the last changed offset of what was there before. */
  readonly from: number;
  readonly to: number;
}

/**
 * Where every byte is covered by a signature, or is the signature: no change in there may be accepted. Written
 * from the vendors' layouts, not from our decoders.
 */
export function signedBytes(format: PlatformFormatName, evidence: Uint8Array): number {
  const view = new DataView(evidence.buffer, evidence.byteOffset, evidence.byteLength);
  switch (format) {
    case 'nitro':
      return evidence.byteLength;
    case 'sev-snp':
      // 0x2A0 signed bytes, r and s of 72 bytes each.
      return 0x2a0 + 144;
    case 'tdx':
    case 'sgx':
      return signedQuoteBytes(view);
  }
}

/** Header, body, signature, attestation key, QE report with its signature, authentication data. */
function signedQuoteBytes(view: DataView): number {
  const version = view.getUint16(0, true);
  const isTdx = view.getUint32(4, true) === 0x81;
  const body = version === 5 ? 6 + view.getUint32(50, true) : version === 4 && isTdx ? 584 : 384;
  const certification = version === 3 ? 0 : 6;
  const authentication = 48 + body + 4 + 64 + 64 + certification + 384 + 64;
  return authentication + 2 + view.getUint16(authentication, true);
}

export class Mutator {
  readonly #next: () => number;
  readonly #donors: readonly Uint8Array[];

  /** @param donors what slices are taken from */
  constructor(seed: number, donors: readonly Uint8Array[]) {
    this.#next = seededNumbers(seed);
    this.#donors = donors;
  }

  below(limit: number): number {
    return limit <= 0 ? 0 : this.#next() % limit;
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.below(list.length)];
  }

  flip(bytes: Uint8Array, end = bytes.byteLength): Mutation {
    const bit = this.below(end * 8);
    const at = bit >> 3;
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7));
    return {
      bytes: changed,
      what: `bit ${String(bit & 7)} of byte ${String(at)}`,
      from: at,
      to: at,
    };
  }

  /** Any of the changes below. */
  change(bytes: Uint8Array): Mutation {
    const kinds = [
      () => this.flip(bytes),
      () => this.#boundaryByte(bytes),
      () => this.#boundaryNumber(bytes),
      () => this.#cut(bytes),
      () => this.#grow(bytes),
      () => this.#remove(bytes),
      () => this.#repeat(bytes),
      () => this.#splice(bytes),
    ];
    return (this.#pick(kinds) ?? kinds[0] ?? (() => this.flip(bytes)))();
  }

  #at(bytes: Uint8Array, room = 1): number {
    return this.below(Math.max(1, bytes.byteLength - room + 1));
  }

  #write(bytes: Uint8Array, at: number, piece: Uint8Array, what: string): Mutation {
    const changed = Uint8Array.from(bytes);
    changed.set(piece.subarray(0, Math.max(0, changed.byteLength - at)), at);
    const differs = (i: number): boolean => changed[i] !== bytes[i];
    let from = at;
    let to = Math.min(at + piece.byteLength, changed.byteLength) - 1;
    while (from < to && !differs(from)) from += 1;
    while (to > from && !differs(to)) to -= 1;
    return { bytes: changed, what: `${what} at ${String(at)}`, from, to };
  }

  #boundaryByte(bytes: Uint8Array): Mutation {
    const value = this.#pick([0, 1, 0x7f, 0x80, 0xff]) ?? 0;
    return this.#write(bytes, this.#at(bytes), Uint8Array.of(value), `byte ${String(value)}`);
  }

  /** Lengths that lie: two and four bytes, either end first. */
  #boundaryNumber(bytes: Uint8Array): Mutation {
    const width = this.#pick([2, 4]) ?? 2;
    const value =
      this.#pick([0, 1, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]) ?? 0;
    const piece = new Uint8Array(width);
    const isLittle = this.below(2) === 0;
    for (let i = 0; i < width; i += 1) {
      piece[isLittle ? i : width - 1 - i] = Math.floor(value / 256 ** i) & 0xff;
    }
    return this.#write(bytes, this.#at(bytes, width), piece, `number ${String(value)}`);
  }

  #cut(bytes: Uint8Array): Mutation {
    return truncated(bytes, this.below(bytes.byteLength));
  }

  #grow(bytes: Uint8Array): Mutation {
    const more = new Uint8Array(1 + this.below(64)).fill(this.#pick([0, 0xff, 0x30]) ?? 0);
    const grown = new Uint8Array(bytes.byteLength + more.byteLength);
    grown.set(bytes);
    grown.set(more, bytes.byteLength);
    const end = bytes.byteLength;
    return { bytes: grown, what: `${String(more.byteLength)} bytes more`, from: end, to: end };
  }

  #remove(bytes: Uint8Array): Mutation {
    const at = this.#at(bytes);
    const count = 1 + this.below(32);
    const rest = [...bytes.subarray(0, at), ...bytes.subarray(at + count)];
    const what = `${String(count)} bytes removed at ${String(at)}`;
    return { bytes: Uint8Array.from(rest), what, from: at, to: bytes.byteLength };
  }

  #repeat(bytes: Uint8Array): Mutation {
    const at = this.#at(bytes);
    const piece = bytes.subarray(at, at + 1 + this.below(64));
    const rest = [...bytes.subarray(0, at), ...piece, ...bytes.subarray(at)];
    const what = `${String(piece.byteLength)} bytes twice at ${String(at)}`;
    return { bytes: Uint8Array.from(rest), what, from: at, to: bytes.byteLength };
  }

  /** A piece of another evidence in the same or in another place. */
  #splice(bytes: Uint8Array): Mutation {
    const donor = this.#pick(this.#donors) ?? bytes;
    const length = 1 + this.below(128);
    const from = this.#at(donor, length);
    const at = this.below(2) === 0 ? from % bytes.byteLength : this.#at(bytes, length);
    const what = `${String(length)} bytes of another`;
    return this.#write(bytes, at, donor.subarray(from, from + length), what);
  }
}

export function truncated(bytes: Uint8Array, length: number): Mutation {
  const what = `cut to ${String(length)} bytes`;
  return { bytes: bytes.slice(0, length), what, from: length, to: bytes.byteLength };
}
