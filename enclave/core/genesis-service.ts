/**
 * Genesis in two steps (docs/spec/genesis.md): proposed with setup evidence, committed with the approvals of the
 * manifest's own admins. The newest proposal is the only one; it lives in memory and ends with the process.
 */
import type { Ports } from '../ports.ts';
import { equalBytes } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  CommitGenesisRequest,
  ProposeGenesisRequest,
  ProposeGenesisResponse,
} from '../wire/gen/sealwright/v1/genesis.ts';
import { PROPOSAL_MS } from '../wire/limits.ts';
import { binarySshsig, SSHSIG_NAMESPACES } from '../wire/sshsig.ts';
import { requireApprovals } from './approvals.ts';
import type { SetupEvidenceIssuer } from './setup-evidence.ts';
import { proposeGenesis, requireBearable, type GenesisProposal } from './genesis-proposal.ts';
import { decoded } from './requests.ts';

/** A proposal that enough admins approved. */
export interface ApprovedGenesis {
  readonly proposal: GenesisProposal;
  /** SSHSIG in its binary form, in the order in which they were given. */
  readonly approvals: readonly Uint8Array[];
}

export class GenesisService {
  readonly #ports: Ports;
  readonly #evidence: SetupEvidenceIssuer;
  #newest: { readonly proposal: GenesisProposal; readonly madeAtMs: number } | undefined;
  #busy = false;

  constructor(ports: Ports, evidence: SetupEvidenceIssuer) {
    this.#ports = ports;
    this.#evidence = evidence;
  }

  /** Answers ProposeGenesis. Throws Refusal; an older proposal stands then. */
  propose(body: Uint8Array): Promise<Uint8Array> {
    return this.#alone(async () => {
      const request = decoded((input) => ProposeGenesisRequest.decode(input), body);
      // The manifest outlives the frame.
      const proposal = await proposeGenesis(this.#ports, Uint8Array.from(request.manifest));
      const evidence = await this.#evidence.propose(proposal);
      this.#newest = { proposal, madeAtMs: this.#ports.clock.monotonicMs() };
      const { clusterId, statement } = proposal;
      return ProposeGenesisResponse.encode({ clusterId, statement, evidence }).finish();
    });
  }

  /** Runs `bear` on what CommitGenesis asks for, when its admins approved it. Throws Refusal before, and what `bear` throws. */
  commit(body: Uint8Array, bear: (genesis: ApprovedGenesis) => Promise<void>): Promise<void> {
    return this.#alone(async () => {
      await bear(await this.#approved(body));
    });
  }

  async #approved(body: Uint8Array): Promise<ApprovedGenesis> {
    const request = decoded((input) => CommitGenesisRequest.decode(input), body);
    const proposal = this.#proposalOf(request.clusterId);
    // They outlive the frame.
    const given = request.approvals.map((bytes) => Uint8Array.from(bytes));
    const { manifest, statement } = proposal;
    const { admins, threshold } = manifest.policy;
    const namespace = SSHSIG_NAMESPACES.genesis;
    const demand = { namespace, document: statement, admins, threshold };
    await requireApprovals(given, demand);
    // Hours may have passed since.
    const serial = await requireBearable(this.#ports, manifest);
    if (serial !== proposal.tokenSerial) {
      throw new Refusal('TOKEN_UNAVAILABLE', { token: 'another', expected: proposal.tokenSerial });
    }
    return { proposal, approvals: given.map(binarySshsig) };
  }

  #proposalOf(clusterId: Uint8Array): GenesisProposal {
    const newest = this.#newest;
    if (newest === undefined) throw new Refusal('GENESIS_NOT_PROPOSED', { actual: 'none' });
    if (!equalBytes(newest.proposal.clusterId, clusterId)) {
      throw new Refusal('GENESIS_NOT_PROPOSED', { actual: 'another' });
    }
    if (this.#ports.clock.monotonicMs() - newest.madeAtMs >= PROPOSAL_MS) {
      throw new Refusal('GENESIS_NOT_PROPOSED', { actual: 'too old' });
    }
    return newest.proposal;
  }

  async #alone<T>(task: () => Promise<T>): Promise<T> {
    if (this.#busy) throw new Refusal('GENESIS_NOT_ALLOWED', { actual: 'in progress' });
    this.#busy = true;
    try {
      return await task();
    } finally {
      this.#busy = false;
    }
  }
}
