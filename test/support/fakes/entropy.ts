/** Bytes that look random and are the same for the same seed. */
import { createHash } from 'node:crypto';
import type { Entropy } from '../../../enclave/ports.ts';

export class SeededEntropy implements Entropy {
  readonly #seed: string;
  #block = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      const block = createHash('sha256')
        .update(`${this.#seed}/${String(this.#block)}`)
        .digest();
      this.#block += 1;
      out.set(block.subarray(0, Math.min(32, length - at)), at);
    }
    return out;
  }
}
