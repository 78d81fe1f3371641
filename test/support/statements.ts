/** What admins sign after genesis: the next policy and emergency statements, over whatever carries calls to an enclave. */
import { createHash } from 'node:crypto';
import { toHex } from '../../enclave/wire/bytes.ts';
import {
  ApplyEmergencyRequest,
  ApplyEmergencyResponse,
  ApplyPolicyRequest,
  ApplyPolicyResponse,
  GetPolicyResponse,
} from '../../enclave/wire/gen/sealwright/v1/policy.ts';
import { GetStatusResponse } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { emergencyDigestInput, policyDigestInput } from '../../enclave/wire/layouts.ts';
import { MAX_POLICY_BYTES } from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { encodeEmergency, type EmergencyCall } from '../../enclave/wire/policy/emergency.ts';
import {
  canonicalize,
  parseSignedJson,
  type SignedJsonObject,
} from '../../enclave/wire/signed-json.ts';
import { SSHSIG_NAMESPACES } from '../../enclave/wire/sshsig.ts';
import type { SshAdmin } from '../../src/simulator/ssh-admin.ts';
import { TEST_ADMIN } from './fakes/callers.ts';
import type { Call } from './genesis.ts';

const NOTHING = new Uint8Array(0);

export async function getPolicy(call: Call): Promise<GetPolicyResponse> {
  return GetPolicyResponse.decode(await call(METHODS.getPolicy, NOTHING));
}

async function clusterIdOf(call: Call): Promise<string> {
  return toHex(GetStatusResponse.decode(await call(METHODS.getStatus, NOTHING)).clusterId);
}

type Change = SignedJsonObject | ((now: SignedJsonObject) => SignedJsonObject);

/** The successor of a policy; `change` replaces members, or makes them from those of now. */
export function nextPolicyOf(
  document: Uint8Array,
  clusterId: string,
  change: Change = {},
): Uint8Array {
  const now = parseSignedJson(document, MAX_POLICY_BYTES) as SignedJsonObject;
  return canonicalize({
    ...now,
    version: Number(now['version']) + 1,
    clusterId,
    replaces: createHash('sha256').update(policyDigestInput(document)).digest('hex'),
    ...(typeof change === 'function' ? change(now) : change),
  });
}

/** The successor of the policy in force. */
export async function nextPolicy(call: Call, change: Change = {}): Promise<Uint8Array> {
  const { document } = await getPolicy(call);
  return nextPolicyOf(document, await clusterIdOf(call), change);
}

export function approvalsOf(
  kind: keyof typeof SSHSIG_NAMESPACES,
  document: Uint8Array,
  admins: readonly SshAdmin[] = [TEST_ADMIN],
): Uint8Array[] {
  return admins.map((admin) => admin.approve(SSHSIG_NAMESPACES[kind], document));
}

export async function applyPolicy(
  call: Call,
  document: Uint8Array,
  approvals: readonly Uint8Array[] = approvalsOf('policy', document),
): Promise<ApplyPolicyResponse> {
  const body = ApplyPolicyRequest.encode({ document, approvals: [...approvals] }).finish();
  return ApplyPolicyResponse.decode(await call(METHODS.applyPolicy, body));
}

export interface StatementOptions {
  readonly version?: number;
  readonly sequence?: number;
  readonly previous?: string;
  readonly notAfter?: number;
  readonly clusterId?: string;
}

/** A statement as the CLI writes it, one hour long by `nowMs`. */
export async function emergency(
  call: Call,
  kind: EmergencyCall,
  ring: string,
  nowMs: number,
  options: StatementOptions = {},
): Promise<Uint8Array> {
  const { adminSequence, adminDigest } = await getPolicy(call);
  return encodeEmergency({
    call: kind,
    clusterId: await clusterIdOf(call),
    ring,
    version: 0,
    sequence: Number(adminSequence) + 1,
    previous: toHex(adminDigest),
    notAfter: nowMs + 3_600_000,
    reason: 'a test',
    ...options,
  });
}

/** Digest by which the statement after this one names it. */
export function emergencyDigest(statement: Uint8Array): string {
  return createHash('sha256').update(emergencyDigestInput(statement)).digest('hex');
}

export async function applyEmergency(
  call: Call,
  statement: Uint8Array,
  approvals: readonly Uint8Array[] = approvalsOf('emergency', statement),
): Promise<ApplyEmergencyResponse> {
  const body = ApplyEmergencyRequest.encode({ statement, approvals: [...approvals] }).finish();
  return ApplyEmergencyResponse.decode(await call(METHODS.applyEmergency, body));
}
