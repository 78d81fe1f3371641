/**
 * Leaves of the log, read (docs/spec/log.md "Leaves"). Members and lengths are closed; words such as algorithms,
 * states and reasons are only checked to be words, so that a later release's leaves can still be shown.
 */
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { MAX_APPROVALS } from '../../enclave/wire/limits.ts';
import { parseSignedJson } from '../../enclave/wire/signed-json.ts';
import { MAX_LEAF_BYTES } from '../../enclave/wire/tlog.ts';

interface LeafBase {
  /** The enclave's wall time, ms since the Unix epoch. */
  readonly timeMs: number;
  readonly instanceId: Uint8Array;
}

export interface GenesisLeaf extends LeafBase {
  readonly kind: 'genesis';
  readonly clusterId: Uint8Array;
  readonly genesisDigest: Uint8Array;
  readonly tokenSerial: string;
}

export interface BootLeaf extends LeafBase {
  readonly kind: 'boot';
  readonly bootEpoch: number;
  readonly mr0: Uint8Array;
  readonly mr1: Uint8Array;
  readonly mr2: Uint8Array;
  readonly svn: number;
  readonly policyVersion: number;
}

export interface PolicyLeaf extends LeafBase {
  readonly kind: 'policy';
  readonly policyVersion: number;
  readonly policyDigest: Uint8Array;
}

export interface KeyBirthLeaf extends LeafBase {
  readonly kind: 'key-birth';
  readonly ring: string;
  readonly version: number;
  readonly kid: string;
  readonly alg: string;
  readonly residency: 'hsm' | 'enclave';
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly publicKeyHash: Uint8Array;
  /** Names of the attributes that the token was asked for, by the answer. */
  readonly attributes: { readonly true: readonly string[]; readonly false: readonly string[] };
}

