/**
 * Every way in which a call can be refused. The enclave sends the number and never text; the host
 * turns it into a reason and a gRPC status by the one total map in `src/host/rpc-status.ts`.
 * Numbers are in hundreds per module and are never used again for something else.
 */
export const ERROR_CODES = {
  // 1xx wire
  REQUEST_MALFORMED: 100,
  FRAME_TOO_LARGE: 101,
  WIRE_VERSION_UNSUPPORTED: 102,
  METHOD_UNKNOWN: 103,
  DEADLINE_EXCEEDED: 104,
  CANCELLED: 105,
  REQUEST_IN_FLIGHT: 106,
  REQUEST_ID_REUSED: 107,
  // 2xx lifecycle
  ENCLAVE_NOT_READY: 200,
  ENCLAVE_HALTED: 201,
  STORE_UNAVAILABLE: 202,
  // 3xx callers and policy
  CALLER_UNAUTHENTICATED: 300,
  SIGNING_POLICY_DENIED: 301,
  RATE_LIMITED: 302,
  SESSION_REFUSED: 303,
  // 4xx keys
  KEY_NOT_FOUND: 400,
  KEY_STATE_FORBIDS_SIGNING: 401,
  ALGORITHM_MISMATCH: 402,
  MECHANISM_UNSUPPORTED: 403,
  KEY_STATE_FORBIDS_CALL: 404,
  // 5xx payloads
  DIGEST_LENGTH_MISMATCH: 500,
  MESSAGE_TOO_LARGE: 501,
  PAYLOAD_KIND_MISMATCH: 502,
  ENCODING_UNSUPPORTED: 503,
  // 6xx HSM
  TOKEN_UNAVAILABLE: 600,
  TOKEN_REFUSED: 601,
  // 7xx state
  SEALED_HANDLE_REJECTED: 700,
  ROLLBACK_DETECTED: 701,
  // 11xx log; LOG_STORE_* only travel from the host's store to the enclave
  LOG_UNAVAILABLE: 1100,
  LOG_STORE_FULL: 1101,
  LOG_STORE_FAILED: 1102,
  LOG_STORE_CONFLICT: 1103,
  LOG_RANGE_INVALID: 1104,
  LOG_DAMAGED: 1105,
  // 8xx genesis and admin statements
  MANIFEST_INVALID: 800,
  GENESIS_NOT_ALLOWED: 801,
  GENESIS_NOT_PROPOSED: 802,
  POLICY_INVALID: 803,
  POLICY_NOT_NEXT: 804,
  POLICY_NOT_IN_TIME: 805,
  SCOPE_IMMUTABLE: 806,
  APPROVAL_INVALID: 807,
  APPROVALS_MISSING: 808,
  STATEMENT_INVALID: 809,
  STATEMENT_REPLAYED: 810,
  STATEMENT_NOT_IN_TIME: 811,
  // 10xx evidence
  NONCE_LENGTH_INVALID: 1000,
  EVIDENCE_STALE: 1001,
  PLATFORM_UNAVAILABLE: 1002,
  // 9xx bugs
  INTERNAL: 900,
} as const satisfies Record<string, number>;

/** A word of the closed list: `ErrorInfo.reason`. */
export type Reason = keyof typeof ERROR_CODES;

const BY_CODE = new Map<number, Reason>(
  Object.entries(ERROR_CODES).map(([reason, code]) => [code, reason as Reason]),
);

/** The reason of a number; undefined for numbers that are not in the list. */
export function reasonOf(code: number): Reason | undefined {
  return BY_CODE.get(code);
}

/** Keys of `ErrorInfo.metadata`. Values are at most 256 characters and never secret. */
export const DETAIL_KEYS = [
  'actual',
  'actualBytes',
  'algorithm',
  'expected',
  'expectedBytes',
  'field',
  'haltReason',
  'keyId',
  'keyState',
  'limitBytes',
  'limitPerSecond',
  'mechanism',
  'payloadKind',
  'policyId',
  'requestId',
  'ring',
  'supportedVersions',
  'token',
  'wayOut',
] as const;

export type DetailKey = (typeof DETAIL_KEYS)[number];

export type Details = Readonly<Partial<Record<DetailKey, string>>>;

/** A refusal inside the enclave. Has no message on purpose: reason and details say everything. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly reason: Reason;
  readonly details: Details;
  constructor(reason: Reason, details: Details = {}) {
    super(reason);
    this.reason = reason;
    this.details = details;
  }
}

/**
 * Why an enclave halted: shown by `status`, explained with the way out in docs/OPERATIONS.md.
 * A halted enclave answers GetStatus only.
 */
export const HALT_REASONS = [
  /** The environment, Node's flags or an open inspector could have made this process run other code. */
  'LAUNCH_UNSAFE',
  /** The process lacks a shield that its configuration requires. */
  'HARDENING_MISSING',
  /** The platform refuses its secrets or its evidence, or does not answer. */
  'PLATFORM_UNAVAILABLE',
  /** A register differs from the one that sealed the state. */
  'MEASUREMENT_CHANGED',
  /** Same measurement, other platform secret. */
  'PLATFORM_CHANGED',
  /** A sealed record does not open although platform and measurement are the same. */
  'SEALED_HANDLE_REJECTED',
  /** The store has no state although the token is ours, or lacks a record that must exist. */
  'STATE_MISSING',
  /** A record is not the one that the index names, or is undecodable. */
  'STATE_DAMAGED',
  /** The host's copy of the log is not the one that the sealed edge and the index name. */
  'LOG_DAMAGED',
  /** The host's disk failed under an append: what is durable is unknown until the next boot. */
  'LOG_STORE_FAILED',
  /** The host's store refuses to answer. */
  'STORE_UNAVAILABLE',
  /** The state is older than the anchor says. */
  'ROLLBACK_DETECTED',
  /** No token with the recorded serial number. */
  'TOKEN_MISSING',
  /** The module or the device does not answer. */
  'TOKEN_UNAVAILABLE',
  /** The objects on the token are not those of the index. */
  'TOKEN_INVENTORY_MISMATCH',
  /** An object's attributes are not those of its birth. */
  'TOKEN_OBJECT_REJECTED',
  /** A key's self-test signature does not verify under the recorded public key. */
  'SELF_TEST_FAILED',
  /** The token refused the PIN. */
  'PIN_REJECTED',
  /** The token's PIN counter is low: no login was tried. */
  'PIN_AT_RISK',
  /** Another instance holds the anchor. */
  'FENCED',
  /** A state change failed half way, or a rule of the design was broken. */
  'INVARIANT_BROKEN',
] as const;

export type HaltReason = (typeof HALT_REASONS)[number];

/** What a serving enclave wants an operator to look at, in `status` (docs/OPERATIONS.md, "Alarms"). */
export const ALARMS = [
  /** The platform does not give new evidence: what there is gets old, and is then served no more. */
  'EVIDENCE_RENEWAL_FAILS',
  /** The HSM has made a wrong signature since this boot; it was not released. */
  'HSM_SIGNATURE_WRONG',
] as const;

export type Alarm = (typeof ALARMS)[number];
