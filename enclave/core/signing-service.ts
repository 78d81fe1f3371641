/**
 * Sign: decode → authorise → check the payload → leaf → sign → release. The leaf is on its way to the disk
 * while the key signs; nothing is released before it is durable (PROTOCOLS §12).
 */
import { toBeSignedHash, type Leaf } from '../log/leaf.ts';
import type { Committed } from '../log/log.ts';
import { REQUEST_ID_BYTES, RequestIds } from '../log/request-ids.ts';
import { RefusalCounter } from '../log/refusal-counter.ts';
import { toBeSigned } from '../payload/payload.ts';
import type { ToBeSigned } from '../payload/to-be-signed.ts';
import { TokenFailure, type Ports } from '../ports.ts';
import { ALGORITHMS, algorithmFromWire, algorithmRow } from '../wire/algorithm.ts';
import { toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import type { UntrustedCaller } from '../wire/gen/sealwright/enclave/v1/frame.ts';
import type { Algorithm } from '../wire/gen/sealwright/v1/keys.ts';
import { SignatureEncoding, SignRequest, SignResponse } from '../wire/gen/sealwright/v1/signing.ts';
import { METHODS } from '../wire/methods.ts';
import { SALT_BYTES } from '../wire/tlog.ts';
import { assertedCaller, authorise, type Caller } from './callers.ts';
import type { Cluster } from './cluster.ts';
import type { KeyRing, OpenKey } from './key-ring.ts';
import type { RingScope } from './policy.ts';
import { decoded, findRing, RESIDENCY_NUMBERS } from './requests.ts';

/** A request that may be signed. */
interface Allowed {
  readonly request: SignRequest;
  readonly caller: Caller;
  readonly scope: RingScope;
  readonly key: OpenKey;
  readonly encoding: SignatureEncoding;
  readonly input: ToBeSigned;
}

const NO_DIGEST = new Uint8Array(0);

export class SigningService {
  readonly #ports: Ports;
  readonly #cluster: Cluster;
  readonly #requestIds = new RequestIds();
  readonly #refusals = new RefusalCounter();
  #loggingRefusals = false;

  constructor(ports: Ports, cluster: Cluster) {
    this.#ports = ports;
    this.#cluster = cluster;
  }

  /**
   * Resolves with an encoded SignResponse, rejects with Refusal. `stillWanted` is asked right before the
   * intent is written: a call that waited in a queue may have been given up.
   */
  async sign(
    body: Uint8Array,
    untrustedCaller: UntrustedCaller | undefined,
    stillWanted: () => boolean,
  ): Promise<Uint8Array> {
    const request = decoded((input) => SignRequest.decode(input), body);
    const caller = assertedCaller(untrustedCaller);
    const ring = findRing(this.#cluster, request.ring);
    let allowed: Allowed;
    try {
      allowed = allow(request, caller, ring);
    } catch (error) {
      if (error instanceof Refusal) this.#refusals.count(ring.scope.name, caller, error.reason);
      throw error;
    }
    if (!stillWanted()) throw new Refusal('DEADLINE_EXCEEDED');
    if (request.requestId.byteLength === 0) return this.#release(allowed);
    return this.#requestIds.once(
      {
        principal: caller.principal,
        rank: caller.rank,
        ring: ring.scope.name,
        method: METHODS.sign,
        requestId: request.requestId,
      },
      body,
      this.#ports.clock.monotonicMs(),
      () => this.#release(allowed),
    );
  }

  /** Leaves for the refusals counted since the last call; nobody waits for them. */
  logRefusals(): void {
    // While the last ones wait for the disk the rest goes on being counted: none is lost, none is counted twice.
    if (this.#loggingRefusals) return;
    const leaves = this.#refusals.take();
    if (leaves.length === 0) return;
    this.#loggingRefusals = true;
    void this.#cluster.log
      .appendPatiently(leaves)
      // Only a halt turns them away.
      .catch(() => undefined)
      .finally(() => {
        this.#loggingRefusals = false;
      });
  }

  async #release(allowed: Allowed): Promise<Uint8Array> {
    const { input, key, encoding } = allowed;
    const salt = this.#ports.entropy.bytes(SALT_BYTES);
    const committed = this.#cluster.log.append(this.#leaf(allowed, salt));
    const form = encoding === SignatureEncoding.SIGNATURE_ENCODING_P1363 ? 'p1363' : 'der';
    try {
      // Both are awaited together: neither may fail unseen while the other is waited for.
      const [signature, receipt] = await Promise.all([key.signer.sign(input, form), committed]);
      return this.#encode(allowed, signature, receipt, salt);
    } catch (error) {
      committed.catch(() => undefined);
      // What a caller may know of a failing HSM: that it is unavailable.
      throw error instanceof TokenFailure ? new Refusal('TOKEN_UNAVAILABLE') : error;
    }
  }

  #leaf({ request, caller, scope, key, input }: Allowed, salt: Uint8Array): Leaf {
    const bytes = input.message ?? input.digest ?? NO_DIGEST;
    return {
      kind: 'signature',
      ring: scope.name,
      version: key.record.version,
      kid: key.kid,
      alg: scope.algorithm,
      caller: caller.principal,
      rank: caller.rank,
      toBeSignedHash: toBeSignedHash(salt, bytes),
      policyVersion: this.#cluster.policy.version,
      ...(request.requestId.byteLength === 0 ? {} : { requestId: toHex(request.requestId) }),
    };
  }

  #encode(
    { request, scope, key, encoding, input }: Allowed,
    signature: Uint8Array,
    committed: Committed,
    salt: Uint8Array,
  ): Uint8Array {
    return SignResponse.encode({
      signature,
      ring: scope.name,
      version: key.record.version,
      kid: key.kid,
      algorithm: ALGORITHMS[scope.algorithm].wire satisfies Algorithm,
      encoding,
      residency: RESIDENCY_NUMBERS[scope.residency],
      digest: input.digest ?? NO_DIGEST,
      measurement: this.#ports.attester.identity.measurements[0],
      receipt: request.declineReceipt
        ? undefined
        : {
            leaf: committed.leaf,
            index: BigInt(committed.index),
            proof: committed.proof,
            checkpoint: committed.checkpoint,
            salt,
          },
    }).finish();
  }
}

