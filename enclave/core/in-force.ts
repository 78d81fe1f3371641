/** The policy that decides now, with all that follows from it: exchanged as one, so no request meets half of two. */
import { Refusal } from '../wire/error-code.ts';
import { policyDigestInput } from '../wire/layouts.ts';
import type { IdentifiedChain } from '../wire/policy/chain.ts';
import { PolicyRules } from '../wire/policy/decide.ts';
import type { Policy } from '../wire/policy/document.ts';
import { Callers, type Caller } from './callers.ts';
import { sha256 } from './kdf.ts';
import type { KeyRing } from './key-ring.ts';

export interface InForce {
  /** As it was approved. */
  readonly document: Uint8Array;
  readonly digest: Uint8Array;
  readonly policy: Policy;
  readonly rules: PolicyRules;
  readonly callers: Callers;
  /** Rings that have a key, by name; also those that this policy no longer has. */
  readonly rings: ReadonlyMap<string, KeyRing>;
  /** The enclave's wall time when the document was applied, ms. */
  readonly appliedAtMs: number;
}

/**
 * Who asks, under the policy that is given: asked anew whenever another is in force. Throws Refusal when that says
 * nothing about the one who asks.
 */
export type WhoAsks = (inForce: InForce) => Caller;

/** Throws RangeError for a root that can't be one. */
export function inForce(
  document: Uint8Array,
  policy: Policy,
  rings: ReadonlyMap<string, KeyRing>,
  appliedAtMs: number,
): InForce {
  return {
    document,
    digest: sha256(policyDigestInput(document)),
    policy,
    rules: new PolicyRules(policy),
    callers: new Callers(policy),
    rings,
    appliedAtMs,
  };
}

/** Whom a chain names, when the policy has such a caller. */
export function knownCaller(
  { callers, rules }: Pick<InForce, 'callers' | 'rules'>,
  chain: readonly Uint8Array[],
  nowMs: number,
): IdentifiedChain | undefined {
  try {
    const found = callers.holderOf(chain, nowMs);
    return rules.caller(found.identity) === undefined ? undefined : found;
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
