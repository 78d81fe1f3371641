/** What the policy wants of the claims: cluster, signing policy, token, anchor, rings. */
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import type {
  AppraisalPolicy,
  ClusterRule,
  HostAssertedRule,
  RefuseNone,
  RequireAll,
  RequireWord,
  Skip,
} from './appraisal-policy.ts';
import { judge, notChecked, type Check } from './check.ts';
import type { Claims, ServingClaims } from './claims.ts';
import { valueCheck } from './value-check.ts';
import type { VerifiedEvidence } from './verify-evidence.ts';

const CLAIM_CHECKS = [
  'cluster',
  'policy-digest',
  'token-channel',
  'anchor',
  'provisioning',
  'host-asserted-rings',
] as const;

export function appraiseClaims(
  evidence: VerifiedEvidence,
  policy: AppraisalPolicy,
  now: number,
): Check[] {
  return [
    ...appraiseServingClaims(evidence, policy, now),
    hardeningCheck(evidence.claims, policy.hardening),
  ];
}

/** The rules about claims that only a serving enclave makes. */
function appraiseServingClaims(
  { claims, approvedBy }: VerifiedEvidence,
  policy: AppraisalPolicy,
  now: number,
): Check[] {
  if (claims.kind === 'setup') {
    return CLAIM_CHECKS.map((id) =>
      notChecked(id, 'no such claim', 'setup evidence is made before there is a cluster'),
    );
  }
  return [
    clusterCheck(claims, approvedBy, policy.cluster),
    valueCheck('policy-digest', claims.policyDigest, policy.policyDigest, now),
    wordCheck('token-channel', claims.token.channel, policy.tokenChannel, 'the way to the HSM'),
    wordCheck('anchor', claims.anchor, policy.anchor, 'the defence against rollback'),
    wordCheck('provisioning', claims.provisioning, policy.provisioning, 'the origin of the PINs'),
    hostAssertedCheck(claims.hostAssertedRings, policy.hostAssertedRings),
    notChecked('checkpoint', claims.checkpoint === 'none' ? 'none' : 'present', NO_LOG),
  ];
}

const NO_LOG = 'the head of the log is verified with receipts, not with evidence';

function clusterCheck(
  claims: ServingClaims,
  approvedBy: readonly string[],
  rule: ClusterRule,
): Check {
  const id = 'cluster';
  const found = toHex(claims.clusterId);
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  if ('clusterId' in rule) {
    return judge(equalBytes(rule.clusterId, claims.clusterId), {
      id,
      expected: toHex(rule.clusterId),
      found,
      otherwise: 'a genuine enclave perhaps, but of another cluster',
    });
  }
  const { adminKeys, threshold } = rule;
  const approving = adminKeys.filter((key) => approvedBy.includes(key)).length;
  return judge(approving >= threshold, {
    id,
    expected: `its genesis approved by ${String(threshold)} of ${String(adminKeys.length)} admin keys`,
    found: `by ${String(approving)} of them`,
    otherwise: 'a genuine enclave perhaps, but these admins did not begin its cluster',
  });
}

function wordCheck(
  id: string,
  found: string,
  rule: RequireWord | RefuseNone | Skip,
  what: string,
): Check {
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  const accepted = rule.rule === 'refuse-none' ? found !== 'none' : rule.anyOf.includes(found);
  return judge(accepted, {
    id,
    expected: rule.rule === 'refuse-none' ? 'any but none' : rule.anyOf.join(' or '),
    found,
    otherwise: `${what} is not one that the policy accepts`,
  });
}

function hostAssertedCheck(rings: readonly string[], rule: HostAssertedRule): Check {
  const id = 'host-asserted-rings';
  const found = rings.join(', ') || 'none';
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  const allowed = rule.rule === 'require' ? rule.anyOf : [];
  return judge(
    rings.every((ring) => allowed.includes(ring)),
    {
      id,
      expected: allowed.length === 0 ? 'none' : `none but ${allowed.join(', ')}`,
      found,
      otherwise: 'rings that sign for whomever the host names',
    },
  );
}

/** Both kinds of evidence say it: a genesis may be wanted on a shielded process only. */
function hardeningCheck({ hardening }: Claims, rule: RequireAll | Skip): Check {
  const id = 'hardening';
  const found = hardening.join(', ') || 'none';
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  const missing = rule.allOf.filter((word) => !hardening.includes(word));
  return judge(missing.length === 0, {
    id,
    expected: rule.allOf.join(', '),
    found,
    otherwise: `the process is not shielded as the policy wants: ${missing.join(', ')}`,
  });
}
