/** Attested keys, kept for as long as their evidence may be believed without asking again. */
import type { AttestedClient, AttestedKey } from '../attested.ts';

/** A key that was compromised or rotated is known to a caller after this time at the latest. */
const KEPT_MS = 5 * 60_000;

interface Kept {
  readonly key: Promise<AttestedKey>;
  /** Of the monotonic clock. */
  readonly untilMs: number;
}

export class TrustedKeys {
  readonly #attested: AttestedClient;
  readonly #kept = new Map<string, Kept>();

  constructor(attested: AttestedClient) {
    this.#attested = attested;
  }

  /** The key of a ring that signs now. One question for all who ask at once. Throws NotBelieved and SignerError. */
  async current(ring: string): Promise<AttestedKey> {
    const kept = this.#kept.get(ring);
    if (kept !== undefined && performance.now() < kept.untilMs) {
      const found = await kept.key;
      // The wall clock may have jumped, or the evidence was nearly over when it came.
      if (Date.now() < found.attestation.claims.notAfterMs) return found;
    }
    return this.renewed(ring);
  }

  /**
   * The version that an answer names, newer than the one that was asked; the newest there is for one that is not there.
   * A ring may rotate more than once within a call.
   */
  async version(ring: string, version: number): Promise<AttestedKey> {
    const kept = await this.current(ring);
    const newest = kept.key.version < version ? await this.renewed(ring) : kept;
    return newest.key.version <= version ? newest : this.#attested.key(ring, version);
  }

  /** Asked for anew: the service answered with another version than the one that is kept. */
  async renewed(ring: string): Promise<AttestedKey> {
    const key = this.#attested.key(ring);
    this.#kept.set(ring, { key, untilMs: performance.now() + KEPT_MS });
    try {
      return await key;
    } catch (error) {
      if (this.#kept.get(ring)?.key === key) this.#kept.delete(ring);
      throw error;
    }
  }
}
