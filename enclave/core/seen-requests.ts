/**
 * The ids of signed calls, for as long as one of them could be brought again (docs/spec/signed-call.md,
 * "Once"). Nothing is forgotten early: when there is no room, the newcomer is refused.
 */
import { toHex } from '../wire/bytes.ts';
import { MAX_SIGNED_CALLS, MAX_SIGNED_CALLS_OF_PRINCIPAL, SIGNED_CALL_MS } from '../wire/limits.ts';

interface Generation {
  /** Whoever used them: one key may be certified as several principals, and the signature names none of them. */
  readonly ids: Set<string>;
  /** By principal. */
  readonly counts: Map<string, number>;
}

const newGeneration = (): Generation => ({
  ids: new Set<string>(),
  counts: new Map<string, number>(),
});

export class SeenRequests {
  #current = newGeneration();
  #previous = newGeneration();
  #startedMs = -Infinity;

  /**
   * @param nowMs never falls; the call is void SIGNED_CALL_MS later at the latest
   */
  add(principal: string, requestId: Uint8Array, nowMs: number): 'added' | 'replayed' | 'busy' {
    this.#turn(nowMs);
    const [now, before] = [this.#current, this.#previous];
    const id = toHex(requestId);
    if (now.ids.has(id) || before.ids.has(id)) return 'replayed';
    const own = now.counts.get(principal) ?? 0;
    const full =
      own + (before.counts.get(principal) ?? 0) >= MAX_SIGNED_CALLS_OF_PRINCIPAL ||
      now.ids.size + before.ids.size >= MAX_SIGNED_CALLS;
    if (full) return 'busy';
    now.ids.add(id);
    now.counts.set(principal, own + 1);
    return 'added';
  }

  /** What leaves was added before `#startedMs`, more than a call's longest life ago. */
  #turn(nowMs: number): void {
    if (nowMs - this.#startedMs < SIGNED_CALL_MS) return;
    // Nothing came for two lives: the current ones are void as well.
    const idle = nowMs - this.#startedMs >= 2 * SIGNED_CALL_MS;
    this.#previous = idle ? newGeneration() : this.#current;
    this.#current = newGeneration();
    this.#startedMs = nowMs;
  }
}
