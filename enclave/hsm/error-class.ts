/**
 * What a CKR_* return value means for us (PKCS#11 v3.1 §5.1; values: pkcs11t.h). One table, total by its default.
 *
 * | class      | reaction                                                                             |
 * |------------|--------------------------------------------------------------------------------------|
 * | session    | in the worker: new session, objects found again by CKA_ID, retried once              |
 * | login      | the worker is replaced by one that logs in; the call is retried once, if idempotent  |
 * | device     | the worker is killed and replaced, with back-off; retried once, if idempotent        |
 * | credential | never retried; the whole pool goes down and stays down, and the enclave halts        |
 * | request    | permanent: the module refused this very request                                      |
 *
 * A token that is away is not a token that was altered. An error of whatever class, no token or two with the serial
 * number, no answer: that is away, it may come back, calls are refused as unavailable meanwhile. Altered is what a
 * module says without any error, of a token that was found by its serial number and took the PIN: the search came to
 * its end and found no object, or two; an attribute is not that of the birth; the self-test signature is wrong. It is
 * believed when three workers in a row say so, the later two opened after the answer before (`worker-pool.ts`), and
 * then it breaks an invariant: the enclave halts. One wrong signature of a key that passed its self-test is neither: its
 * worker is killed and the call retried; the next worker repeats the self-test.
 */

export type ErrorClass = 'session' | 'login' | 'device' | 'credential' | 'request';