/** Everything that can be refused. Throws Refusal. */
function allow(request: SignRequest, caller: Caller, ring: KeyRing): Allowed {
  const { scope } = ring;
  authorise(scope, caller);
  checkAlgorithm(scope, request.algorithm);
  const encoding = signatureEncoding(scope, request.encoding);
  checkRequestId(request.requestId);
  const input = toBeSigned(request, scope);
  const key = ring.active;
  if (key === undefined) {
    const keyState = ring.keys.at(-1)?.record.state ?? 'destroyed';
    throw new Refusal('KEY_STATE_FORBIDS_SIGNING', { keyId: scope.name, keyState });
  }
  return { request, caller, scope, key, encoding, input };
}

function checkRequestId(requestId: Uint8Array): void {
  if (requestId.byteLength === 0 || requestId.byteLength === REQUEST_ID_BYTES) return;
  throw new Refusal('REQUEST_MALFORMED', {
    field: 'request_id',
    expectedBytes: String(REQUEST_ID_BYTES),
    actualBytes: String(requestId.byteLength),
  });
}

function checkAlgorithm(scope: RingScope, requested: number): void {
  if (requested === 0 || requested === ALGORITHMS[scope.algorithm].wire) return;
  throw new Refusal('ALGORITHM_MISMATCH', {
    field: 'algorithm',
    ring: scope.name,
    expected: scope.algorithm,
    actual: algorithmFromWire(requested) ?? String(requested),
  });
}

function signatureEncoding(scope: RingScope, requested: SignatureEncoding): SignatureEncoding {
  const ecdsa = algorithmRow(scope.algorithm).family === 'ecdsa';
  switch (requested) {
    case SignatureEncoding.SIGNATURE_ENCODING_UNSPECIFIED:
      return ecdsa
        ? SignatureEncoding.SIGNATURE_ENCODING_ASN1_DER
        : SignatureEncoding.SIGNATURE_ENCODING_RAW;
    case SignatureEncoding.SIGNATURE_ENCODING_ASN1_DER:
    case SignatureEncoding.SIGNATURE_ENCODING_P1363:
      if (ecdsa) return requested;
      break;
    case SignatureEncoding.SIGNATURE_ENCODING_RAW:
      if (!ecdsa) return requested;
      break;
    default:
      break;
  }
  throw new Refusal('ENCODING_UNSUPPORTED', { field: 'encoding', algorithm: scope.algorithm });
}
