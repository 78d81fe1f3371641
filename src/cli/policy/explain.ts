/**
 * Would this be signed, and which rule decides? The same function as in the enclave, asked offline, and the same words
 * for both (docs/spec/policy.md, "Decision").
 */
import { printable } from '../../../enclave/wire/printable.ts';
import { CallerRoots, type ChainProblem } from '../../../enclave/wire/policy/chain.ts';
import type { CallerIdentity } from '../../../enclave/wire/policy/caller.ts';
import { PolicyRules, type Asked, type Rule } from '../../../enclave/wire/policy/decide.ts';
import type { Policy } from '../../../enclave/wire/policy/document.ts';
import type { Rank, RingLimits } from '../../../enclave/wire/policy/ring.ts';
import type { ExplainResponse } from '../../gen/sealwright/v1/policy.ts';
import { rankWords } from './rank-words.ts';

/** Ranks of callers who have certificates. */
export type CertifiedRank = Exclude<Rank, 'peer'>;

/** Who asks: what a host would pass on, or the identity that is found in it. */
export type Presented =
  | { readonly chain: readonly Uint8Array[]; readonly rank: CertifiedRank }
  | { readonly identity: CallerIdentity; readonly rank: Rank };

export interface Question extends Pick<Asked, 'ring' | 'payload' | 'ageMs'> {
  readonly presented: Presented;
  /** For certificates, ms since the Unix epoch. */
  readonly nowMs: number;
}

/** An answer with all that its words need. */
export interface Explanation {
  readonly allowed: boolean;
  /** The rule that denies, and the reason of its refusal; undefined when none does. */
  readonly rule: string | undefined;
  readonly reason: string | undefined;
  /** As the policy names the caller; undefined when it does not. */
  readonly caller: string | undefined;
  /** Undefined when a chain says nothing about anybody. */
  readonly identity: CallerIdentity | undefined;
  readonly ring: string;
  readonly payload: Asked['payload'];
  readonly details: Readonly<Record<string, string | undefined>>;
  /** Of the ring, when it is allowed: they were not asked. */
  readonly limits: RingLimits;
}

const NO_LIMITS: RingLimits = { callerPerSecond: undefined, ringPerSecond: undefined };

/** Throws RangeError for a policy whose roots can't be roots. */
export function explain(policy: Policy, question: Question): Explanation {
  const { ring, payload, ageMs, presented, nowMs } = question;
  const who =
    'chain' in presented
      ? { rank: presented.rank, ...new CallerRoots(policy).identify(presented.chain, nowMs) }
      : presented;
  if ('problem' in who) {
    const details = { policyId: 'caller', actual: who.problem };
    const reason = 'CALLER_UNAUTHENTICATED';
    const nobody = { caller: undefined, identity: undefined };
    const limits = NO_LIMITS;
    return { allowed: false, rule: 'caller', reason, ...nobody, ring, payload, details, limits };
  }
  const { identity, rank } = who;
  const rules = new PolicyRules(policy);
  const asked = { ring, payload, identity, caller: rules.caller(identity)?.name };
  const decision = rules.decide({ identity, rank, ring, payload, ageMs });
  if (decision.allowed) {
    const { limits } = decision.ring;
    return { allowed: true, rule: undefined, reason: undefined, details: {}, limits, ...asked };
  }
  const { rule, reason, details } = decision;
  return { allowed: false, rule, reason, details, limits: NO_LIMITS, ...asked };
}

/** What the running enclave answered to the same question. */
export function explained(
  { ring, payload }: Pick<Asked, 'ring' | 'payload'>,
  answer: ExplainResponse,
): Explanation {
  const perSecond = (limit: number): number | undefined => (limit === 0 ? undefined : limit);
  const word = (text: string): string | undefined => (text === '' ? undefined : text);
  return {
    allowed: answer.allowed,
    rule: word(answer.rule),
    reason: word(answer.reason),
    caller: word(answer.caller),
    identity: word(answer.callerId),
    ring,
    payload,
    details: answer.details,
    limits: {
      callerPerSecond: perSecond(answer.callerPerSecond),
      ringPerSecond: perSecond(answer.ringPerSecond),
    },
  };
}

