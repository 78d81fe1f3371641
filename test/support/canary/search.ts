/** Looks for many secrets in many places, each place read once. */
import { ENCODINGS, fragmentsOf } from './encodings.ts';
import type { Secret } from './secret.ts';

/** Something that could hold a secret, as bytes that follow each other. */
export interface Place {
  readonly name: string;
  readonly chunks: () => Iterable<Uint8Array>;
}

/** A secret in a place. It says which, and never the bytes. */
export interface Finding {
  readonly place: string;
  readonly kind: Secret['kind'];
  readonly name: string;
  readonly encoding: string;
}

/** A part of a part of a secret. */
interface Fragment {
  readonly bytes: Buffer;
  readonly kind: Secret['kind'];
  readonly name: string;
}

/** One fragment as one encoding writes it. Not its bytes: a campaign has millions. */
interface Pattern {
  readonly fragment: Fragment;
  readonly encoding: string;
  /** Where its window is. */
  readonly at: number;
  /** The next four bytes: decimal digits and commas have windows that are everywhere. */
  readonly after: number;
  /** The next one with the same window. */
  readonly next: Pattern | undefined;
}

/** What names a secret best comes first: its bytes may be known under several names. */
const KINDS: readonly Secret['kind'][] = [
  'user-pin',
  'so-pin',
  'platform-secret',
  'private-key',
  'key-material',
  'secret-key',
];

const WINDOW_BYTES = 4;
/** 2^22 bits are 512 KiB, which the second cache of a core holds. */
const LEAST_FILTER_BITS = 22;
/** Fuller, a filter lets so many windows through that looking them up costs more than a larger filter. */
const LEAST_BITS_A_WINDOW = 32;
/** Knuth's multiplicative hash: windows differ in few bits. */
const SPREAD = 0x9e3779b1;

/** The window that is met least by chance: not one of zeros or of a text's separators. */
function mostVaried(encoded: Buffer): number {
  let [best, most] = [0, 0];
  for (let at = 0; at + 2 * WINDOW_BYTES <= encoded.byteLength && most < WINDOW_BYTES; at += 1) {
    const different = new Set(encoded.subarray(at, at + WINDOW_BYTES)).size;
    if (different > most) [best, most] = [at, different];
  }
  return best;
}

const ZEROS = Buffer.alloc(4096);

const isZero = (bytes: Buffer, at: number): boolean =>
  at % ZEROS.byteLength === 0 &&
  at + ZEROS.byteLength < bytes.byteLength &&
  bytes.compare(ZEROS, 0, undefined, at, at + ZEROS.byteLength) === 0;

/** Bits of the hashes of windows: what it does not know is in no pattern. */
class WindowFilter {
  readonly #bits: Uint8Array;
  readonly #shift: number;

  constructor(bits: number) {
    this.#bits = new Uint8Array(2 ** (bits - 3));
    this.#shift = 32 - bits;
  }

  add(window: number): void {
    const slot = Math.imul(window, SPREAD) >>> this.#shift;
    this.#bits[slot >>> 3] = (this.#bits[slot >>> 3] ?? 0) | (1 << (slot & 7));
  }

  /** Where a window of `known` is. The only loop over every byte. */
  candidates(bytes: Uint8Array, known: ReadonlyMap<number, unknown>): number[] {
    const candidates: number[] = [];
    const filter = this.#bits;
    const shift = this.#shift;
    const { byteLength } = bytes;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, byteLength);
    let window = 0;
    // Memory is full of zeros: what passes the filter by chance must not be looked up a million times.
    let unknown: number | undefined;
    for (let i = 0; i < byteLength; i += 1) {
      // A core is zeros for the most part.
      while (window === 0 && isZero(buffer, i)) i += ZEROS.byteLength;
      window = (window << 8) | (bytes[i] ?? 0);
      const slot = Math.imul(window, SPREAD) >>> shift;
      if (((filter[slot >>> 3] ?? 0) & (1 << (slot & 7))) === 0 || window === unknown) continue;
      if (!known.has(window)) unknown = window;
      else if (i >= WINDOW_BYTES - 1) candidates.push(i - WINDOW_BYTES + 1);
    }
    return candidates;
  }
}

export class Search {
  readonly #byWindow = new Map<number, Pattern>();
  #filter = new WindowFilter(LEAST_FILTER_BITS);
  readonly #known = new Set<string>();
  #longest = WINDOW_BYTES;

  constructor(secrets: readonly Secret[]) {
    this.add(secrets);
  }

  add(secrets: readonly Secret[]): void {
    const sorted = secrets.toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
    for (const { kind, name, parts } of sorted) {
      for (const bytes of parts.flatMap((part) => fragmentsOf(Buffer.from(part, 'hex')))) {
        const key = bytes.toString('latin1');
        if (this.#known.has(key)) continue;
        this.#known.add(key);
        this.#addFragment({ bytes, kind, name });
      }
    }
    let bits = LEAST_FILTER_BITS;
    while (2 ** bits < this.#byWindow.size * LEAST_BITS_A_WINDOW) bits += 1;
    this.#filter = new WindowFilter(bits);
    for (const window of this.#byWindow.keys()) this.#filter.add(window);
  }

  #addFragment(fragment: Fragment): void {
    const known = new Set<string>();
    for (const [encoding, encode] of Object.entries(ENCODINGS)) {
      const encoded = encode(fragment.bytes);
      const key = encoded.toString('latin1');
      if (known.has(key)) continue;
      known.add(key);
      const at = mostVaried(encoded);
      const window = encoded.readInt32BE(at);
      const after = encoded.readInt32BE(at + WINDOW_BYTES);
      this.#byWindow.set(window, {
        fragment,
        encoding,
        at,
        after,
        next: this.#byWindow.get(window),
      });
      this.#longest = Math.max(this.#longest, encoded.byteLength);
    }
  }

  /** Each secret once a place and encoding. */
  in(places: Iterable<Place>): Finding[] {
    const findings = new Map<string, Finding>();
    for (const place of places) {
      for (const { fragment, encoding } of this.#inPlace(place)) {
        const { kind, name } = fragment;
        const finding = { place: place.name, kind, name, encoding };
        findings.set(JSON.stringify(finding), finding);
      }
    }
    return [...findings.values()];
  }

  *#inPlace({ chunks }: Place): Generator<Pattern> {
    let rest: Uint8Array = new Uint8Array(0);
    for (const chunk of chunks()) {
      // A secret may lie across two chunks.
      const bytes = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
      yield* this.#inBytes(bytes);
      rest = Uint8Array.from(bytes.subarray(-(this.#longest - 1)));
    }
  }

  *#inBytes(bytes: Uint8Array): Generator<Pattern> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const place of this.#filter.candidates(bytes, this.#byWindow)) {
      if (place + 2 * WINDOW_BYTES > buffer.byteLength) continue;
      const after = buffer.readInt32BE(place + WINDOW_BYTES);
      let pattern = this.#byWindow.get(buffer.readInt32BE(place));
      for (; pattern !== undefined; pattern = pattern.next) {
        if (pattern.after !== after) continue;
        const encoded = ENCODINGS[pattern.encoding]?.(pattern.fragment.bytes) ?? Buffer.alloc(0);
        const at = place - pattern.at;
        const end = at + encoded.byteLength;
        if (
          at >= 0 &&
          end <= buffer.byteLength &&
          buffer.compare(encoded, 0, undefined, at, end) === 0
        ) {
          yield pattern;
        }
      }
    }
  }
}
