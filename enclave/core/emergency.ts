/** May this emergency statement be applied? docs/spec/admin-statements.md, "Emergency statement". */
import { equalBytes, toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import { emergencyDigestInput } from '../wire/layouts.ts';
import { MAX_EMERGENCY_MS, MAX_SEQUENCE_STEP } from '../wire/limits.ts';
import {
  emergencyThreshold,
  parseEmergency,
  type EmergencyStatement,
} from '../wire/policy/emergency.ts';
import { SignedJsonError } from '../wire/signed-json.ts';
import { SSHSIG_NAMESPACES } from '../wire/sshsig.ts';
import type { Leaf } from '../log/leaf.ts';
import { requireApprovals } from './approvals.ts';
import type { Cluster } from './cluster.ts';
import { sha256 } from './kdf.ts';
import type { OpenKey } from './key-ring.ts';
import { invalidAt } from './requests.ts';
import { planEmergency, type Transition } from './reconcile.ts';

export interface AcceptedEmergency {
  readonly statement: EmergencyStatement;
  /** SHA-256, by which the next statement names this one. */
  readonly digest: Uint8Array;
  readonly leaf: Leaf;
  readonly transitions: readonly Transition<OpenKey>[];
}

/** Throws Refusal, and nothing has changed. */
export async function acceptEmergency(
  { state, inForce }: Cluster,
  bytes: Uint8Array,
  approvals: readonly Uint8Array[],
  nowMs: number,
): Promise<AcceptedEmergency> {
  const statement = readStatement(bytes);
  const { clusterId, sequence, previous, notAfter, call, ring, version } = statement;
  if (!equalBytes(clusterId, state.clusterId)) {
    const [expected, actual] = [toHex(state.clusterId), toHex(clusterId)];
    throw new Refusal('STATEMENT_INVALID', { field: '/clusterId', expected, actual });
  }
  requireSequence(sequence, state.index.adminSequence);
  requirePrevious(previous, state.index.adminDigest);
  if (notAfter < nowMs || notAfter > nowMs + MAX_EMERGENCY_MS) {
    throw new Refusal('STATEMENT_NOT_IN_TIME', {
      expected: `${String(nowMs)} to ${String(nowMs + MAX_EMERGENCY_MS)}`,
      actual: String(notAfter),
    });
  }
  const { admins, threshold } = inForce.policy;
  const approvedBy = await requireApprovals(approvals, {
    namespace: SSHSIG_NAMESPACES.emergency,
    document: bytes,
    admins,
    threshold: emergencyThreshold(call, threshold),
  });
  const transitions = planEmergency(statement, inForce.rings.get(ring)?.keys);
  const digest = sha256(emergencyDigestInput(bytes));
  const leaf = {
    kind: 'emergency',
    call,
    ring,
    version,
    sequence,
    statementDigest: toHex(digest),
    approvedBy,
  } as const;
  return { statement, digest, leaf, transitions };
}

function readStatement(bytes: Uint8Array): EmergencyStatement {
  try {
    return parseEmergency(bytes);
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    throw invalidAt('STATEMENT_INVALID', error);
  }
}

function requireSequence(sequence: number, last: number): void {
  const actual = String(sequence);
  if (sequence <= last) {
    throw new Refusal('STATEMENT_REPLAYED', { expected: `more than ${String(last)}`, actual });
  }
  // One admin is enough to suspend, and must not be enough to use up the numbers for ever.
  if (sequence <= last + MAX_SEQUENCE_STEP) return;
  const expected = `at most ${String(last + MAX_SEQUENCE_STEP)}`;
  throw new Refusal('STATEMENT_INVALID', { field: '/sequence', expected, actual });
}

/** Sequence numbers alone let a host that once lied about the last one keep a statement for later. */
function requirePrevious(previous: Uint8Array, last: Uint8Array): void {
  if (equalBytes(previous, last)) return;
  const [expected, actual] = [toHex(last), toHex(previous)];
  throw new Refusal('STATEMENT_REPLAYED', { field: '/previous', expected, actual });
}
