/** The binary forms of SSH (RFC 4251 §5) as far as keys and signatures need them. Strict: one encoding a value. */
import { equalBytes, utf8 } from './bytes.ts';

/** What is wrong with a key or a signature, in a closed list of words. */
export type SshProblem =
  | 'armor'
  | 'certificate'
  | 'curve'
  | 'hash'
  | 'key-type'
  | 'length'
  | 'magic'
  | 'mpint'
  | 'namespace'
  | 'reserved'
  | 'signature-type'
  | 'text'
  | 'user-presence'
  | 'version';

/** Bytes that are not the SSH structure they should be. */
export class SshError extends Error {
  override readonly name = 'SshError';
  readonly problem: SshProblem;

  constructor(problem: SshProblem) {
    super(problem);
    this.problem = problem;
  }
}

export class SshReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next `count` bytes: a view. Throws SshError. */
  bytes(count: number): Uint8Array {
    if (count > this.#bytes.byteLength - this.#at) throw new SshError('length');
    const part = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return part;
  }

  u32(): number {
    const { buffer, byteOffset } = this.bytes(4);
    return new DataView(buffer, byteOffset, 4).getUint32(0);
  }

  string(): Uint8Array {
    return this.bytes(this.u32());
  }

  /** A name: printable US-ASCII (RFC 4251 §6). */
  text(): string {
    const bytes = this.string();
    if (bytes.some((byte) => byte < 0x21 || byte > 0x7e)) throw new SshError('text');
    return String.fromCharCode(...bytes);
  }

  /** A positive mpint as exactly `width` big-endian bytes. Throws SshError for one that is not minimal, or wider. */
  unsigned(width: number): Uint8Array {
    const bytes = this.string();
    const [first = 0x80, second = 0] = bytes;
    // Two's complement: a leading zero byte stands only before a set top bit.
    if (first >= 0x80 || (first === 0 && second < 0x80)) throw new SshError('mpint');
    const digits = first === 0 ? bytes.subarray(1) : bytes;
    if (digits.byteLength > width) throw new SshError('mpint');
    const out = new Uint8Array(width);
    out.set(digits, width - digits.byteLength);
    return out;
  }

  /** The bytes of a fixed text. */
  literal(text: string, problem: SshProblem): void {
    const expected = utf8(text);
    const available = Math.min(expected.byteLength, this.#bytes.byteLength - this.#at);
    if (!equalBytes(this.bytes(available), expected)) throw new SshError(problem);
  }

  end(): void {
    if (this.#at !== this.#bytes.byteLength) throw new SshError('length');
  }
}