const CODES: Readonly<Record<ErrorClass, readonly number[]>> = {
  session: [
    0x60, // CKR_KEY_HANDLE_INVALID: handles die with their session
    0x82, // CKR_OBJECT_HANDLE_INVALID
    0x90, // CKR_OPERATION_ACTIVE: one operation a session; a new one has none
    0x91, // CKR_OPERATION_NOT_INITIALIZED
    0xb0, // CKR_SESSION_CLOSED
    0xb3, // CKR_SESSION_HANDLE_INVALID
    0xb5, // CKR_SESSION_READ_ONLY
    0x202, // CKR_OPERATION_CANCEL_FAILED
  ],
  login: [
    0x100, // CKR_USER_ALREADY_LOGGED_IN
    0x101, // CKR_USER_NOT_LOGGED_IN
    0x104, // CKR_USER_ANOTHER_ALREADY_LOGGED_IN
  ],
  device: [
    0x01, // CKR_CANCEL
    0x02, // CKR_HOST_MEMORY
    0x03, // CKR_SLOT_ID_INVALID: the slot went away; a fresh process sees it again
    0x05, // CKR_GENERAL_ERROR
    0x06, // CKR_FUNCTION_FAILED
    0x0a, // CKR_CANT_LOCK
    0x30, // CKR_DEVICE_ERROR
    0x31, // CKR_DEVICE_MEMORY
    0x32, // CKR_DEVICE_REMOVED
    0x50, // CKR_FUNCTION_CANCELED
    0xb1, // CKR_SESSION_COUNT
    0xe0, // CKR_TOKEN_NOT_PRESENT
    0xe1, // CKR_TOKEN_NOT_RECOGNIZED
    0x105, // CKR_USER_TOO_MANY_TYPES
    0x121, // CKR_RANDOM_NO_RNG
    0x190, // CKR_CRYPTOKI_NOT_INITIALIZED
    0x191, // CKR_CRYPTOKI_ALREADY_INITIALIZED
    0x1a0, // CKR_MUTEX_BAD
    0x1a1, // CKR_MUTEX_NOT_LOCKED
    0x1b6, // CKR_FIPS_SELF_TEST_FAILED
    0x1b7, // CKR_LIBRARY_LOAD_FAILED
    0x201, // CKR_TOKEN_RESOURCE_EXCEEDED
  ],
  credential: [
    0xa0, // CKR_PIN_INCORRECT
    0xa1, // CKR_PIN_INVALID
    0xa2, // CKR_PIN_LEN_RANGE
    0xa3, // CKR_PIN_EXPIRED
    0xa4, // CKR_PIN_LOCKED
    0x102, // CKR_USER_PIN_NOT_INITIALIZED
    0x103, // CKR_USER_TYPE_INVALID
    0x1b0, // CKR_NEW_PIN_MODE
    0x1b1, // CKR_NEXT_OTP
    0x1b8, // CKR_PIN_TOO_WEAK
  ],
  request: [
    0x07, // CKR_ARGUMENTS_BAD
    0x08, // CKR_NO_EVENT
    0x09, // CKR_NEED_TO_CREATE_THREADS
    0x10, // CKR_ATTRIBUTE_READ_ONLY
    0x11, // CKR_ATTRIBUTE_SENSITIVE
    0x12, // CKR_ATTRIBUTE_TYPE_INVALID
    0x13, // CKR_ATTRIBUTE_VALUE_INVALID
    0x1b, // CKR_ACTION_PROHIBITED
    0x20, // CKR_DATA_INVALID
    0x21, // CKR_DATA_LEN_RANGE
    0x40, // CKR_ENCRYPTED_DATA_INVALID
    0x41, // CKR_ENCRYPTED_DATA_LEN_RANGE
    0x42, // CKR_AEAD_DECRYPT_FAILED
    0x51, // CKR_FUNCTION_NOT_PARALLEL
    0x54, // CKR_FUNCTION_NOT_SUPPORTED
    0x62, // CKR_KEY_SIZE_RANGE
    0x63, // CKR_KEY_TYPE_INCONSISTENT
    0x64, // CKR_KEY_NOT_NEEDED
    0x65, // CKR_KEY_CHANGED
    0x66, // CKR_KEY_NEEDED
    0x67, // CKR_KEY_INDIGESTIBLE
    0x68, // CKR_KEY_FUNCTION_NOT_PERMITTED
    0x69, // CKR_KEY_NOT_WRAPPABLE
    0x6a, // CKR_KEY_UNEXTRACTABLE
    0x70, // CKR_MECHANISM_INVALID
    0x71, // CKR_MECHANISM_PARAM_INVALID
    0xb4, // CKR_SESSION_PARALLEL_NOT_SUPPORTED
    0xb6, // CKR_SESSION_EXISTS
    0xb7, // CKR_SESSION_READ_ONLY_EXISTS
    0xb8, // CKR_SESSION_READ_WRITE_SO_EXISTS
    0xc0, // CKR_SIGNATURE_INVALID
    0xc1, // CKR_SIGNATURE_LEN_RANGE
    0xd0, // CKR_TEMPLATE_INCOMPLETE
    0xd1, // CKR_TEMPLATE_INCONSISTENT
    0xe2, // CKR_TOKEN_WRITE_PROTECTED
    0xf0, // CKR_UNWRAPPING_KEY_HANDLE_INVALID
    0xf1, // CKR_UNWRAPPING_KEY_SIZE_RANGE
    0xf2, // CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT
    0x110, // CKR_WRAPPED_KEY_INVALID
    0x112, // CKR_WRAPPED_KEY_LEN_RANGE
    0x113, // CKR_WRAPPING_KEY_HANDLE_INVALID
    0x114, // CKR_WRAPPING_KEY_SIZE_RANGE
    0x115, // CKR_WRAPPING_KEY_TYPE_INCONSISTENT
    0x120, // CKR_RANDOM_SEED_NOT_SUPPORTED
    0x130, // CKR_DOMAIN_PARAMS_INVALID
    0x140, // CKR_CURVE_NOT_SUPPORTED
    0x150, // CKR_BUFFER_TOO_SMALL
    0x160, // CKR_SAVED_STATE_INVALID
    0x170, // CKR_INFORMATION_SENSITIVE
    0x180, // CKR_STATE_UNSAVEABLE
    0x1b5, // CKR_EXCEEDED_MAX_ITERATIONS
    0x1b9, // CKR_PUBLIC_KEY_INVALID
    0x200, // CKR_FUNCTION_REJECTED
    0x203, // CKR_KEY_EXHAUSTED
  ],
};

const CLASS_OF = new Map<number, ErrorClass>(
  Object.entries(CODES).flatMap(([name, codes]) =>
    codes.map((code) => [code, name as ErrorClass] as const),
  ),
);

/** The functions that are given a PIN: only there a credential code says something about the PIN. */
const PIN_FUNCTIONS: ReadonlySet<string> = new Set([
  'C_Login',
  'C_InitToken',
  'C_InitPIN',
  'C_SetPIN',
]);

/**
 * The class of a return value of a function. A code that is not in the table, vendor codes (≥ 0x80000000) included,
 * is `device`: a fresh process is the only recovery that presumes nothing. The same for a credential code from a
 * function that was given no PIN: it must not take the pool down for good. From a function that was given one, an
 * unknown code may be the vendor's word for a wrong PIN, and is not tried again.
 */
export function errorClassOf(rv: number, functionName: string): ErrorClass {
  const gavePin = PIN_FUNCTIONS.has(functionName);
  const found = CLASS_OF.get(rv) ?? (gavePin ? 'credential' : 'device');
  return found === 'credential' && !gavePin ? 'device' : found;
}
