/** Rate limits of the policy (docs/spec/policy.md, "Decision"). They bound callers, not the host, which can restart us. */
import { Refusal } from '../wire/error-code.ts';
import type { PolicyRing } from '../wire/policy/ring.ts';

/** A bucket holds one second's worth. */
const BUCKET_MS = 1000;
const SWEEP_AT_LEAST = 1024;

/** One bucket of tokens per ring, and one per caller of a ring. */
export class RateLimits {
  /** When the bucket will be full again, monotonic ms; a bucket that is full is not kept. */
  readonly #fullAtMs = new Map<string, number>();
  #sweepAtSize = SWEEP_AT_LEAST;

  /** Buckets that are kept. */
  get size(): number {
    return this.#fullAtMs.size;
  }

  /** Takes a token of both buckets, or of none. Throws Refusal. */
  take(ring: PolicyRing, callerName: string, nowMs: number): void {
    const { callerPerSecond, ringPerSecond } = ring.limits;
    // No name holds a space.
    const buckets = [
      { key: ring.name, perSecond: ringPerSecond },
      { key: `${ring.name} ${callerName}`, perSecond: callerPerSecond },
    ].flatMap(({ key, perSecond }) =>
      perSecond === undefined
        ? []
        : [{ key, perSecond, fullAtMs: this.#after(key, perSecond, nowMs) }],
    );
    for (const { perSecond, fullAtMs } of buckets) {
      if (fullAtMs - nowMs <= BUCKET_MS) continue;
      throw new Refusal('RATE_LIMITED', {
        policyId: 'rate',
        ring: ring.name,
        limitPerSecond: String(perSecond),
      });
    }
    for (const { key, fullAtMs } of buckets) this.#fullAtMs.set(key, fullAtMs);
    if (this.#fullAtMs.size >= this.#sweepAtSize) this.#sweep(nowMs);
  }

  /** When the bucket is full again once a token more is taken. */
  #after(key: string, perSecond: number, nowMs: number): number {
    return Math.max(this.#fullAtMs.get(key) ?? nowMs, nowMs) + BUCKET_MS / perSecond;
  }

  /** Each sweep comes after as many new buckets as the last one left: its cost is spread over them. */
  #sweep(nowMs: number): void {
    for (const [key, fullAtMs] of this.#fullAtMs) {
      if (fullAtMs <= nowMs) this.#fullAtMs.delete(key);
    }
    this.#sweepAtSize = Math.max(SWEEP_AT_LEAST, 2 * this.#fullAtMs.size);
  }
}
