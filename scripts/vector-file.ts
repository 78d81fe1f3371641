// The form of test/vectors/*.json, and what the makers of vectors share. They import nothing of enclave/core: each
// computes its results a second time, from the spec, so that a vector is more than the code's own echo.
import { createHash, hkdfSync } from 'node:crypto';

export interface VectorCase {
  readonly id: string;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly input: Readonly<Record<string, unknown>>;
  /** `accept`, or the reason of the refusal. */
  readonly expect: string;
  readonly output?: Readonly<Record<string, unknown>>;
}

export interface VectorFile {
  /** Name in test/vectors/. */
  readonly file: string;
  readonly content: {
    readonly spec: string;
    readonly specVersion: number;
    readonly cases: readonly VectorCase[];
  };
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(Buffer.concat(parts)).digest());

/** HKDF-SHA-256, 32 bytes. */
export const hkdf = (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', ikm, salt, info, 32));

/** Stand-in for something random: anybody can compute it. */
export const fixedBytes = (name: string, length: number): Uint8Array =>
  Uint8Array.from(
    createHash('sha512').update(`sealwright vector: ${name}`).digest().subarray(0, length),
  );

/** A refusal, or an acceptance when `expect` says so. */
export function vector(
  id: string,
  comment: string,
  input: VectorCase['input'],
  expect = 'accept',
  output?: VectorCase['output'],
  flags: readonly string[] = [],
): VectorCase {
  return { id, comment, flags, input, expect, ...(output === undefined ? {} : { output }) };
}
