/**
 * The calls of the service, one method each, over any transport; errors as SignerError. It checks nothing of what the
 * service says; evidence, key statements and proofs are the work of attested.ts and attested-log.ts.
 */
import { AttestationServiceService } from '../gen/sealwright/v1/attestation.ts';
import { GenesisServiceService } from '../gen/sealwright/v1/genesis.ts';
import type {
  CommitGenesisResponse,
  ProposeGenesisResponse,
} from '../gen/sealwright/v1/genesis.ts';
import { KeyServiceService } from '../gen/sealwright/v1/keys.ts';
import type { Key } from '../gen/sealwright/v1/keys.ts';
import { LogServiceService } from '../gen/sealwright/v1/log.ts';
import type {
  GetConsistencyProofResponse,
  GetInclusionProofResponse,
} from '../gen/sealwright/v1/log.ts';
import { PolicyServiceService } from '../gen/sealwright/v1/policy.ts';
import type {
  ApplyEmergencyResponse,
  ApplyPolicyResponse,
  ExplainRequest,
  ExplainResponse,
  GetPolicyResponse,
} from '../gen/sealwright/v1/policy.ts';
import { SignRequest, SigningServiceService } from '../gen/sealwright/v1/signing.ts';
import type { SignBatchResponse, SignResponse } from '../gen/sealwright/v1/signing.ts';
import { StatusServiceService } from '../gen/sealwright/v1/status.ts';
import type { GetStatusResponse } from '../gen/sealwright/v1/status.ts';
import { GrpcTransport, type Endpoint } from './grpc-transport.ts';
import { SignerError } from './signer-error.ts';
import type { CallOptions, Transport } from './transport.ts';

/** What every signature needs; the rest has defaults. */
export type SignInput = Pick<SignRequest, 'ring' | 'payload'> & Partial<SignRequest>;

const GRPC_INTERNAL = 13;

/** Genesis makes two dozen key pairs on the token, RSA among them. */
const GENESIS_TIMEOUT_MS = 60_000;

/** A policy bears as many keys as a genesis at most. */
const APPLY_TIMEOUT_MS = GENESIS_TIMEOUT_MS;

export class SealwrightClient {
  readonly #transport: Transport;

  /** Opens no connection yet; an endpoint means plain gRPC. Throws for PEM bytes that OpenSSL cannot read. */
  constructor(way: Endpoint | Transport) {
    this.#transport = 'call' in way ? way : new GrpcTransport(way);
  }

  getStatus(options?: CallOptions): Promise<GetStatusResponse> {
    return this.#transport.call(StatusServiceService.getStatus, {}, options);
  }

  /** The bundle as it came, to be verified; an empty nonce asks for none. */
  async getEvidence(
    nonce: Uint8Array,
    { fresh = false, ...options }: CallOptions & { readonly fresh?: boolean } = {},
  ): Promise<Uint8Array> {
    const request = { nonce, fresh };
    return (await this.#transport.call(AttestationServiceService.getEvidence, request, options))
      .bundle;
  }

  /** `version` 0 asks for the one that signs now. */
  async getKey(ring: string, version = 0, options?: CallOptions): Promise<Key> {
    const { key } = await this.#transport.call(
      KeyServiceService.getKey,
      { ring, version },
      options,
    );
    if (key === undefined) {
      throw new SignerError('GetKey answered without a key', {
        reason: 'NOT_EXPLAINED',
        retryable: false,
        grpcStatus: GRPC_INTERNAL,
        metadata: {},
      });
    }
    return key;
  }

  async listKeys(options?: CallOptions): Promise<readonly Key[]> {
    return (await this.#transport.call(KeyServiceService.listKeys, {}, options)).keys;
  }

  /** What the policy in force says about a request of ours, which is not made. */
  explain(
    request: Omit<ExplainRequest, 'payloadBytes'> & { readonly payloadBytes: number },
    options?: CallOptions,
  ): Promise<ExplainResponse> {
    const payloadBytes = BigInt(request.payloadBytes);
    return this.#transport.call(
      PolicyServiceService.explain,
      { ...request, payloadBytes },
      options,
    );
  }

