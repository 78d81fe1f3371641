/**
 * May this caller sign this with that ring? One pure function for the enclave and for `sealwright policy explain`
 * (docs/spec/policy.md, "Decision"). Default is deny; the first rule that fails is the answer.
 */
import type { Details, Reason } from '../error-code.ts';
import { MAX_RING_NAME_LENGTH } from '../limits.ts';
import type { CallerIdentity, PolicyCaller } from './caller.ts';
import type { Policy } from './document.ts';
import { rankNumber, type PayloadKind, type PolicyRing, type Rank } from './ring.ts';

/** In the order in which they are asked. */
export const RULES = [
  'caller',
  'ring',
  'ring-callers',
  'lowest-rank',
  'payload-kind',
  'payload-limit',
  'valid-for',
] as const;
export type Rule = (typeof RULES)[number];

export interface Denied {
  readonly allowed: false;
  readonly rule: Rule;
  readonly reason: Reason;
  readonly details: Details;
}

export interface Allowed {
  readonly allowed: true;
  readonly caller: PolicyCaller;
  readonly ring: PolicyRing;
}

export interface Asked {
  /** As the enclave found it in a chain or a socket's name. */
  readonly identity: CallerIdentity;
  readonly rank: Rank;
  readonly ring: string;
  readonly payload: { readonly kind: PayloadKind; readonly byteLength: number };
  /** Ms since this policy was applied. */
  readonly ageMs: number;
}

/** A policy with its maps. Building one costs the size of the document, asking it does not. */
export class PolicyRules {
  readonly policy: Policy;
  readonly #callers: ReadonlyMap<CallerIdentity, PolicyCaller>;
  readonly #rings: ReadonlyMap<string, PolicyRing>;

  constructor(policy: Policy) {
    this.policy = policy;
    this.#callers = new Map(policy.callers.map((caller) => [caller.identity, caller]));
    this.#rings = new Map(policy.rings.map((ring) => [ring.name, ring]));
  }

  /** Who this identity is in this policy. */
  caller(identity: CallerIdentity): PolicyCaller | undefined {
    return this.#callers.get(identity);
  }

  ring(name: string): PolicyRing | undefined {
    return this.#rings.get(name);
  }

  /** Rules about who calls: they come before anything of the request but the ring's name is looked at. */
  admits({
    identity,
    rank,
    ring: name,
  }: Pick<Asked, 'identity' | 'rank' | 'ring'>): Allowed | Denied {
    const caller = this.#callers.get(identity);
    if (caller === undefined) {
      return denied('caller', 'SIGNING_POLICY_DENIED', { ring: shortName(name) });
    }
    const ring = this.#rings.get(name);
    if (ring === undefined) return denied('ring', 'KEY_NOT_FOUND', { keyId: shortName(name) });
    if (!ring.callers.has(caller.name)) {
      return denied('ring-callers', 'SIGNING_POLICY_DENIED', { ring: name });
    }
    if (rankNumber(rank) > rankNumber(ring.lowestRank)) {
      const { lowestRank } = ring;
      const details = { ring: name, expected: lowestRank, actual: rank };
      return denied('lowest-rank', 'SIGNING_POLICY_DENIED', details);
    }
    return { allowed: true, caller, ring };
  }

  /** Rules about what is to be signed. Undefined: nothing against it. */
  forbids(
    ring: PolicyRing,
    { payload, ageMs }: Pick<Asked, 'payload' | 'ageMs'>,
  ): Denied | undefined {
    if (payload.kind !== ring.payloadKind) {
      const details = { ring: ring.name, expected: ring.payloadKind, actual: payload.kind };
      return denied('payload-kind', 'PAYLOAD_KIND_MISMATCH', details);
    }
    if (payload.kind === 'digest' && payload.byteLength !== ring.maxBytes) {
      return denied('payload-limit', 'DIGEST_LENGTH_MISMATCH', {
        field: 'digest',
        expectedBytes: String(ring.maxBytes),
        actualBytes: String(payload.byteLength),
      });
    }
    if (payload.byteLength > ring.maxBytes) {
      return denied('payload-limit', 'MESSAGE_TOO_LARGE', {
        field: 'message',
        limitBytes: String(ring.maxBytes),
        actualBytes: String(payload.byteLength),
      });
    }
    const { validForSeconds } = this.policy;
    if (validForSeconds !== undefined && ageMs > validForSeconds * 1000) {
      return denied('valid-for', 'SIGNING_POLICY_DENIED', { ring: ring.name });
    }
    return undefined;
  }

  /** All of it. */
  decide(asked: Asked): Allowed | Denied {
    const admitted = this.admits(asked);
    if (!admitted.allowed) return admitted;
    return this.forbids(admitted.ring, asked) ?? admitted;
  }
}

/** A ring that is not there can have any name. */
const shortName = (name: string): string => name.slice(0, MAX_RING_NAME_LENGTH);

function denied(rule: Rule, reason: Reason, details: Details): Denied {
  return { allowed: false, rule, reason, details: { policyId: rule, ...details } };
}
