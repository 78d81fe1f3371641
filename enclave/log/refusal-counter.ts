/** Refusals of authenticated callers, counted: a caller must not fill the log by being refused. */
import type { Reason } from '../wire/error-code.ts';
import type { Leaf } from './leaf.ts';

/** Leaves a second (docs/spec/log.md). What does not fit waits, and goes on counting. */
const LEAVES_PER_SECOND = 10;
/** Different refusals that are remembered at once; more are not told apart by caller. */
const MAX_KINDS = 1024;
/** Caller of a leaf that stands for those (docs/spec/log.md). */
const OTHERS = 'others';

interface Counted {
  readonly ring: string;
  readonly caller: string;
  readonly rank: string;
  readonly reason: Reason;
  count: number;
}

export class RefusalCounter {
  readonly #counted = new Map<string, Counted>();

  count(
    ring: string,
    caller: { readonly principal: string; readonly rank: string },
    reason: Reason,
  ): void {
    const { rank } = caller;
    // Neither rings nor principals hold a space: no name can pose as two.
    const keyOf = (principal: string): string => `${ring} ${principal} ${rank} ${reason}`;
    const full = this.#counted.size >= MAX_KINDS && !this.#counted.has(keyOf(caller.principal));
    const principal = full ? OTHERS : caller.principal;
    const known = this.#counted.get(keyOf(principal));
    if (known !== undefined) known.count += 1;
    else this.#counted.set(keyOf(principal), { ring, caller: principal, rank, reason, count: 1 });
  }

  /** Called once a second: the oldest refusals, as leaves. */
  take(): Leaf[] {
    const leaves: Leaf[] = [];
    for (const [key, counted] of this.#counted) {
      if (leaves.length === LEAVES_PER_SECOND) break;
      this.#counted.delete(key);
      leaves.push({ kind: 'refusal', ...counted });
    }
    return leaves;
  }
}
