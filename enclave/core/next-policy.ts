/** May this document replace the policy in force? Steps 1 to 6 of docs/spec/policy.md, "Applying". */
import type { Token } from '../ports.ts';
import { equalBytes, toHex } from '../wire/bytes.ts';
import { ObjectReader } from '../wire/closed-schema.ts';
import { Refusal } from '../wire/error-code.ts';
import { MAX_POLICY_BYTES } from '../wire/limits.ts';
import { parsePolicy, type Policy } from '../wire/policy/document.ts';
import { parseSignedJson, SignedJsonError } from '../wire/signed-json.ts';
import { SSHSIG_NAMESPACES } from '../wire/sshsig.ts';
import { requireApprovals, requireOneApproval } from './approvals.ts';
import type { Cluster } from './cluster.ts';
import { inForce, type InForce } from './in-force.ts';
import type { OpenKey } from './key-ring.ts';
import { requireInTime } from './policy-time.ts';
import { invalidAt } from './requests.ts';
import { reconcile, type Plan } from './reconcile.ts';
import { MAX_RECORDS } from './state-index.ts';

export interface NextPolicy {
  /** With the rings as they are now. */
  readonly next: InForce;
  readonly plan: Plan<OpenKey>;
}

/** `nowMs` is the enclave's time; the policy counts as applied then. Throws Refusal, and nothing has changed. */
export async function checkNext(
  cluster: Cluster,
  document: Uint8Array,
  approvals: readonly Uint8Array[],
  nowMs: number,
): Promise<NextPolicy> {
  const current = cluster.inForce;
  const { admins, threshold } = current.policy;
  const demand = { namespace: SSHSIG_NAMESPACES.policy, document, admins, threshold };
  // Reading a large one takes a tenth of a second in which nothing else is done: not for anybody who asks.
  await requireOneApproval(approvals, demand);
  const next = readPolicy(document, current, nowMs);
  const { policy } = next;
  requireNext(policy, current, cluster.state.clusterId);
  requireInTime(policy, nowMs);
  const newcomers = policy.admins.filter(({ key }) => !hasKey(current.policy, key.blob));
  await requireApprovals(approvals, { ...demand, newcomers });
  const plan = reconcile(policy.rings, current.rings);
  requireRoom(cluster, plan);
  requireMechanisms(cluster.token, plan);
  return { next, plan };
}

function readPolicy(document: Uint8Array, { rings }: InForce, nowMs: number): InForce {
  try {
    const policy = parsePolicy(new ObjectReader(parseSignedJson(document, MAX_POLICY_BYTES)));
    return inForce(document, policy, rings, nowMs);
  } catch (error) {
    if (error instanceof SignedJsonError) throw invalidAt('POLICY_INVALID', error);
    // A root that is no certificate of a CA: its message is the place.
    if (!(error instanceof RangeError)) throw error;
    throw new Refusal('POLICY_INVALID', { field: '/roots', actual: error.message });
  }
}

function requireNext(policy: Policy, current: InForce, clusterId: Uint8Array): void {
  const version = current.policy.version + 1;
  if (policy.version !== version) {
    const [expected, actual] = [String(version), String(policy.version)];
    throw new Refusal('POLICY_NOT_NEXT', { field: '/version', expected, actual });
  }
  requireEqual('/clusterId', policy.clusterId, clusterId);
  requireEqual('/replaces', policy.replaces, current.digest);
}

function requireEqual(field: string, found: Uint8Array | undefined, wanted: Uint8Array): void {
  if (found !== undefined && equalBytes(found, wanted)) return;
  const actual = found === undefined ? 'none' : toHex(found);
  throw new Refusal('POLICY_NOT_NEXT', { field, expected: toHex(wanted), actual });
}

function hasKey({ admins }: Policy, blob: Uint8Array): boolean {
  return admins.some(({ key }) => equalBytes(key.blob, blob));
}

/** Keys are kept for ever, and the index names them all. */
function requireRoom({ state }: Cluster, { births }: Plan<OpenKey>): void {
  const after = state.index.records.length + births.length;
  if (after <= MAX_RECORDS) return;
  throw new Refusal('POLICY_INVALID', {
    field: '/rings',
    expected: `at most ${String(MAX_RECORDS)} records`,
    actual: String(after),
  });
}

function requireMechanisms(token: Token, { births }: Plan<OpenKey>): void {
  for (const { scope } of births) {
    if (scope.residency !== 'hsm') continue;
    const mechanism = token.missingMechanism(scope.algorithm);
    if (mechanism === undefined) continue;
    const name = `${token.info.manufacturer} ${token.info.model}`;
    throw new Refusal('MECHANISM_UNSUPPORTED', { ring: scope.name, mechanism, token: name });
  }
}
