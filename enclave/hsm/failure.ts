/** What a worker's failure means for the call, the worker and the pool. */
import { TokenFailure, type TokenFailureKind } from '../ports.ts';
import type { HsmFailure } from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import { errorClassOf, type ErrorClass } from './error-class.ts';
import { isRefusalWord, REFUSALS } from './refusal.ts';

export interface JudgedFailure {
  readonly errorClass: ErrorClass;
  readonly failure: TokenFailure;
}

const KIND_OF_CLASS = {
  session: 'unavailable',
  login: 'unavailable',
  device: 'unavailable',
  credential: 'pin-rejected',
  request: 'request-refused',
} as const satisfies Record<ErrorClass, TokenFailureKind>;

/** `operation` is our name for the call, not the PKCS#11 function. */
export function judgeFailure(
  operation: string,
  { rv, function: source }: HsmFailure,
): JudgedFailure {
  if (rv !== 0) {
    const errorClass = errorClassOf(rv, source);
    return { errorClass, failure: new TokenFailure(KIND_OF_CLASS[errorClass], operation, rv) };
  }
  // A word that we don't know comes from a worker that is not ours.
  const { errorClass, kind } = REFUSALS[isRefusalWord(source) ? source : 'module-unusable'];
  return { errorClass, failure: new TokenFailure(kind, operation) };
}

/**
 * What one worker says of an object is believed only from a worker that was opened after the question: a process
 * whose token went away keeps answering from what it remembers.
 */
export function needsConfirmation(kind: TokenFailureKind): boolean {
  return kind === 'object-missing' || kind === 'object-altered' || kind === 'object-ambiguous';
}