export interface KeyStateLeaf extends LeafBase {
  readonly kind: 'key-state';
  readonly ring: string;
  readonly version: number;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

export interface EmergencyLeaf extends LeafBase {
  readonly kind: 'emergency';
  readonly call: string;
  readonly ring: string;
  /** 0: every version that the call could apply to. */
  readonly version: number;
  readonly sequence: number;
  /** docs/spec/admin-statements.md. */
  readonly statementDigest: Uint8Array;
  /** Names of the admins who approved. */
  readonly approvedBy: readonly string[];
}

export interface SessionLeaf extends LeafBase {
  readonly kind: 'session';
  readonly sessionId: Uint8Array;
  /** Name of the caller in the policy. */
  readonly caller: string;
  /** As in a signature's leaf. */
  readonly callerId: string;
  readonly policyVersion: number;
}

export interface SignatureLeaf extends LeafBase {
  readonly kind: 'signature';
  readonly ring: string;
  readonly version: number;
  readonly kid: string;
  readonly alg: string;
  /** Name of the caller in the policy. */
  readonly caller: string;
  /** Who that is: an identity of docs/spec/policy.md, or `sha256:` and the digest of a long one. */
  readonly callerId: string;
  readonly rank: string;
  readonly toBeSignedHash: Uint8Array;
  readonly policyVersion: number;
  readonly requestId: string | undefined;
}

export interface RefusalLeaf extends LeafBase {
  readonly kind: 'refusal';
  readonly ring: string;
  /** Undefined when the policy has no such caller. */
  readonly caller: string | undefined;
  readonly callerId: string;
  readonly rank: string;
  readonly reason: string;
  /** Equal refusals that this leaf stands for. */
  readonly count: number;
}

export type LogLeaf =
  | GenesisLeaf
  | BootLeaf
  | PolicyLeaf
  | KeyBirthLeaf
  | KeyStateLeaf
  | EmergencyLeaf
  | SessionLeaf
  | SignatureLeaf
  | RefusalLeaf;

const MEASUREMENT_BYTES = 48;
const MAX_ATTRIBUTES = 64;
const RING = /^[a-z0-9][a-z0-9-]{0,63}$/;
const KID = /^[A-Za-z0-9_-]{43}$/;
const WORD = /^[A-Za-z0-9_-]{1,64}$/;
/** A name of the policy (docs/spec/policy.md). */
const CALLER = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** An identity of docs/spec/policy.md, at most 256 characters. */
const IDENTITY = /^(?=.{1,256}$)(?:spiffe:|x509:|key:|peer:|sha256:)[^\p{Cc}]+$/u;
/** In a refusal leaf `others` stands for callers that were too many to be told apart. */
const REFUSED_IDENTITY =
  /^(?=.{1,256}$)(?:others|(?:spiffe:|x509:|key:|peer:|sha256:)[^\p{Cc}]+)$/u;
const REQUEST_ID = /^[0-9a-f]{32}$/;
const TEXT = /^[^\p{Cc}]{0,256}$/u;

const KINDS = {
  genesis: (reader, base): GenesisLeaf => ({
    ...base,
    kind: 'genesis',
    clusterId: reader.hex('clusterId', 32),
    genesisDigest: reader.hex('genesisDigest', 32),
    tokenSerial: reader.string('tokenSerial', TEXT),
  }),
  boot: (reader, base): BootLeaf => ({
    ...base,
    kind: 'boot',
    bootEpoch: reader.integer('bootEpoch', 1),
    mr0: reader.hex('mr0', MEASUREMENT_BYTES),
    mr1: reader.hex('mr1', MEASUREMENT_BYTES),
    mr2: reader.hex('mr2', MEASUREMENT_BYTES),
    svn: reader.integer('svn', 0),
    policyVersion: reader.integer('policyVersion', 1),
  }),
  policy: (reader, base): PolicyLeaf => ({
    ...base,
    kind: 'policy',
    policyVersion: reader.integer('policyVersion', 1),
    policyDigest: reader.hex('policyDigest', 32),
  }),
  'key-birth': (reader, base): KeyBirthLeaf => ({
    ...base,
    kind: 'key-birth',
    ...readKey(reader),
    residency: reader.oneOf('residency', ['hsm', 'enclave']),
    publicKeyHash: reader.hex('publicKeyHash', 32),
    attributes: readAttributes(reader.object('attributes')),
  }),
  'key-state': (reader, base): KeyStateLeaf => ({
    ...base,
    kind: 'key-state',
    ring: reader.string('ring', RING),
    version: reader.integer('version', 1),
    from: reader.string('from', WORD),
    to: reader.string('to', WORD),
    reason: reader.string('reason', TEXT),
  }),
  emergency: (reader, base): EmergencyLeaf => ({
    ...base,
    kind: 'emergency',
    call: reader.string('call', WORD),
    ring: reader.string('ring', RING),
    version: reader.integer('version', 0),
    sequence: reader.integer('sequence', 1),
    statementDigest: reader.hex('statementDigest', 32),
    approvedBy: reader.strings('approvedBy', CALLER, MAX_APPROVALS),
  }),
  session: (reader, base): SessionLeaf => ({
    ...base,
    kind: 'session',
    sessionId: reader.hex('sessionId', 16),
    caller: reader.string('caller', CALLER),
    callerId: reader.string('callerId', IDENTITY),
    policyVersion: reader.integer('policyVersion', 1),
  }),
  signature: (reader, base): SignatureLeaf => ({
    ...base,
    kind: 'signature',
    ...readKey(reader),
    caller: reader.string('caller', CALLER),
    callerId: reader.string('callerId', IDENTITY),
    rank: reader.string('rank', WORD),
    toBeSignedHash: reader.hex('toBeSignedHash', 32),
    policyVersion: reader.integer('policyVersion', 1),
    requestId: reader.has('requestId') ? reader.string('requestId', REQUEST_ID) : undefined,
  }),
  refusal: (reader, base): RefusalLeaf => ({
    ...base,
    kind: 'refusal',
    ring: reader.string('ring', RING),
    caller: reader.has('caller') ? reader.string('caller', CALLER) : undefined,
    callerId: reader.string('callerId', REFUSED_IDENTITY),
    rank: reader.string('rank', WORD),
    reason: reader.string('reason', WORD),
    count: reader.integer('count', 1),
  }),
} as const satisfies Record<LogLeaf['kind'], (reader: ObjectReader, base: LeafBase) => LogLeaf>;

const KIND_NAMES = Object.keys(KINDS) as readonly LogLeaf['kind'][];

function readKey(reader: ObjectReader): Pick<SignatureLeaf, 'ring' | 'version' | 'kid' | 'alg'> {
  return {
    ring: reader.string('ring', RING),
    version: reader.integer('version', 1),
    kid: reader.string('kid', KID),
    alg: reader.string('alg', WORD),
  };
}

function readAttributes(reader: ObjectReader): KeyBirthLeaf['attributes'] {
  const attributes = {
    true: reader.strings('true', WORD, MAX_ATTRIBUTES),
    false: reader.strings('false', WORD, MAX_ATTRIBUTES),
  };
  reader.end();
  return attributes;
}

/** Throws SignedJsonError. */
export function parseLeaf(bytes: Uint8Array): LogLeaf {
  const reader = new ObjectReader(parseSignedJson(bytes, MAX_LEAF_BYTES));
  reader.integer('v', 1, 1);
  const kind = reader.oneOf('kind', KIND_NAMES);
  const base = { timeMs: reader.integer('timeMs', 0), instanceId: reader.hex('instanceId', 16) };
  const leaf = KINDS[kind](reader, base);
  reader.end();
  return leaf;
}
