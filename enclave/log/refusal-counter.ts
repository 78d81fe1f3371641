/** Refusals of authenticated callers, counted: a caller must not fill the log by being refused. */
import type { Reason } from '../wire/error-code.ts';
import type { CallerIdentity } from '../wire/policy/caller.ts';
import { identityInLeaf, type Leaf } from './leaf.ts';

/** Leaves a second (docs/spec/log.md). What does not fit waits, and goes on counting. */
const LEAVES_PER_SECOND = 10;
/** Different refusals that are remembered at once; more are not told apart by caller. */
const MAX_KINDS = 1024;
/** `callerId` of a leaf that stands for those (docs/spec/log.md). */
const OTHERS = 'others';

interface Counted {
  readonly ring: string;
  readonly caller?: string;
  readonly callerId: string;
  readonly rank: string;
  readonly reason: Reason;
  count: number;
}

/** Who was refused. */
interface RefusedCaller {
  /** In the policy; undefined when it has no such caller. */
  readonly name: string | undefined;
  readonly identity: CallerIdentity;
  readonly rank: string;
}

export class RefusalCounter {
  readonly #counted = new Map<string, Counted>();

  count(ring: string, { name, identity, rank }: RefusedCaller, reason: Reason): void {
    // Only an identity can hold a space, and it stands last: no two kinds share a key.
    const keyOf = (caller: string, callerId: string): string =>
      [ring, rank, reason, caller, callerId].join(' ');
    let [caller, callerId] = [name, identityInLeaf(identity)];
    if (this.#counted.size >= MAX_KINDS && !this.#counted.has(keyOf(caller ?? '', callerId))) {
      [caller, callerId] = [undefined, OTHERS];
    }
    const key = keyOf(caller ?? '', callerId);
    const known = this.#counted.get(key);
    if (known !== undefined) known.count += 1;
    else {
      const named = caller === undefined ? {} : { caller };
      this.#counted.set(key, { ring, ...named, callerId, rank, reason, count: 1 });
    }
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
