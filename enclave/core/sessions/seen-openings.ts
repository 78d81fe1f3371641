/** The openings under one HPKE key: each is accepted once (docs/spec/session.md, "Open"). */
import { hash } from 'node:crypto';
import { MAX_OPENINGS_OF_KEY } from '../../wire/limits.ts';

export class SeenOpenings {
  readonly #digests = new Set<string>();

  /** The key takes no more: evidence with a new one is due. */
  get usedUp(): boolean {
    return this.#digests.size >= MAX_OPENINGS_OF_KEY;
  }

  has(enc1: Uint8Array): boolean {
    return this.#digests.has(digestOf(enc1));
  }

  /** Only when everything else held: who adds, fills. False: it was there. */
  add(enc1: Uint8Array): boolean {
    const digest = digestOf(enc1);
    if (this.#digests.has(digest)) return false;
    this.#digests.add(digest);
    return true;
  }
}

/** An encapsulation of the hybrid has a kilobyte. */
function digestOf(enc1: Uint8Array): string {
  return hash('sha256', enc1, 'base64');
}
