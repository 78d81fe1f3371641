/** One request to sign, as Sign and SignBatch share it: may it be signed, its leaf, its signature, its answer. */
import { identityInLeaf, toBeSignedHash, type Leaf } from '../log/leaf.ts';
import type { RefusalCounter } from '../log/refusal-counter.ts';
import {
  REQUEST_ID_BYTES,
  type FirstUse,
  type RequestIdentity,
  type RequestIds,
} from '../log/request-ids.ts';
import { toBeSigned } from '../payload/payload.ts';
import type { ToBeSigned } from '../payload/to-be-signed.ts';
import { TokenFailure, type Ports } from '../ports.ts';
import { ALGORITHMS, algorithmFromWire, algorithmRow } from '../wire/algorithm.ts';
import { toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import type { Algorithm } from '../wire/gen/sealwright/v1/keys.ts';
import type { Receipt } from '../wire/gen/sealwright/v1/log.ts';
import {
  SignatureEncoding,
  type SignRequest,
  type SignResponse,
} from '../wire/gen/sealwright/v1/signing.ts';
import { METHODS } from '../wire/methods.ts';
import type { Asked } from '../wire/policy/decide.ts';
import type { PolicyRing } from '../wire/policy/ring.ts';
import type { Caller } from './callers.ts';
import type { Cluster } from './cluster.ts';
import type { InForce } from './in-force.ts';
import type { OpenKey } from './key-ring.ts';
import type { RateLimits } from './rate-limits.ts';
import { RESIDENCY_NUMBERS } from './requests.ts';

/** What all signing of one cluster shares. */
export interface Signing {
  readonly ports: Ports;
  readonly cluster: Cluster;
  readonly requestIds: RequestIds;
  readonly refusals: RefusalCounter;
  readonly rateLimits: RateLimits;
}

/** A caller with the name that the policy gives it. */
export interface NamedCaller extends Caller {
  readonly name: string;
}

/** A request that may be signed. */
export interface Allowed {
  readonly request: SignRequest;
  readonly caller: NamedCaller;
  readonly scope: PolicyRing;
  readonly key: OpenKey;
  /** Version of the policy that allowed it. */
  readonly policyVersion: number;
  readonly encoding: SignatureEncoding;
  readonly input: ToBeSigned;
}

const NO_DIGEST = new Uint8Array(0);

/**
 * The whole decision over one request, under the policy that is in force now. Throws Refusal; what a ring decided about
 * somebody is counted for the log.
 */
export function allow(signing: Signing, request: SignRequest, caller: Caller): Allowed {
  const { cluster, ports, rateLimits } = signing;
  const { inForce } = cluster;
  const allowed = refusalsCounted(signing, inForce, request, caller, () =>
    checked(inForce, request, caller, cluster.time.nowMs()),
  );
  // The last of the rules, because it takes something; and no leaf, because time heals it.
  rateLimits.take(allowed.scope, allowed.caller.name, ports.clock.monotonicMs());
  return allowed;
}

function refusalsCounted(
  { refusals }: Signing,
  { rules }: InForce,
  { ring }: SignRequest,
  { identity, rank }: Caller,
  check: () => Allowed,
): Allowed {
  try {
    return check();
  } catch (error) {
    if (error instanceof Refusal && rules.ring(ring) !== undefined) {
      refusals.count(ring, { name: rules.caller(identity)?.name, identity, rank }, error.reason);
    }
    throw error;
  }
}

/**
 * The answer that this request got before, under its request id, or what keeps the one that it gets now; undefined
 * without an id. `bytes` is the request as it was sent. Throws Refusal; an id used for another request is counted.
 */
export function firstUseOf(
  { ports, requestIds, refusals }: Signing,
  { request, caller, scope }: Allowed,
  bytes: Uint8Array,
): Uint8Array | FirstUse | undefined {
  if (request.requestId.byteLength === 0) return undefined;
  const identity: RequestIdentity = {
    principal: caller.identity,
    rank: caller.rank,
    ring: scope.name,
    // An item of a batch too is a Sign: it may be retried alone, or in another batch.
    method: METHODS.sign,
    requestId: request.requestId,
  };
  try {
    return requestIds.begin(identity, bytes, ports.clock.monotonicMs());
  } catch (error) {
    // A retry that comes too early is no decision about its caller; another request under the id is.
    if (error instanceof Refusal && error.reason === 'REQUEST_ID_REUSED') {
      refusals.count(scope.name, caller, error.reason);
    }
    throw error;
  }
}

/** The intent: written before the signature exists. `salt` goes into the receipt. */
export function leafOf(
  { request, caller, scope, key, policyVersion, input }: Allowed,
  salt: Uint8Array,
): Leaf {
  return {
    kind: 'signature',
    ring: scope.name,
    version: key.record.version,
    kid: key.kid,
    alg: scope.algorithm,
    caller: caller.name,
    callerId: identityInLeaf(caller.identity),
    rank: caller.rank,
    toBeSignedHash: toBeSignedHash(salt, input.message ?? input.digest ?? NO_DIGEST),
    policyVersion,
    ...(request.requestId.byteLength === 0 ? {} : { requestId: toHex(request.requestId) }),
  };
}

/** Rejects with Refusal. */
export async function signatureOf({ key, scope, input, encoding }: Allowed): Promise<Uint8Array> {
  // Batches wait between their items, and keys may be stopped meanwhile.
  if (key.state !== 'active') {
    throw new Refusal('KEY_STATE_FORBIDS_SIGNING', { keyId: scope.name, keyState: key.state });
  }
  const form = encoding === SignatureEncoding.SIGNATURE_ENCODING_P1363 ? 'p1363' : 'der';
  try {
    return await key.signer.sign(input, form);
  } catch (error) {
    if (!(error instanceof TokenFailure)) throw error;
    // What a caller may know of a failing HSM: whether it is worth another try.
    throw new Refusal(error.kind === 'request-refused' ? 'TOKEN_REFUSED' : 'TOKEN_UNAVAILABLE');
  }
}

export function responseOf(
  { ports }: Signing,
  { scope, key, encoding, input }: Allowed,
  signature: Uint8Array,
  receipt: Receipt | undefined,
): SignResponse {
  return {
    signature,
    ring: scope.name,
    version: key.record.version,
    kid: key.kid,
    algorithm: ALGORITHMS[scope.algorithm].wire satisfies Algorithm,
    encoding,
    residency: RESIDENCY_NUMBERS[scope.residency],
    digest: input.digest ?? NO_DIGEST,
    measurement: ports.attester.identity.measurements[0],
    receipt,
  };
}

/** Everything that can be refused. Throws Refusal. */
function checked(
  { policy, rules, rings, appliedAtMs }: InForce,
  request: SignRequest,
  asking: Caller,
  nowMs: number,
): Allowed {
  const { identity, rank } = asking;
  const admitted = rules.admits({ identity, rank, ring: request.ring });
  if (!admitted.allowed) throw new Refusal(admitted.reason, admitted.details);
  const { ring: scope } = admitted;
  const caller = { identity, rank, name: admitted.caller.name };
  checkAlgorithm(scope, request.algorithm);
  const encoding = signatureEncoding(scope, request.encoding);
  checkRequestId(request.requestId);
  const payload = payloadOf(request);
  const forbidden = rules.forbids(scope, { payload, ageMs: nowMs - appliedAtMs });
  if (forbidden !== undefined) throw new Refusal(forbidden.reason, forbidden.details);
  const input = toBeSigned(request, scope);
  const ring = rings.get(scope.name);
  const key = ring?.active;
  if (key === undefined) {
    const keyState = ring?.keys.at(-1)?.state ?? 'destroyed';
    throw new Refusal('KEY_STATE_FORBIDS_SIGNING', { keyId: scope.name, keyState });
  }
  return { request, caller, scope, key, policyVersion: policy.version, encoding, input };
}

function payloadOf({ payload }: SignRequest): Asked['payload'] {
  if (payload === undefined) throw new Refusal('REQUEST_MALFORMED', { field: 'payload' });
  const bytes = payload.$case === 'digest' ? payload.value.digest : payload.value.message;
  return { kind: payload.$case, byteLength: bytes.byteLength };
}

function checkRequestId(requestId: Uint8Array): void {
  if (requestId.byteLength === 0 || requestId.byteLength === REQUEST_ID_BYTES) return;
  throw new Refusal('REQUEST_MALFORMED', {
    field: 'request_id',
    expectedBytes: String(REQUEST_ID_BYTES),
    actualBytes: String(requestId.byteLength),
  });
}

function checkAlgorithm(scope: PolicyRing, requested: number): void {
  if (requested === 0 || requested === ALGORITHMS[scope.algorithm].wire) return;
  throw new Refusal('ALGORITHM_MISMATCH', {
    field: 'algorithm',
    ring: scope.name,
    expected: scope.algorithm,
    actual: algorithmFromWire(requested) ?? String(requested),
  });
}

function signatureEncoding(scope: PolicyRing, requested: SignatureEncoding): SignatureEncoding {
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
