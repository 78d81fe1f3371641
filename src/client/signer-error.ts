/**
 * What a refused or failed call looks like to callers: one class with a reason that programs may
 * switch on. The text is for people and may change.
 */
import { status as grpcStatus } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { ErrorInfo, RetryInfo } from '../gen/google/rpc/error_details.ts';
import { Status } from '../gen/google/rpc/status.ts';
import type { Reason } from '../../enclave/wire/error-code.ts';

/**
 * Reasons that no service sent: the call did not get an answer of ours. `HOST_REFUSED`: the host of a session said no,
 * which is not for it to say.
 */
export type TransportReason =
  'SERVICE_UNREACHABLE' | 'NO_ANSWER_IN_TIME' | 'NOT_EXPLAINED' | 'HOST_REFUSED';

/** A newer service may send a word that this build does not know, so the type stays open. */
export type SignerReason = Reason | TransportReason | (string & {});

const DETAILS_KEY = 'grpc-status-details-bin';
const TYPE_PREFIX = 'type.googleapis.com/';

export interface SignerErrorFacts {
  readonly reason: SignerReason;
  readonly retryable: boolean;
  readonly grpcStatus: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number | undefined;
}

/** A call that brought no result. After `NO_ANSWER_IN_TIME` a signature may exist all the same. */
export class SignerError extends Error {
  override readonly name = 'SignerError';
  readonly reason: SignerReason;
  /** True when the same call may succeed later without any change. */
  readonly retryable: boolean;
  readonly grpcStatus: number;
  /** `ErrorInfo.metadata`: facts by key, never secret. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  constructor(message: string, facts: SignerErrorFacts) {
    super(message);
    this.reason = facts.reason;
    this.retryable = facts.retryable;
    this.grpcStatus = facts.grpcStatus;
    this.metadata = facts.metadata;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** Turns what grpc-js reports into a SignerError. Undecodable details count as absent. */
export function signerErrorFrom(error: ServiceError): SignerError {
  const details = readDetails(error);
  const message = error.details === '' ? error.message : error.details;
  if (details.info !== undefined) {
    return new SignerError(message, {
      reason: details.info.reason,
      // RetryInfo is how the service says "the same call, later".
      retryable: details.retryAfterMs !== undefined || error.code === grpcStatus.UNAVAILABLE,
      grpcStatus: error.code,
      metadata: { ...details.info.metadata },
      retryAfterMs: details.retryAfterMs,
    });
  }
  return new SignerError(message, {
    reason: transportReason(error.code),
    retryable: error.code === grpcStatus.UNAVAILABLE,
    grpcStatus: error.code,
    metadata: {},
    retryAfterMs: details.retryAfterMs,
  });
}

/** Reasons of items of a batch after which the same item may succeed later: the service sends no RetryInfo for items. */
export const RETRYABLE_ITEMS: ReadonlySet<string> = new Set<Reason>([
  'REQUEST_IN_FLIGHT',
  'TOKEN_UNAVAILABLE',
]);

/** A refused item of a batch whose call brought an answer: its status is OK. */
export function itemRefusal({ reason, metadata }: ErrorInfo): SignerError {
  return new SignerError(reason, {
    reason,
    retryable: RETRYABLE_ITEMS.has(reason),
    grpcStatus: grpcStatus.OK,
    metadata: { ...metadata },
  });
}

function transportReason(code: grpcStatus): TransportReason {
  if (code === grpcStatus.UNAVAILABLE) return 'SERVICE_UNREACHABLE';
  if (code === grpcStatus.DEADLINE_EXCEEDED) return 'NO_ANSWER_IN_TIME';
  return 'NOT_EXPLAINED';
}

interface Details {
  readonly info: ErrorInfo | undefined;
  readonly retryAfterMs: number | undefined;
}

function readDetails(error: ServiceError): Details {
  let info: ErrorInfo | undefined;
  let retryAfterMs: number | undefined;
  try {
    const [packed] = error.metadata.get(DETAILS_KEY);
    if (packed === undefined || typeof packed === 'string') return { info, retryAfterMs };
    for (const { typeUrl, value } of Status.decode(packed).details) {
      if (typeUrl === `${TYPE_PREFIX}google.rpc.ErrorInfo`) info = ErrorInfo.decode(value);
      if (typeUrl === `${TYPE_PREFIX}google.rpc.RetryInfo`) {
        const delay = RetryInfo.decode(value).retryDelay;
        retryAfterMs = delay === undefined ? 0 : Number(delay.seconds) * 1000 + delay.nanos / 1e6;
      }
    }
  } catch {
    // The details come from the network: bytes that are no google.rpc.Status explain nothing.
  }
  return { info, retryAfterMs };
}