/** One sentence, and one about limits when it is allowed. It may quote a host. */
export function explanationText(explanation: Explanation): string {
  return sentences(explanation).map(printable).join('\n');
}

function sentences(explanation: Explanation): readonly string[] {
  const { allowed, caller, identity, ring, payload, rule, reason, limits } = explanation;
  const length = String(payload.byteLength);
  const what = payload.kind === 'digest' ? 'a digest' : `a message of ${length} bytes`;
  if (allowed) {
    const who = `caller ${caller ?? ''} (${identity ?? ''})`;
    return [`allowed: ${who} may have ${what} signed with ring ${ring}`, limitsText(limits)];
  }
  const words = Object.hasOwn(RULE_WORDS, rule ?? '')
    ? RULE_WORDS[rule as Rule](explanation)
    : 'a rule of a newer service';
  return [`denied by rule "${rule ?? ''}" with ${reason ?? ''}: ${words}`];
}

function limitsText({ callerPerSecond, ringPerSecond }: RingLimits): string {
  const parts = [
    ...(callerPerSecond === undefined
      ? []
      : [`${String(callerPerSecond)} a second for this caller`]),
    ...(ringPerSecond === undefined ? [] : [`${String(ringPerSecond)} a second for the ring`]),
  ];
  return parts.length === 0 ? 'no rate limit' : `at most ${parts.join(', ')}; none was taken now`;
}

const RULE_WORDS: Readonly<Record<Rule, (explanation: Explanation) => string>> = {
  caller: ({ identity, details }) =>
    identity === undefined
      ? `the certificates name nobody: ${CHAIN_WORDS[details['actual'] as ChainProblem]}`
      : `${identity} is no caller of this policy`,
  ring: ({ ring }) => `there is no ring ${ring} in this policy`,
  'ring-callers': ({ ring, caller }) => `ring ${ring} does not name caller ${caller ?? ''}`,
  'lowest-rank': ({ ring, details }) =>
    `ring ${ring} takes rank ${rankWords(details['expected'] ?? '')} or better, and this caller is known by rank ${rankWords(details['actual'] ?? '')}`,
  'payload-kind': ({ ring, details }) =>
    `ring ${ring} signs a ${details['expected'] ?? ''}, and this is a ${details['actual'] ?? ''}`,
  'payload-limit': ({ ring, details }) =>
    details['expectedBytes'] === undefined
      ? `ring ${ring} signs at most ${details['limitBytes'] ?? ''} bytes, and these are ${details['actualBytes'] ?? ''}`
      : `ring ${ring} signs digests of ${details['expectedBytes']} bytes, and this one has ${details['actualBytes'] ?? ''}`,
  'valid-for': () =>
    'the policy was applied longer ago than its validForSeconds: a new one must be applied',
};

const CHAIN_WORDS: Readonly<Record<ChainProblem, string>> = {
  algorithm: 'one is signed with an algorithm that is not accepted',
  ca: 'the first is an authority, or another one is not',
  'chain-length': 'there must be 1 to 5',
  decode: 'one is no certificate of version 3',
  'denied-key': 'one holds a key of deniedKeys',
  'extended-key-usage': 'the first is not for clients, or for everything',
  extension: 'one has a critical extension that is not understood',
  key: 'one holds a key of a kind or size that is not accepted',
  'key-usage': 'one may not be used for what it is used for',
  'name-constraints': 'an authority has name constraints, which are not evaluated',
  'path-length': 'there are more authorities than one of them allows',
  root: 'the last was not issued by a root of the policy',
  signature: 'one was not issued by the next',
  'spiffe-id': 'the first has no SPIFFE ID of the trust domain of its root',
  subject: 'the subject of the first is empty, or has no text of its own',
  validity: 'one is not valid at this time',
};