  /** Checks nothing of the answer; `checkSignedAnswer` does. */
  sign(request: SignInput, options?: CallOptions): Promise<SignResponse> {
    return this.#transport.call(SigningServiceService.sign, completed(request), options);
  }

  /**
   * One call for 1 to 256 items and at most 1 MiB; a refused item is a result, not an error. With a request id of its
   * own each item can be asked for again. Checks nothing of the answer; `checkSignedBatch` does.
   */
  signBatch(items: readonly SignInput[], options?: CallOptions): Promise<SignBatchResponse> {
    const request = { items: items.map(completed) };
    return this.#transport.call(SigningServiceService.signBatch, request, options);
  }

  /** C2SP signed note. */
  async getCheckpoint(options?: CallOptions): Promise<string> {
    return (await this.#transport.call(LogServiceService.getCheckpoint, {}, options)).checkpoint;
  }

  /** Leaves in order; fewer than `count` where an answer is full or the log ends. */
  async getEntries(
    first: number,
    count: number,
    options?: CallOptions,
  ): Promise<readonly Uint8Array[]> {
    const request = { first: BigInt(first), count };
    return (await this.#transport.call(LogServiceService.getEntries, request, options)).leaves;
  }

  getInclusionProof(
    index: number,
    treeSize: number,
    options?: CallOptions,
  ): Promise<GetInclusionProofResponse> {
    const request = { index: BigInt(index), treeSize: BigInt(treeSize) };
    return this.#transport.call(LogServiceService.getInclusionProof, request, options);
  }

  getConsistencyProof(
    oldSize: number,
    newSize: number,
    options?: CallOptions,
  ): Promise<GetConsistencyProofResponse> {
    const request = { oldSize: BigInt(oldSize), newSize: BigInt(newSize) };
    return this.#transport.call(LogServiceService.getConsistencyProof, request, options);
  }

  /** Cluster id, statement to be approved, and setup evidence over both: it is for the admins to verify. */
  proposeGenesis(manifest: Uint8Array, options?: CallOptions): Promise<ProposeGenesisResponse> {
    return this.#transport.call(GenesisServiceService.proposeGenesis, { manifest }, options);
  }

  /** `approvals` are SSH signatures over the statement of the newest proposal, armored or binary. */
  commitGenesis(
    clusterId: Uint8Array,
    approvals: readonly Uint8Array[],
    options?: CallOptions,
  ): Promise<CommitGenesisResponse> {
    return this.#transport.call(
      GenesisServiceService.commitGenesis,
      { clusterId, approvals: [...approvals] },
      { timeoutMs: GENESIS_TIMEOUT_MS, ...options },
    );
  }

  /** The document as it came; evidence proves its digest. */
  getPolicy(options?: CallOptions): Promise<GetPolicyResponse> {
    return this.#transport.call(PolicyServiceService.getPolicy, {}, options);
  }

  /** `approvals` are SSH signatures over the document, armored or binary. */
  applyPolicy(
    document: Uint8Array,
    approvals: readonly Uint8Array[],
    options?: CallOptions,
  ): Promise<ApplyPolicyResponse> {
    const request = { document, approvals: [...approvals] };
    const patient = { timeoutMs: APPLY_TIMEOUT_MS, ...options };
    return this.#transport.call(PolicyServiceService.applyPolicy, request, patient);
  }

  applyEmergency(
    statement: Uint8Array,
    approvals: readonly Uint8Array[],
    options?: CallOptions,
  ): Promise<ApplyEmergencyResponse> {
    const request = { statement, approvals: [...approvals] };
    return this.#transport.call(PolicyServiceService.applyEmergency, request, options);
  }

  close(): void {
    void this.#transport.close();
  }
}

function completed(request: SignInput): SignRequest {
  return { ...SignRequest.create(), ...request };
}
