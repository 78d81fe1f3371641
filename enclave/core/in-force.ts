/** The policy that decides now, with all that follows from it: exchanged as one, so no request meets half of two. */
import { PolicyRules } from '../wire/policy/decide.ts';
import type { Policy } from '../wire/policy/document.ts';
import { Callers } from './callers.ts';
import type { KeyRing } from './key-ring.ts';

export interface InForce {
  readonly policy: Policy;
  readonly rules: PolicyRules;
  readonly callers: Callers;
  /** Rings that have a key, by name; also those that this policy no longer has. */
  readonly rings: ReadonlyMap<string, KeyRing>;
  /** The enclave's wall time when the document was applied, ms. */
  readonly appliedAtMs: number;
}

/** Throws RangeError for a root that can't be one. */
export function inForce(
  policy: Policy,
  rings: ReadonlyMap<string, KeyRing>,
  appliedAtMs: number,
): InForce {
  return {
    policy,
    rules: new PolicyRules(policy),
    callers: new Callers(policy),
    rings,
    appliedAtMs,
  };
}
