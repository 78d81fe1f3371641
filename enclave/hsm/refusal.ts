/** The words with which a worker itself refuses (rv 0), and what the pool makes of them. */
import type { TokenFailureKind } from '../ports.ts';
import type { ErrorClass } from './error-class.ts';

interface Meaning {
  readonly errorClass: ErrorClass;
  readonly kind: TokenFailureKind;
}

export const REFUSALS = {
  /** No token, or more than one, with the serial number. In a pool that was open: gone for now, so probe again. */
  'token-missing': { errorClass: 'device', kind: 'token-missing' },
  'object-missing': { errorClass: 'request', kind: 'object-missing' },
  'object-ambiguous': { errorClass: 'request', kind: 'object-ambiguous' },
  'object-altered': { errorClass: 'request', kind: 'object-altered' },
  /** A new object would share its CKA_ID with one that exists. */
  'object-exists': { errorClass: 'request', kind: 'request-refused' },
  'pin-at-risk': { errorClass: 'credential', kind: 'pin-at-risk' },
  /** The session is not (or no longer) the user's: PKCS#11 v3.1 §5.6.8, CKS_RW_USER_FUNCTIONS. */
  'login-lost': { errorClass: 'login', kind: 'unavailable' },
  /** The module could not be loaded, or threw something that is no CKR_*. */
  'module-unusable': { errorClass: 'device', kind: 'unavailable' },
  /** The pool asked for something that this worker does not do. A bug. */
  'bad-request': { errorClass: 'request', kind: 'request-refused' },
} as const satisfies Record<string, Meaning>;

export type RefusalWord = keyof typeof REFUSALS;

export function isRefusalWord(word: string): word is RefusalWord {
  return Object.hasOwn(REFUSALS, word);
}

/** Thrown inside a worker; reaches the pool as HsmFailure with rv 0. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly word: RefusalWord;
  constructor(word: RefusalWord) {
    super(word);
    this.word = word;
  }
}
