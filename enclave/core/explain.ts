/** Explain: the decision of Sign about the asking caller, without a signature (docs/spec/policy.md, "Decision"). */
import { identityInLeaf } from '../log/leaf.ts';
import { Refusal } from '../wire/error-code.ts';
import { CallerRank } from '../wire/gen/sealwright/v1/keys.ts';
import { ExplainRequest, ExplainResponse } from '../wire/gen/sealwright/v1/policy.ts';
import { PAYLOAD_KINDS, rankNumber } from '../wire/policy/ring.ts';
import type { Caller } from './callers.ts';
import type { InForce, WhoAsks } from './in-force.ts';
import { decoded } from './requests.ts';

/** An encoded ExplainResponse. Throws Refusal for bytes that ask nothing. */
export function explain(
  inForce: InForce,
  body: Uint8Array,
  whoAsks: WhoAsks,
  nowMs: number,
): Uint8Array {
  const { ring, payloadKind, payloadBytes } = decoded(
    (input) => ExplainRequest.decode(input),
    body,
  );
  const kind = PAYLOAD_KINDS[payloadKind - 1];
  if (kind === undefined) throw new Refusal('REQUEST_MALFORMED', { field: 'payload_kind' });
  const { rules, policy, appliedAtMs } = inForce;
  const policyVersion = BigInt(policy.version);
  const caller = namedOrNot(inForce, whoAsks);
  if (caller instanceof Refusal) {
    const { reason, details } = caller;
    return encoded({ rule: 'caller', reason, details, policyVersion });
  }
  const { identity, rank } = caller;
  const who = {
    caller: rules.caller(identity)?.name ?? '',
    callerId: identityInLeaf(identity),
    rank: rankNumber(rank) as CallerRank,
    policyVersion,
  };
  const decision = rules.decide({
    identity,
    rank,
    ring,
    payload: { kind, byteLength: Number(payloadBytes) },
    ageMs: nowMs - appliedAtMs,
  });
  if (!decision.allowed) {
    const { rule, reason, details } = decision;
    return encoded({ ...who, rule, reason, details });
  }
  const { callerPerSecond = 0, ringPerSecond = 0 } = decision.ring.limits;
  return encoded({ ...who, allowed: true, callerPerSecond, ringPerSecond });
}

function namedOrNot(inForce: InForce, whoAsks: WhoAsks): Caller | Refusal {
  try {
    return whoAsks(inForce);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

const NOTHING: ExplainResponse = {
  allowed: false,
  rule: '',
  reason: '',
  details: {},
  caller: '',
  callerId: '',
  rank: CallerRank.CALLER_RANK_UNSPECIFIED,
  policyVersion: 0n,
  callerPerSecond: 0,
  ringPerSecond: 0,
};

function encoded(
  answer: Omit<Partial<ExplainResponse>, 'details'> & { details?: Refusal['details'] },
) {
  const details = { ...answer.details } as Record<string, string>;
  return ExplainResponse.encode({ ...NOTHING, ...answer, details }).finish();
}
