/** Reads test/vectors/. */
import { readFileSync } from 'node:fs';

export interface VectorOf<I, O> {
  readonly id: string;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly input: I;
  readonly expect: string;
  readonly output?: O;
}

interface File<I, O> {
  readonly cases: readonly VectorOf<I, O>[];
}

/** The cases of one file. Their types are the test's own claim. */
export function readVectors<I, O = Readonly<Record<string, string>>>(
  file: string,
): readonly VectorOf<I, O>[] {
  const text = readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8');
  return (JSON.parse(text) as File<I, O>).cases;
}

/** The output of a case that has one. */
export function outputOf<I, O>(vector: VectorOf<I, O>): O {
  if (vector.output === undefined) throw new RangeError(`${vector.id} has no output`);
  return vector.output;
}

/** What `run` throws; undefined when it does not throw. */
export function thrown(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Every prefix that is shorter. */
export function* truncations(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.byteLength; length += 1) yield bytes.slice(0, length);
}

/** Every copy with one bit changed. */
export function* bitFlips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < 8 * bytes.byteLength; bit += 1) {
    const copy = Uint8Array.from(bytes);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield copy;
  }
}
