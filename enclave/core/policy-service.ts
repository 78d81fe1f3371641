/**
 * PolicyService: the policy in force, the next one, and emergency statements. Each change is one turn of the sealed
 * state: births, leaves, records, index, anchor, and then everything that calls meet is exchanged at once.
 */
import type { Leaf } from '../log/leaf.ts';
import type { Ports } from '../ports.ts';
import { toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  ApplyEmergencyRequest,
  ApplyEmergencyResponse,
  ApplyPolicyRequest,
  ApplyPolicyResponse,
  GetPolicyRequest,
  GetPolicyResponse,
} from '../wire/gen/sealwright/v1/policy.ts';
import type { Cluster } from './cluster.ts';
import { acceptEmergency, type AcceptedEmergency } from './emergency.ts';
import type { EvidenceIssuer } from './evidence.ts';
import { bearKeys } from './key-birth.ts';
import { leavesOf, recordsOf, ringsAfter, stopLeaving, wireChanges } from './key-changes.ts';
import { checkNext, type NextPolicy } from './next-policy.ts';
import { decoded } from './requests.ts';
import type { IndexFields, RecordWrite } from './state.ts';

/** What a change sets in the index besides the log's head and the time. */
type ChangedFields = Partial<
  Pick<
    IndexFields,
    'policyVersion' | 'policyDigest' | 'policyAppliedAtMs' | 'adminSequence' | 'adminDigest'
  >
>;

export class PolicyService {
  readonly #ports: Ports;
  readonly #cluster: Cluster;
  readonly #evidence: EvidenceIssuer;
  readonly #onFailure: (error: unknown) => Promise<void>;

  /** `onFailure` halts the enclave: a change that failed half way is one of which nobody knows whether it happened. */
  constructor(
    ports: Ports,
    cluster: Cluster,
    evidence: EvidenceIssuer,
    onFailure: (error: unknown) => Promise<void>,
  ) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#evidence = evidence;
    this.#onFailure = onFailure;
  }

  get(body: Uint8Array): Uint8Array {
    decoded((input) => GetPolicyRequest.decode(input), body);
    const { inForce, state } = this.#cluster;
    const { adminSequence, adminDigest } = state.index;
    return GetPolicyResponse.encode({
      document: inForce.document,
      adminSequence: BigInt(adminSequence),
      adminDigest,
    }).finish();
  }

  /** Rejects with Refusal; when it is ENCLAVE_HALTED the next boot tells which policy is in force. */
  apply(body: Uint8Array): Promise<Uint8Array> {
    const request = decoded((input) => ApplyPolicyRequest.decode(input), body);
    // They outlive the frame.
    const document = Uint8Array.from(request.document);
    const approvals = request.approvals.map((bytes) => Uint8Array.from(bytes));
    return this.#cluster.state.inTurn(async () => {
      const checked = await checkNext(this.#cluster, document, approvals, this.#nowMs());
      return this.#orHalt(() => this.#applyChecked(checked));
    });
  }

  async #applyChecked({ next, plan }: NextPolicy): Promise<Uint8Array> {
    const { policy, document, digest, appliedAtMs } = next;
    const { state, token } = this.#cluster;
    const births = await bearKeys(this.#ports, state, token, plan.births);
    const changes = { births, transitions: plan.transitions };
    const wanted = { ...next, rings: ringsAfter(this.#cluster.inForce.rings, changes) };
    const serveEvidence = await this.#evidence.prepare(wanted);
    stopLeaving(changes.transitions);
    const version = policy.version;
    const policyLeaf = {
      kind: 'policy',
      policyVersion: version,
      policyDigest: toHex(digest),
    } as const;
    await this.#change(
      [policyLeaf, ...leavesOf(changes, `policy ${String(version)}`)],
      { policyVersion: version, policyDigest: digest, policyAppliedAtMs: appliedAtMs },
      [{ type: 'policy', id: '', plaintext: document }, ...recordsOf(changes)],
    );
    this.#cluster.inForce = wanted;
    serveEvidence();
    return ApplyPolicyResponse.encode({
      version: BigInt(version),
      policyDigest: digest,
      changes: wireChanges(changes),
    }).finish();
  }

  /** Rejects with Refusal. From acceptance on no signature begins with a key that stops, however long the rest takes. */
  async applyEmergency(body: Uint8Array): Promise<Uint8Array> {
    const request = decoded((input) => ApplyEmergencyRequest.decode(input), body);
    const statement = Uint8Array.from(request.statement);
    const approvals = request.approvals.map((bytes) => Uint8Array.from(bytes));
    const accept = (): Promise<AcceptedEmergency> =>
      acceptEmergency(this.#cluster, statement, approvals, this.#nowMs());
    const { transitions } = await accept();
    const stay = stopLeaving(transitions);
    return this.#cluster.state.inTurn(async () => {
      let accepted: AcceptedEmergency;
      try {
        // What had its turn before may have changed the answer.
        accepted = await accept();
      } catch (error) {
        stay();
        throw error;
      }
      return this.#orHalt(() => this.#applyAccepted(accepted));
    });
  }

  async #applyAccepted(accepted: AcceptedEmergency): Promise<Uint8Array> {
    const { statement, digest, leaf, transitions } = accepted;
    const { sequence, reason } = statement;
    const changes = { births: [], transitions };
    stopLeaving(transitions);
    const { inForce } = this.#cluster;
    const wanted = { ...inForce, rings: ringsAfter(inForce.rings, changes) };
    // Beside the rest: a statement does not wait for the platform.
    const preparing = this.#evidence.prepare(wanted);
    preparing.catch(() => undefined);
    const leaves = [leaf, ...leavesOf(changes, reason)];
    const last = { adminSequence: sequence, adminDigest: digest };
    await this.#change(leaves, last, recordsOf(changes));
    this.#cluster.inForce = wanted;
    preparing.then((serveEvidence) => {
      serveEvidence();
    }, this.#onFailure);
    return ApplyEmergencyResponse.encode({
      sequence: BigInt(sequence),
      changes: wireChanges(changes),
    }).finish();
  }

  /** Leaves are durable before the index that counts them is. */
  async #change(
    leaves: readonly Leaf[],
    fields: ChangedFields,
    records: readonly RecordWrite[],
  ): Promise<void> {
    const { log, state } = this.#cluster;
    await log.appendPatiently(leaves);
    const timeMarkMs = this.#nowMs();
    await state.change({ ...state.index, ...log.head(), timeMarkMs, ...fields }, records);
  }

  #nowMs(): number {
    return this.#cluster.time.nowMs();
  }

  async #orHalt(change: () => Promise<Uint8Array>): Promise<Uint8Array> {
    try {
      return await change();
    } catch (error) {
      await this.#onFailure(error);
      throw new Refusal('ENCLAVE_HALTED');
    }
  }
}
