/**
 * What an HSM may do wrong, and what must come of it: the table of docs/spec (error classes) as data. One row is one
 * scenario for a pool of one worker, `test/hsm/faults.test.ts` runs them all.
 */
import type { ErrorClass } from '../../enclave/hsm/error-class.ts';
import type { TokenFailureKind } from '../../enclave/ports.ts';
import type { AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { CALLS_AT_ONCE, type Operation } from './fault-bed.ts';
import { CKR, type CkrName } from './pkcs11-codes.ts';
import type { Action, FunctionName } from './pkcs11-shim.ts';

/**
 * `served`: every call, by the same worker. `replaced`: every call, the worker was killed and another one did it.
 * `refused`: the calls that were hit, as request-refused; the others are served by the same worker. `unavailable`:
 * every call, and the worker was killed. `healed`: a worker that could not open is followed by one that can.
 * `broken`: the pool broke, so the enclave halts.
 */
export type Expected =
  'served' | 'replaced' | 'refused' | 'unavailable' | 'healed' | `broken: ${TokenFailureKind}`;

export interface Scenario {
  readonly during: Operation;
  readonly function: FunctionName;
  /** Which calls of the function, as in Rule. */
  readonly first: number;
  readonly count: number;
  readonly action: Action;
  /** Of the code, from this function; `behaviour` where the module says nothing of a fault. */
  readonly errorClass: ErrorClass | 'behaviour';
  readonly expected: Expected;
  readonly algorithm?: AlgorithmName;
  /** Signatures that were refused before release. */
  readonly alarms?: number;
}

type Position = 'first' | 'middle' | 'last' | 'every';

const FIRST: Readonly<Record<Position, number>> = {
  first: 1,
  middle: CALLS_AT_ONCE / 2,
  last: CALLS_AT_ONCE,
  every: 1,
};

const at = (position: Position): Pick<Scenario, 'first' | 'count'> => ({
  first: FIRST[position],
  count: position === 'every' ? Infinity : 1,
});

const code = (name: CkrName): Pick<Scenario, 'action'> => ({ action: ['rv', CKR[name][0]] });

/** One row per code; positions take turns, so that each class meets each of them. */
function codes(
  during: Operation,
  functionName: FunctionName,
  errorClass: ErrorClass,
  expected: Expected,
  names: readonly CkrName[],
  positions: readonly Position[] = ['first'],
): Scenario[] {
  return names.map((name, index) => ({
    during,
    function: functionName,
    ...at(positions[index % positions.length] ?? 'first'),
    ...code(name),
    errorClass,
    expected,
  }));
}

const SPREAD = ['first', 'middle', 'last'] as const;
const SESSION = [
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_SESSION_CLOSED',
  'CKR_OPERATION_ACTIVE',
  'CKR_OPERATION_NOT_INITIALIZED',
  'CKR_OBJECT_HANDLE_INVALID',
  'CKR_KEY_HANDLE_INVALID',
] as const;
const LOGIN = ['CKR_USER_NOT_LOGGED_IN'] as const;
const DEVICE = [
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_MEMORY',
  'CKR_DEVICE_REMOVED',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_GENERAL_ERROR',
  'CKR_FUNCTION_FAILED',
  'CKR_HOST_MEMORY',
  'CKR_CRYPTOKI_NOT_INITIALIZED',
] as const;
const CREDENTIAL = [
  'CKR_PIN_INCORRECT',
  'CKR_PIN_EXPIRED',
  'CKR_PIN_LOCKED',
  'CKR_USER_PIN_NOT_INITIALIZED',
] as const;
const REQUEST = [
  'CKR_MECHANISM_INVALID',
  'CKR_KEY_FUNCTION_NOT_PERMITTED',
  'CKR_DATA_LEN_RANGE',
  'CKR_TEMPLATE_INCOMPLETE',
  'CKR_TEMPLATE_INCONSISTENT',
] as const;
/** One of each class, where more would say the same again. */
const ONE_SESSION = ['CKR_SESSION_HANDLE_INVALID'] as const;
const ONE_DEVICE = ['CKR_DEVICE_ERROR'] as const;
const ONE_REQUEST = ['CKR_FUNCTION_NOT_SUPPORTED'] as const;

const SIGNING: readonly Scenario[] = (['C_SignInit', 'C_Sign'] as const).flatMap((name) => [
  ...codes('sign', name, 'session', 'served', SESSION, SPREAD),
  ...codes('sign', name, 'login', 'replaced', LOGIN, ['middle']),
  ...codes('sign', name, 'device', 'replaced', DEVICE, SPREAD),
  // From a function that was given no PIN: it must not take the pool down.
  ...codes('sign', name, 'device', 'replaced', CREDENTIAL, SPREAD),
  ...codes('sign', name, 'request', 'refused', REQUEST, SPREAD),
  ...codes('sign', name, 'session', 'unavailable', ONE_SESSION, ['every']),
  ...codes('sign', name, 'login', 'unavailable', LOGIN, ['every']),
  ...codes('sign', name, 'device', 'unavailable', ONE_DEVICE, ['every']),
  ...codes('sign', name, 'request', 'refused', ONE_REQUEST, ['every']),
]);

/** The search for a key, the reading of its attributes. */
const FINDING: readonly Scenario[] = (
  ['C_FindObjectsInit', 'C_FindObjects', 'C_FindObjectsFinal', 'C_GetAttributeValue'] as const
).flatMap((name) => [
  ...codes('first-sign', name, 'session', 'served', ONE_SESSION),
  ...codes('first-sign', name, 'login', 'replaced', LOGIN),
  ...codes('first-sign', name, 'device', 'replaced', ['CKR_GENERAL_ERROR']),
  ...codes('first-sign', name, 'request', 'refused', ['CKR_ARGUMENTS_BAD']),
  ...codes('first-sign', name, 'device', 'unavailable', ONE_DEVICE, ['every']),
  ...codes('inventory', name, 'session', 'served', ONE_SESSION),
  ...codes('inventory', name, 'device', 'replaced', ONE_DEVICE),
]);

/** A worker that takes the place of a lost one. */
const OPENING: readonly Scenario[] = (
  [
    'C_Initialize',
    'C_GetSlotList',
    'C_GetTokenInfo',
    'C_OpenSession',
    'C_Login',
    'C_GetSessionInfo',
    'C_FindObjectsInit',
    'C_FindObjects',
    'C_FindObjectsFinal',
    'C_GetAttributeValue',
    'C_GetMechanismList',
    'C_GetMechanismInfo',
  ] as const
).flatMap((name) => [
  ...codes('respawn', name, 'device', 'healed', ONE_DEVICE),
  ...codes('respawn', name, 'session', 'healed', ONE_SESSION),
  ...codes('respawn', name, 'request', 'healed', ONE_REQUEST),
]);

const PIN: readonly Scenario[] = [
  ...codes('respawn', 'C_Login', 'credential', 'broken: pin-rejected', [
    ...CREDENTIAL,
    'CKR_PIN_INVALID',
    'CKR_PIN_LEN_RANGE',
    'CKR_USER_TYPE_INVALID',
  ]),
  ...codes('respawn', 'C_Login', 'login', 'healed', ['CKR_USER_ALREADY_LOGGED_IN']),
  {
    during: 'respawn',
    function: 'C_Login',
    ...at('first'),
    // A code of the vendor's own may be its word for a wrong PIN.
    action: ['rv', 0x80000001],
    errorClass: 'credential',
    expected: 'broken: pin-rejected',
  },
  // CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED.
  ...[0x10000, 0x20000, 0x40000].map(
    (flag) =>
      ({
        during: 'respawn',
        function: 'C_GetTokenInfo',
        ...at('every'),
        action: ['flags', flag],
        errorClass: 'behaviour',
        expected: 'broken: pin-at-risk',
      }) as const,
  ),
];

/** Operations that must not be done twice, and those that may. */
const WRITING: readonly Scenario[] = [
  ...codes('generate-key-pair', 'C_GenerateKeyPair', 'session', 'served', ONE_SESSION),
  ...codes('generate-key-pair', 'C_GenerateKeyPair', 'device', 'unavailable', ONE_DEVICE),
  ...codes('generate-key-pair', 'C_GenerateKeyPair', 'login', 'unavailable', LOGIN),
  ...codes('generate-key-pair', 'C_GenerateKeyPair', 'request', 'refused', REQUEST),
  ...codes('generate-secret', 'C_GenerateKey', 'session', 'served', ONE_SESSION),
  ...codes('generate-secret', 'C_GenerateKey', 'device', 'unavailable', ONE_DEVICE),
  ...codes('generate-secret', 'C_GenerateKey', 'request', 'refused', ONE_REQUEST),
  ...codes('destroy', 'C_DestroyObject', 'session', 'served', ONE_SESSION),
  ...codes('destroy', 'C_DestroyObject', 'device', 'replaced', ONE_DEVICE),
  ...codes('destroy', 'C_DestroyObject', 'request', 'refused', ['CKR_ACTION_PROHIBITED']),
  ...codes('hmac', 'C_Sign', 'session', 'served', ONE_SESSION),
  ...codes('hmac', 'C_Sign', 'device', 'replaced', ONE_DEVICE),
  ...codes('hmac', 'C_SignInit', 'request', 'refused', ONE_REQUEST),
  // It was made, and the module says that it was not: never a second one under the same CKA_ID.
  {
    during: 'generate-key-pair',
    function: 'C_GenerateKeyPair',
    ...at('first'),
    action: ['rv-after', CKR.CKR_SESSION_CLOSED[0]],
    errorClass: 'session',
    expected: 'refused',
  },
  {
    during: 'generate-secret',
    function: 'C_GenerateKey',
    ...at('first'),
    action: ['rv-after', CKR.CKR_DEVICE_ERROR[0]],
    errorClass: 'device',
    expected: 'unavailable',
  },
];

type Behaviour = readonly [
  Operation,
  FunctionName,
  Position,
  Action,
  Expected,
  Partial<Pick<Scenario, 'alarms' | 'algorithm'>>?,
];

/** Nothing but the module's deeds. */
const BEHAVIOURS: readonly Behaviour[] = [
  // Death and sleep.
  ['sign', 'C_SignInit', 'first', ['segv'], 'replaced'],
  ['sign', 'C_Sign', 'middle', ['abort'], 'replaced'],
  ['sign', 'C_Sign', 'last', ['exit', 0], 'replaced'],
  ['sign', 'C_Sign', 'middle', ['hang'], 'replaced'],
  ['sign', 'C_SignInit', 'last', ['hang'], 'replaced'],
  ['sign', 'C_Sign', 'every', ['segv'], 'unavailable'],
  ['sign', 'C_Sign', 'every', ['delay', 20], 'served'],
  ['first-sign', 'C_FindObjects', 'first', ['hang'], 'replaced'],
  ['first-sign', 'C_GetAttributeValue', 'first', ['segv'], 'replaced'],
  ['generate-key-pair', 'C_GenerateKeyPair', 'first', ['abort'], 'unavailable'],
  ['generate-secret', 'C_GenerateKey', 'first', ['hang'], 'unavailable'],
  ['destroy', 'C_DestroyObject', 'first', ['segv'], 'replaced'],
  ['hmac', 'C_Sign', 'first', ['exit', 1], 'replaced'],
  ['respawn', 'C_Initialize', 'first', ['segv'], 'healed'],
  ['respawn', 'C_OpenSession', 'first', ['abort'], 'healed'],
  ['respawn', 'C_Login', 'first', ['hang'], 'healed'],
  ['respawn', 'C_FindObjects', 'first', ['exit', 0], 'healed'],
  // Wrong signatures: refused before release, and the next worker's are right.
  ['sign', 'C_Sign', 'first', ['flip', 3], 'replaced', { alarms: 1 }],
  ['sign', 'C_Sign', 'middle', ['flip', 40], 'replaced', { alarms: 1 }],
  ['sign', 'C_Sign', 'last', ['flip', 63], 'replaced', { alarms: 1 }],
  ['sign', 'C_Sign', 'first', ['short'], 'replaced', { alarms: 1 }],
  ['sign', 'C_Sign', 'first', ['long'], 'replaced', { alarms: 1 }],
  ['sign', 'C_Sign', 'first', ['zero'], 'replaced', { alarms: 1 }],
  ['sign', 'C_Sign', 'middle', ['reuse'], 'replaced', { alarms: 1 }],
  ['sign', 'C_Sign', 'middle', ['other-data'], 'replaced', { alarms: 1 }],
  ['sign', 'C_Sign', 'middle', ['other-key', 'OTHER'], 'replaced', { alarms: 1 }],
  // CKR_OK without a signature.
  ['sign', 'C_Sign', 'middle', ['rv', 0], 'replaced', { alarms: 1 }],
  ...(['ES384', 'ES512', 'EdDSA', 'RS256', 'PS256'] as const).flatMap((algorithm) => [
    ['sign', 'C_Sign', 'middle', ['flip', 21], 'replaced', { alarms: 1, algorithm }] as const,
    ['sign', 'C_Sign', 'first', ['other-data'], 'replaced', { alarms: 1, algorithm }] as const,
  ]),
  ['first-sign', 'C_Sign', 'first', ['flip', 3], 'replaced'],
  ['first-sign', 'C_Sign', 'first', ['other-key', 'OTHER'], 'replaced'],
  ['first-sign', 'C_Sign', 'every', ['other-key', 'OTHER'], 'broken: object-altered'],
  ['sign', 'C_Sign', 'every', ['flip', 3], 'broken: object-altered'],
  // A wrong MAC would seal a key for ever.
  ['hmac', 'C_Sign', 'first', ['flip', 3], 'replaced'],
  // Objects that are not what they were, for a moment and for good.
  [
    'first-sign',
    'C_GetAttributeValue',
    'every',
    ['attribute', '162', '01'],
    'broken: object-altered',
  ],
  [
    'first-sign',
    'C_GetAttributeValue',
    'every',
    ['attribute', '170', '01'],
    'broken: object-altered',
  ],
  [
    'first-sign',
    'C_GetAttributeValue',
    'every',
    ['attribute', '103', '00'],
    'broken: object-altered',
  ],
  [
    'first-sign',
    'C_GetAttributeValue',
    'every',
    ['attribute', '102', '00'],
    'broken: object-altered',
  ],
  ['first-sign', 'C_FindObjects', 'first', ['truncate', 0], 'served'],
  ['first-sign', 'C_FindObjects', 'every', ['truncate', 0], 'broken: object-missing'],
  ['first-sign', 'C_FindObjects', 'first', ['double'], 'replaced'],
  ['first-sign', 'C_FindObjects', 'every', ['double'], 'broken: object-ambiguous'],
  ['first-sign', 'C_FindObjects', 'first', ['alias', 'OTHER'], 'replaced'],
  ['first-sign', 'C_FindObjects', 'every', ['alias', 'OTHER'], 'broken: object-altered'],
  // The token is another one, or none: away, not altered.
  ['respawn', 'C_GetTokenInfo', 'first', ['serial', 'another'], 'healed'],
  ['respawn', 'C_GetSlotList', 'first', ['none'], 'healed'],
  // CKS_RO_PUBLIC_SESSION, though the login was said to have worked.
  ['respawn', 'C_GetSessionInfo', 'first', ['state', 0], 'healed'],
  ['respawn', 'C_Login', 'first', ['rv', 0], 'healed'],
];

export const SCENARIOS: readonly Scenario[] = [
  ...SIGNING,
  ...FINDING,
  ...OPENING,
  ...PIN,
  ...WRITING,
  ...BEHAVIOURS.map(([during, name, position, action, expected, more]) => ({
    during,
    function: name,
    ...at(position),
    action,
    errorClass: 'behaviour' as const,
    expected,
    ...more,
  })),
];

/** For the test's name. */
export function describeScenario(scenario: Scenario): string {
  const { during, function: name, first, count, action, algorithm } = scenario;
  const which = count === Infinity ? 'every call' : `call ${String(first)}`;
  const [word, ...values] = action;
  const shown = values.map((value) =>
    typeof value === 'number' ? `0x${value.toString(16)}` : value,
  );
  return [during, algorithm ?? '', `${name}, ${which}:`, word, ...shown].filter(Boolean).join(' ');
}
