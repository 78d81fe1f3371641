/**
 * The ids of signed calls, by principal, for as long as one of them could be brought again (docs/spec/signed-call.md,
 * "Once"). Nothing is forgotten early: when there is no room, the newcomer is refused.
 */
import { toHex } from '../wire/bytes.ts';
import { MAX_SIGNED_CALLS, MAX_SIGNED_CALLS_OF_PRINCIPAL, SIGNED_CALL_MS } from '../wire/limits.ts';

interface Generation {
  readonly ids: Map<string, Set<string>>;
  count: number;
}

const newGeneration = (): Generation => ({ ids: new Map<string, Set<string>>(), count: 0 });

export class SeenRequests {
  #current = newGeneration();
  #previous = newGeneration();
  #startedMs = -Infinity;

  /**
   * @param nowMs never falls; the call is void SIGNED_CALL_MS later at the latest
   */
  add(principal: string, requestId: Uint8Array, nowMs: number): 'added' | 'replayed' | 'busy' {
    this.#turn(nowMs);
    const id = toHex(requestId);
    const own = this.#current.ids.get(principal) ?? new Set<string>();
    const before = this.#previous.ids.get(principal);
    if (own.has(id) || before?.has(id) === true) return 'replayed';
    const full =
      own.size + (before?.size ?? 0) >= MAX_SIGNED_CALLS_OF_PRINCIPAL ||
      this.#current.count + this.#previous.count >= MAX_SIGNED_CALLS;
    if (full) return 'busy';
    this.#current.ids.set(principal, own.add(id));
    this.#current.count += 1;
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
