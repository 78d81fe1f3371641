/**
 * The HPKE keys that openings may be sealed to (docs/spec/session.md, "What the enclave checks"): those of the current
 * evidence, and for a while those of the evidence before, for callers who verified that. Evidence that was renewed with the
 * same key gives the same pair and the same `seen` under another digest.
 */
import { equalBytes } from '../../wire/bytes.ts';
import { REPLACED_KEY_MS } from '../../wire/limits.ts';
import type { SuiteNumber } from '../../wire/session/suites.ts';
import type { OpeningKey } from './accept-session.ts';

interface Held {
  readonly key: OpeningKey;
  /** By the monotonic clock; infinite for those of the current evidence. */
  dropMs: number;
}

export class OpeningKeys {
  #held: Held[] = [];

  /** New evidence is served: `keys`, one a suite, are the ones that it names. */
  replace(keys: readonly OpeningKey[], nowMs: number): void {
    for (const held of this.#held) held.dropMs = Math.min(held.dropMs, nowMs + REPLACED_KEY_MS);
    this.#held.push(...keys.map((key) => ({ key, dropMs: Infinity })));
    this.drop(nowMs);
  }

  find(suite: SuiteNumber, evidenceDigest: Uint8Array, nowMs: number): OpeningKey | undefined {
    this.drop(nowMs);
    return this.#held
      .map(({ key }) => key)
      .find(
        ({ target }) => target.suite === suite && equalBytes(target.evidenceDigest, evidenceDigest),
      );
  }

  /** A current key takes no more openings: evidence with a new one is due. */
  get usedUp(): boolean {
    return this.#held.some(({ key, dropMs }) => dropMs === Infinity && key.seen.usedUp);
  }

  /** Private keys go when their time is over: to be called from time to time, whether or not anybody opens. */
  drop(nowMs: number): void {
    this.#held = this.#held.filter(({ dropMs }) => nowMs < dropMs);
  }
}
