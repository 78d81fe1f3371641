/** What failed during a state change, as the halt that `status` shows. */
import { PlatformFailure, TokenFailure, type TokenFailureKind } from '../ports.ts';
import { Refusal, type HaltReason, type Reason } from '../wire/error-code.ts';
import { Halt } from './lifecycle.ts';

const REASONS = {
  unavailable: 'TOKEN_UNAVAILABLE',
  'token-missing': 'TOKEN_MISSING',
  'object-missing': 'TOKEN_INVENTORY_MISMATCH',
  'object-ambiguous': 'TOKEN_INVENTORY_MISMATCH',
  'object-altered': 'TOKEN_OBJECT_REJECTED',
  'pin-rejected': 'PIN_REJECTED',
  'pin-at-risk': 'PIN_AT_RISK',
  'request-refused': 'TOKEN_UNAVAILABLE',
} as const satisfies Record<TokenFailureKind, HaltReason>;

/** What the host's store answered. */
const STORE_REASONS: Readonly<Partial<Record<Reason, HaltReason>>> = {
  LOG_STORE_FAILED: 'LOG_STORE_FAILED',
  // Another leaf at this place: the host's copy is not ours.
  LOG_STORE_CONFLICT: 'LOG_DAMAGED',
};

/** The Halt of an error: its own, the token's, or INVARIANT_BROKEN for everything that nobody foresaw. */
export function asHalt(error: unknown): Halt {
  if (error instanceof Halt) return error;
  // Inside a state change only the host's store refuses, in whatever words the host likes.
  if (error instanceof Refusal) {
    return new Halt(STORE_REASONS[error.reason] ?? 'STORE_UNAVAILABLE', { refusal: error.reason });
  }
  if (error instanceof PlatformFailure) {
    return new Halt('PLATFORM_UNAVAILABLE', { failure: error.kind });
  }
  if (error instanceof TokenFailure) {
    return new Halt(REASONS[error.kind], {
      operation: error.operation,
      failure: error.kind,
      ...(error.objectId === undefined ? {} : { id: error.objectId }),
      ...(error.rv === 0 ? {} : { rv: `0x${error.rv.toString(16)}` }),
    });
  }
  return new Halt('INVARIANT_BROKEN', { what: error instanceof Error ? error.name : 'exception' });
}
