/**
 * The one total map from a reason to what a gRPC caller sees. Messages are for people: what was wrong,
 * what was expected, what to do. Programs read ErrorInfo. A cause is never among either.
 */
import { status as Code } from '@grpc/grpc-js';
import type { Details, Reason } from '../../enclave/wire/error-code.ts';

export interface RpcRow {
  readonly code: Code;
  /** Milliseconds after which the same call may succeed; absent when it won't without a change. */
  readonly retryAfterMs?: number;
  /** Field of the request that was wrong: adds BadRequest. */
  readonly field?: string;
  /** Adds ResourceInfo. */
  readonly resource?: 'key';
  readonly message: (details: Details) => string;
}

const ring = (details: Details): string =>
  details.ring === undefined ? 'the ring' : `ring "${details.ring}"`;
const sizes = (details: Details, unit = ''): string =>
  [details.expectedBytes ?? details.expected, details.actualBytes ?? details.actual]
    .map((value, index) =>
      value === undefined ? undefined : `${index === 0 ? 'expected' : 'got'} ${value}${unit}`,
    )
    .filter((part) => part !== undefined)
    .join(', ');
const because = (facts: string): string => (facts === '' ? '' : ` (${facts})`);

export const RPC_STATUS = {
  REQUEST_MALFORMED: {
    code: Code.INVALID_ARGUMENT,
    field: '.',
    message: (d) =>
      `The request is not a valid message of this method${because(sizes(d))}${d.field === undefined ? '' : `: look at field "${d.field}"`}. Generate your client from the protos of this release.`,
  },
  FRAME_TOO_LARGE: {
    code: Code.RESOURCE_EXHAUSTED,
    message: (d) =>
      `The message is too large: ${d.actualBytes ?? 'more'} bytes, at most ${d.limitBytes ?? 'the limit of the method'} are accepted. To sign a large file, hash it yourself and send the digest to a ring of payload kind digest.`,
  },
  WIRE_VERSION_UNSUPPORTED: {
    code: Code.UNIMPLEMENTED,
    message: (d) =>
      `Host and enclave speak different versions of their link (supported: ${d.supportedVersions ?? 'unknown'}). Install both from one release.`,
  },
  METHOD_UNKNOWN: {
    code: Code.UNIMPLEMENTED,
    message: () =>
      'The enclave does not know this method. It may be of an older release than your client; ask GetStatus for its measurement.',
  },
  DEADLINE_EXCEEDED: {
    code: Code.DEADLINE_EXCEEDED,
    message: (d) =>
      d.expected === undefined
        ? 'No answer came within the deadline. A signature may have been produced nevertheless; allow more time before you call again.'
        : `The call took too long: expected ${d.expected}. Nothing was signed.`,
  },
  CANCELLED: {
    code: Code.CANCELLED,
    message: () =>
      'The caller cancelled the call. A signature may have been produced nevertheless.',
  },
  REQUEST_IN_FLIGHT: {
    code: Code.ABORTED,
    retryAfterMs: 100,
    message: (d) =>
      `A call with request id ${d.requestId ?? 'given'} is still being answered. Wait for its answer, or call again with the same request id a little later.`,
  },
  REQUEST_ID_REUSED: {
    code: Code.INVALID_ARGUMENT,
    field: 'request_id',
    message: () =>
      'This request id belongs to another request of the last 10 minutes. Draw a new one for each request, and keep it for retries only.',
  },
  LOG_UNAVAILABLE: {
    code: Code.UNAVAILABLE,
    retryAfterMs: 1000,
    message: () =>
      'The log does not take entries at the moment, and nothing is signed without one. A signature may have been made; call again with the same request id a little later.',
  },
  LOG_STORE_FULL: {
    code: Code.UNAVAILABLE,
    retryAfterMs: 1000,
    message: () => 'The disk of the log is full. Make room; the enclave keeps trying.',
  },
  LOG_STORE_FAILED: {
    code: Code.DATA_LOSS,
    message: () => 'The disk of the log failed. See "Halt reasons" in docs/OPERATIONS.md.',
  },
  LOG_STORE_CONFLICT: {
    code: Code.DATA_LOSS,
    message: () => "The host's copy of the log is not the enclave's. See docs/OPERATIONS.md.",
  },
  LOG_RANGE_INVALID: {
    code: Code.INVALID_ARGUMENT,
    field: '.',
    message: (d) =>
      `The log has no such range${because(sizes(d))}. Ask GetCheckpoint for its size; one call reads at most 256 leaves.`,
  },
  LOG_DAMAGED: {
    code: Code.DATA_LOSS,
    message: () =>
      "A part of the host's copy of the log is missing or changed. The operator finds its path in the host's log and restores it from a backup or a mirror.",
  },
  ENCLAVE_NOT_READY: {
    code: Code.UNAVAILABLE,
    retryAfterMs: 250,
    message: () =>
      'The enclave does not answer such calls yet: it is starting, waits for genesis, or restarts. Call again; `sealwright status` tells its phase.',
  },
  ENCLAVE_HALTED: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `The enclave has halted${because(d.haltReason ?? '')} and answers GetStatus only. An operator must act: ${d.wayOut ?? '`sealwright status` and docs/OPERATIONS.md tell the way out'}.`,
  },
  STORE_UNAVAILABLE: {
    code: Code.UNAVAILABLE,
    retryAfterMs: 1000,
    message: () =>
      "The host's store does not answer, so nothing can be recorded and nothing is signed. An operator finds the reason in the host's log.",
  },
  CALLER_UNAUTHENTICATED: {
    code: Code.UNAUTHENTICATED,
    message: (d) =>
      `The caller is not authenticated: expected ${d.expected ?? 'a client certificate (clientAuth) that chains to the configured client CA'}, got ${d.actual ?? 'none that is accepted'}. Configure certificate and key in your client.`,
  },
  SIGNING_POLICY_DENIED: {
    code: Code.PERMISSION_DENIED,
    message: (d) =>
      `The signing policy does not allow this call${because(d.policyId === undefined ? '' : `policy ${d.policyId}`)} on ${ring(d)}${d.expected === undefined ? '' : `: expected ${d.expected}`}. Ask the owners of the policy.`,
  },
  RATE_LIMITED: {
    code: Code.RESOURCE_EXHAUSTED,
    retryAfterMs: 1000,
    message: (d) =>
      `Too many calls at once${because(d.limitPerSecond === undefined ? '' : `limit ${d.limitPerSecond}`)}. Slow down and call again with a growing, jittered delay.`,
  },
  SESSION_REFUSED: {
    code: Code.UNAUTHENTICATED,
    message: () =>
      'There is no such session, or none is opened so. The enclave may have restarted, the session may have ended, or the policy does not know your certificate: verify new evidence and open a new session.',
  },
  KEY_NOT_FOUND: {
    code: Code.NOT_FOUND,
    resource: 'key',
    message: (d) =>
      `No such key: ${d.ring === undefined ? (d.keyId ?? 'unknown ring') : ring(d)}. \`sealwright keys list\` shows the rings and versions that exist.`,
  },
  KEY_STATE_FORBIDS_SIGNING: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `The key of ${ring(d)} is in state ${d.keyState ?? 'unknown'}; only an active key signs. Use another ring, or ask the owners of the policy.`,
  },
  ALGORITHM_MISMATCH: {
    code: Code.INVALID_ARGUMENT,
    field: 'algorithm',
    message: (d) =>
      `The algorithm is not the one of ${ring(d)}${because(sizes(d))}. Name the ring's algorithm, or leave the field unset.`,
  },
  MECHANISM_UNSUPPORTED: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `The token can't serve ${ring(d)}${because([d.token, d.mechanism].filter((fact) => fact !== undefined).join(' lacks '))}. Take another algorithm, residency enclave, or another token.`,
  },
  KEY_STATE_FORBIDS_CALL: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `No key of ${ring(d)} is in a state that allows this call${because(d.keyState ?? '')}. \`sealwright keys list\` shows the states.`,
  },
  DIGEST_LENGTH_MISMATCH: {
    code: Code.INVALID_ARGUMENT,
    field: 'digest.digest',
    message: (d) =>
      `The digest has the wrong length for ${ring(d)}${because(sizes(d, ' bytes'))}. Hash with the ring's own hash function.`,
  },
  MESSAGE_TOO_LARGE: {
    code: Code.INVALID_ARGUMENT,
    field: 'message.message',
    message: (d) =>
      `The message is too large${because([d.actualBytes === undefined ? '' : `got ${d.actualBytes} bytes`, d.limitBytes === undefined ? '' : `at most ${d.limitBytes}`].filter((part) => part !== '').join(', '))}. Hash it yourself and send the digest to a ring of payload kind digest.`,
  },
  PAYLOAD_KIND_MISMATCH: {
    code: Code.INVALID_ARGUMENT,
    field: 'payload',
    message: (d) =>
      `The payload is not of the kind that ${ring(d)} signs${because(sizes(d) || (d.payloadKind ?? ''))}. Send that kind, or use another ring.`,
  },
  ENCODING_UNSUPPORTED: {
    code: Code.INVALID_ARGUMENT,
    field: 'encoding',
    message: (d) =>
      `The signature of ${ring(d)} has no such encoding${because(sizes(d))}. ASN1_DER and P1363 are for ECDSA; all others are RAW. Leave the field unset for the usual form.`,
  },
  TOKEN_UNAVAILABLE: {
    code: Code.UNAVAILABLE,
    retryAfterMs: 1000,
    message: (d) =>
      `The HSM does not answer${because(d.token === undefined ? '' : `token ${d.token}`)}. The enclave keeps trying; call again a little later.`,
  },
  TOKEN_REFUSED: {
    code: Code.FAILED_PRECONDITION,
    message: () =>
      'The HSM refuses this signature, and would refuse it again: a mechanism or a right of the key is missing there. An operator must look at the HSM.',
  },
  SEALED_HANDLE_REJECTED: {
    code: Code.DATA_LOSS,
    message: (d) =>
      `A sealed record does not open${because(d.keyId ?? '')}: it was changed, or sealed by another enclave. An operator must act; see docs/OPERATIONS.md.`,
  },
  ROLLBACK_DETECTED: {
    code: Code.DATA_LOSS,
    message: () =>
      'The store holds a state that is older than the last one. Nothing is signed until an operator restores the newest; see docs/OPERATIONS.md.',
  },
  MANIFEST_INVALID: {
    code: Code.INVALID_ARGUMENT,
    field: 'manifest',
    message: (d) =>
      `The genesis manifest is not valid${d.field === undefined ? '' : ` at ${d.field}`}${because(sizes(d))}. docs/spec/genesis.md says what it holds.`,
  },
  GENESIS_NOT_ALLOWED: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `Genesis is possible only in phase SETUP, before a cluster exists${d.wayOut === undefined ? '' : `: ${d.wayOut}`}. An existing cluster is never replaced by a call.`,
  },
  GENESIS_NOT_PROPOSED: {
    code: Code.FAILED_PRECONDITION,
    message: () =>
      'The enclave holds no proposal of this cluster id: it was restarted, another proposal came, or 24 hours passed. Propose again, and have the new statement approved.',
  },
  POLICY_INVALID: {
    code: Code.INVALID_ARGUMENT,
    field: 'document',
    message: (d) =>
      `The policy is not valid${d.field === undefined ? '' : ` at ${d.field}`}${because(sizes(d))}. \`sealwright policy check\` names every problem.`,
  },
  POLICY_NOT_NEXT: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `This policy does not follow the one in force: look at "${d.field ?? 'version'}"${because(sizes(d))}. Build it again on the current policy.`,
  },
  POLICY_NOT_IN_TIME: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `The policy may not be applied now${because(sizes(d))}. Build it again with another notBefore and notAfter.`,
  },
  SCOPE_IMMUTABLE: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `The ${d.field ?? 'scope'} of ${ring(d)} was set at its birth and never changes${because(sizes(d))}. Make a ring with another name.`,
  },
  APPROVAL_INVALID: {
    code: Code.PERMISSION_DENIED,
    message: (d) =>
      `An approval does not hold: ${d.field ?? 'approvals'}${because(d.actual ?? '')}. Nothing was done; leave it away or have it made again.`,
  },
  APPROVALS_MISSING: {
    code: Code.PERMISSION_DENIED,
    message: (d) =>
      `Not enough admins approved${because(sizes(d))}. Collect the missing approvals over the same bytes.`,
  },
  STATEMENT_INVALID: {
    code: Code.INVALID_ARGUMENT,
    field: 'statement',
    message: (d) =>
      `The statement is not valid${d.field === undefined ? '' : ` at ${d.field}`}${because(sizes(d))}. docs/spec/admin-statements.md says what it holds.`,
  },
  STATEMENT_REPLAYED: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `The statement does not follow the last one that was applied${d.field === undefined ? '' : `, by ${d.field}`}${because(sizes(d))}. Make a new one, which follows it, and have it approved.`,
  },
  STATEMENT_NOT_IN_TIME: {
    code: Code.FAILED_PRECONDITION,
    message: (d) =>
      `The statement has ended, or ends more than 7 days ahead${because(sizes(d))}. Make a new one.`,
  },
  NONCE_LENGTH_INVALID: {
    code: Code.INVALID_ARGUMENT,
    field: 'nonce',
    message: (d) =>
      `The nonce has the wrong length${because(sizes(d, ' bytes'))}. Draw a new one of the expected length.`,
  },
  EVIDENCE_STALE: {
    code: Code.FAILED_PRECONDITION,
    message: () =>
      'The evidence is older than allowed. Ask for new evidence with a new nonce; when the enclave itself has none that is young enough, `sealwright status` shows the alarm.',
  },
  PLATFORM_UNAVAILABLE: {
    code: Code.UNAVAILABLE,
    retryAfterMs: 1000,
    message: () =>
      'The platform under the enclave gave no evidence in time. Call again; without `fresh` the enclave answers from what it has.',
  },
  INTERNAL: {
    code: Code.INTERNAL,
    message: (d) =>
      `Something failed inside. Give request id ${d.requestId ?? 'unknown'} to the operator, who finds it in the host's log.`,
  },
} as const satisfies Record<Reason, RpcRow>;

/** The row of a reason, at its widest type. */
export function rpcRow(reason: Reason): RpcRow {
  return RPC_STATUS[reason];
}
