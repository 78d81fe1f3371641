/** Which numbers were accepted (RFC 4303 §3.4.3): out of order within the window, each once, none below it. */
import { SESSION_WINDOW } from '../limits.ts';
import { RecordRefused } from './record.ts';

export class ReplayWindow {
  /** A bit a number: that of `n` stands at `n` mod the window. */
  readonly #bits = new Uint32Array(SESSION_WINDOW / 32);
  /** Largest accepted. */
  #largest = -1;

  /** Throws RecordRefused `replayed` or `too-old`. */
  check(seq: number): void {
    if (seq <= this.#largest - SESSION_WINDOW) throw new RecordRefused('too-old');
    if (seq <= this.#largest && this.#has(seq)) throw new RecordRefused('replayed');
  }

  /** After `check`, and after everything else that could refuse the record. */
  accept(seq: number): void {
    // What leaves the window makes room for what comes into it.
    const first = Math.max(this.#largest + 1, seq - SESSION_WINDOW + 1);
    for (let n = first; n < seq; n += 1) this.#write(n, 0);
    this.#write(seq, 1);
    this.#largest = Math.max(this.#largest, seq);
  }

  #has(seq: number): boolean {
    const at = seq % SESSION_WINDOW;
    return ((this.#bits[at >> 5] ?? 0) & (1 << (at & 31))) !== 0;
  }

  #write(seq: number, bit: 0 | 1): void {
    const at = seq % SESSION_WINDOW;
    const mask = 1 << (at & 31);
    const word = this.#bits[at >> 5] ?? 0;
    this.#bits[at >> 5] = bit === 1 ? word | mask : word & ~mask;
  }
}
