import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { DerError } from '../../enclave/wire/x509/der.ts';

/**
 * Bytes that can't be decoded, so that no check can be made. A false hash or signature is never this.
 * `place` is a JSON pointer into the bundle; `/claims/svn` is a member of the claims inside it.
 */
export class MalformedEvidence extends Error {
  override readonly name = 'MalformedEvidence';
  readonly place: string;
  readonly problem: string;
  constructor(place: string, problem: string) {
    super(`${place === '' ? '/' : place}: ${problem}`);
    this.place = place;
    this.problem = problem;
  }
}

/** Runs a decoder whose places are relative to `place`. */
export function decodingAt<T>(place: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof SignedJsonError) {
      // The error's text repeats its place, which is known here already.
      const prefix = `${error.place === '' ? '/' : error.place}: `;
      throw new MalformedEvidence(`${place}${error.place}`, error.message.slice(prefix.length));
    }
    if (error instanceof DerError) {
      throw new MalformedEvidence(place, `byte ${String(error.offset)}: ${error.problem}`);
    }
    throw error;
  }
}
