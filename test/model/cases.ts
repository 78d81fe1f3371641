/**
 * What the model must say: that the protocol as written holds, and what breaks when a binding is left out of it. The
 * names are those of test/model/session.maude; docs/spec/session-model.md explains them.
 */
export const PROPERTIES = [
  'client-agreement',
  'client-secrecy',
  'right-cluster',
  'same-view',
  'enclave-agreement',
  'enclave-injective',
  'enclave-secrecy',
  'first-record',
] as const;

export type Property = (typeof PROPERTIES)[number];

/** What must stay possible: a model in which nothing happens breaks nothing. */
export type Goal = 'both-finish' | 'poses-as-enclave';

export interface Case {
  /** Bindings and checks that this variant of the protocol lacks. */
  readonly leftOut: readonly string[];
  readonly scenario: string;
  /** An initial state of Maude, where it is more than an operator of that name. */
  readonly state?: string;
  /** All properties that some reachable state breaks, and no others. */
  readonly breaks: readonly Property[];
  readonly reaches: readonly Goal[];
}

const SCENARIOS = {
  'no-leak': ['both-finish'],
  'signer-known': ['both-finish'],
  'hpke-leaks': ['both-finish', 'poses-as-enclave'],
  'both-leak': ['both-finish', 'poses-as-enclave'],
  'other-known': ['both-finish', 'poses-as-enclave'],
} as const satisfies Record<string, readonly Goal[]>;

type Scenario = keyof typeof SCENARIOS;

const asWritten = Object.entries(SCENARIOS).map(([scenario, reaches]): Case => ({
  leftOut: [],
  scenario,
  breaks: [],
  reaches,
}));

const without = (
  leftOut: readonly string[],
  scenario: Scenario,
  ...breaks: readonly Property[]
): Case => ({ leftOut, scenario, breaks, reaches: [] });

const negative: readonly Case[] = [
  without(['genuine'], 'no-leak', 'client-agreement', 'client-secrecy'),
  without(['pinned'], 'no-leak', 'right-cluster'),
  without(
    ['evidenceDigest'],
    'no-leak',
    'client-agreement',
    'enclave-agreement',
    'first-record',
    'same-view',
  ),
  without(
    ['signature'],
    'no-leak',
    'enclave-agreement',
    'enclave-injective',
    'enclave-secrecy',
    'first-record',
  ),
  without(['enc1'], 'hpke-leaks', 'enclave-agreement', 'enclave-injective'),
  without(['pkC'], 'hpke-leaks', 'enclave-agreement', 'enclave-secrecy', 'first-record'),
  without(['certs'], 'hpke-leaks', 'enclave-agreement'),
  without(['certs', 'ct1'], 'hpke-leaks', 'enclave-agreement', 'first-record', 'same-view'),
  without(['unseen'], 'no-leak', 'enclave-injective'),
  without(['psk-mode'], 'no-leak', 'client-agreement', 'client-secrecy'),
  without(['h2'], 'hpke-leaks', 'same-view'),
  without(
    ['second-kem'],
    'hpke-leaks',
    'client-agreement',
    'client-secrecy',
    'enclave-secrecy',
    'first-record',
  ),
  without(['forgotten'], 'hpke-leaks', 'client-secrecy', 'enclave-secrecy', 'first-record'),
];

/** Each says again what another binding says already. */
const redundant = ['clusterId', 'ct1'].flatMap((binding) =>
  (['no-leak', 'hpke-leaks', 'other-known'] as const).map((scenario) =>
    without([binding], scenario),
  ),
);

export const CASES: readonly Case[] = [...asWritten, ...negative, ...redundant];

const wide = (scenario: Scenario, name: string, state: string): Case => ({
  leftOut: [],
  scenario: `${scenario}, ${name}`,
  state,
  breaks: [],
  reaches: SCENARIOS[scenario],
});

/** Minutes rather than seconds: any public key in any place, a second edition of the claims everywhere. */
export const LONG_CASES: readonly Case[] = [
  wide('no-leak', 'any key', '{ known | enclaves clients renewed renamed any-key }'),
  wide('signer-known', 'any key', '{ known, signer(alice) | enclaves clients any-key }'),
  wide('hpke-leaks', 'two editions', '{ known | enclaves clients renewed renamed leak }'),
  without(['psk-mode'], 'signer-known', 'client-agreement', 'client-secrecy'),
];
