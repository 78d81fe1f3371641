/** What a program that signs may have to handle, grouped by what it must do. */
import type { Reason } from '../../../enclave/wire/error-code.ts';
import type { Check } from '../../verifier/index.ts';
import { NotBelieved } from '../not-believed.ts';
import { NotOpened } from '../session/not-opened.ts';
import { SignerError, type TransportReason } from '../signer-error.ts';

/**
 * `fix`: the call, the identity or the policy must change. `retry`: later, as it is. `stop`: use nothing, call nobody
 * again, and tell whoever answers for security.
 */
export type Advice = 'fix' | 'retry' | 'stop';

/** What all errors of this library have in common; one of the three classes below. */
export abstract class SealwrightError extends Error {
  abstract readonly advice: Advice;
  /** For programs; docs/spec/errors.md lists them. The text is for people, and may change. */
  readonly reason: string;
  /** Facts by name, never secret. */
  readonly facts: Readonly<Record<string, string>>;

  constructor(
    reason: string,
    message: string,
    facts: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.reason = reason;
    this.facts = facts;
  }
}

/** The service refused, and would refuse again: the call, the caller's identity or the policy must change. */
export class RequestError extends SealwrightError {
  override readonly name = 'RequestError';
  override readonly advice = 'fix';
}

/**
 * No answer until the time was over, tried again with the same request id wherever that could help. A signature may
 * exist all the same, and be in the log.
 */
export class UnavailableError extends SealwrightError {
  override readonly name = 'UnavailableError';
  override readonly advice = 'retry';
}

/** An answer was not what it must be, or the enclave halted. Nothing of the answer was used. */
export class SecurityError extends SealwrightError {
  override readonly name = 'SecurityError';
  override readonly advice = 'stop';
  /** The checks that failed; empty when the enclave halted. */
  readonly checks: readonly Check[];

  constructor(reason: string, message: string, checks: readonly Check[], cause?: unknown) {
    super(reason, message, Object.fromEntries(checks.map(({ id, found }) => [id, found])), cause);
    this.checks = checks;
  }
}

/** What every call meets after `close`. */
export function connectionClosed(): RequestError {
  return new RequestError('CONNECTION_CLOSED', 'the connection was closed: connect again');
}

/** Total over the reasons of this release, so that a new one is not forgotten. */
const ADVICE: Readonly<Record<Reason | TransportReason, Advice>> = {
  REQUEST_MALFORMED: 'fix',
  FRAME_TOO_LARGE: 'fix',
  WIRE_VERSION_UNSUPPORTED: 'fix',
  METHOD_UNKNOWN: 'fix',
  DEADLINE_EXCEEDED: 'retry',
  CANCELLED: 'retry',
  REQUEST_IN_FLIGHT: 'retry',
  REQUEST_ID_REUSED: 'fix',
  ENCLAVE_NOT_READY: 'retry',
  ENCLAVE_HALTED: 'stop',
  STORE_UNAVAILABLE: 'retry',
  CALLER_UNAUTHENTICATED: 'fix',
  SIGNING_POLICY_DENIED: 'fix',
  RATE_LIMITED: 'retry',
  SESSION_REFUSED: 'retry',
  KEY_NOT_FOUND: 'fix',
  KEY_STATE_FORBIDS_SIGNING: 'fix',
  KEY_STATE_FORBIDS_CALL: 'fix',
  ALGORITHM_MISMATCH: 'fix',
  MECHANISM_UNSUPPORTED: 'fix',
  DIGEST_LENGTH_MISMATCH: 'fix',
  MESSAGE_TOO_LARGE: 'fix',
  PAYLOAD_KIND_MISMATCH: 'fix',
  ENCODING_UNSUPPORTED: 'fix',
  TOKEN_UNAVAILABLE: 'retry',
  TOKEN_REFUSED: 'fix',
  SEALED_HANDLE_REJECTED: 'stop',
  ROLLBACK_DETECTED: 'stop',
  LOG_UNAVAILABLE: 'retry',
  LOG_STORE_FULL: 'retry',
  LOG_STORE_FAILED: 'stop',
  LOG_STORE_CONFLICT: 'stop',
  LOG_RANGE_INVALID: 'fix',
  LOG_DAMAGED: 'stop',
  MANIFEST_INVALID: 'fix',
  GENESIS_NOT_ALLOWED: 'fix',
  GENESIS_NOT_PROPOSED: 'fix',
  POLICY_INVALID: 'fix',
  POLICY_NOT_NEXT: 'fix',
  POLICY_NOT_IN_TIME: 'fix',
  SCOPE_IMMUTABLE: 'fix',
  APPROVAL_INVALID: 'fix',
  APPROVALS_MISSING: 'fix',
  STATEMENT_INVALID: 'fix',
  STATEMENT_REPLAYED: 'fix',
  STATEMENT_NOT_IN_TIME: 'fix',
  NONCE_LENGTH_INVALID: 'fix',
  EVIDENCE_STALE: 'retry',
  PLATFORM_UNAVAILABLE: 'retry',
  INTERNAL: 'fix',
  SERVICE_UNREACHABLE: 'retry',
  NO_ANSWER_IN_TIME: 'retry',
  NOT_EXPLAINED: 'fix',
  HOST_REFUSED: 'retry',
};

export function adviceOn(reason: Reason): Advice {
  return ADVICE[reason];
}

/** A word that this release does not know is judged by whether the service asks for another try. */
export function adviceOf({ reason, retryable }: SignerError): Advice {
  const known = Object.hasOwn(ADVICE, reason) ? ADVICE[reason as Reason] : undefined;
  return known ?? (retryable ? 'retry' : 'fix');
}

/** The refusal has one form for all causes, and a host can send it too: these are where to look. */
const NOT_OPENED =
  'no session was opened, with evidence verified anew each time: is this certificate of a caller in the policy, has it time left, does its chain end at a root of the policy? (sealwright policy show)';

/** What this library throws instead of what its parts threw; anything else is a bug and stays what it is. */
export function explained(error: unknown): unknown {
  if (error instanceof NotBelieved) {
    return new SecurityError('NOT_BELIEVED', error.message, error.checks, error);
  }
  if (error instanceof NotOpened) {
    return new UnavailableError('SESSION_REFUSED', NOT_OPENED, {}, error);
  }
  if (!(error instanceof SignerError)) return error;
  const { reason, message, metadata } = error;
  switch (adviceOf(error)) {
    case 'fix':
      return new RequestError(reason, message, metadata, error);
    case 'retry':
      return new UnavailableError(reason, message, metadata, error);
    case 'stop':
      return new SecurityError(reason, message, [], error);
  }
}

/** Runs a call of the parts with this library's errors. */
export async function explaining<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw explained(error);
  }
}
