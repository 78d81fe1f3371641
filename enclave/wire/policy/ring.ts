/** Rings of a policy: their immutable scope, and what may change (docs/spec/policy.md). */
import { algorithmRow, isAlgorithmName, type AlgorithmName, type Residency } from '../algorithm.ts';
import type { ObjectReader } from '../closed-schema.ts';
import { MAX_MESSAGE_BYTES, MAX_RATE_PER_SECOND, MAX_RING_NAME_LENGTH } from '../limits.ts';

/** Best first; the number of `sealwright.v1.CallerRank` is the index + 1. */
export const RANKS = ['session', 'signed', 'mtls', 'peer'] as const;
export type Rank = (typeof RANKS)[number];

export const PAYLOAD_KINDS = ['digest', 'message'] as const;
export type PayloadKind = (typeof PAYLOAD_KINDS)[number];

/** The scope of a ring, immutable from its birth. */
export interface RingScope {
  readonly name: string;
  readonly algorithm: AlgorithmName;
  readonly residency: Residency;
  readonly payloadKind: PayloadKind;
  /** Largest payload, bytes; for `digest` what the algorithm says anyway. */
  readonly maxBytes: number;
  readonly lowestRank: Rank;
}

export interface RingLimits {
  readonly callerPerSecond: number | undefined;
  readonly ringPerSecond: number | undefined;
}

/** A ring as one version of the policy has it. */
export interface PolicyRing extends RingScope {
  /** Why a ring below `signed` is wanted, in the approvers' words (PROTOCOLS §8). */
  readonly acceptHostAsserted: string | undefined;
  /** Names of the callers that may sign. */
  readonly callers: ReadonlySet<string>;
  readonly limits: RingLimits;
}

export const RING_NAME = new RegExp(`^[a-z0-9][a-z0-9-]{0,${String(MAX_RING_NAME_LENGTH - 1)}}$`);
const REASON_TEXT = /^[\x20-\x7e]{1,200}$/;

export function rankNumber(rank: Rank): number {
  return RANKS.indexOf(rank) + 1;
}

/** Ranks below `signed` rest on the host's word. */
export function isHostAsserted(rank: Rank): boolean {
  return rank === 'mtls' || rank === 'peer';
}

/** Members of the scope in which two rings of one name differ; undefined when there is none. */
export function scopeDifference(a: RingScope, b: RingScope): keyof RingScope | undefined {
  const members = ['algorithm', 'residency', 'payloadKind', 'maxBytes', 'lowestRank'] as const;
  return members.find((member) => a[member] !== b[member]);
}

export function parseRing(reader: ObjectReader, maxCallers: number): PolicyRing {
  const name = reader.string('name', RING_NAME);
  const { algorithm, residency } = parseAlgorithm(reader);
  const { payloadKind, maxBytes } = parsePayload(reader, algorithm);
  const lowestRank = reader.has('lowestRank') ? reader.oneOf('lowestRank', RANKS) : 'session';
  const acceptHostAsserted = reader.has('acceptHostAsserted')
    ? reader.string('acceptHostAsserted', REASON_TEXT)
    : undefined;
  if (isHostAsserted(lowestRank) !== (acceptHostAsserted !== undefined)) {
    reader.problem('acceptHostAsserted', 'required for ranks mtls and peer, and only for them');
  }
  const callers = reader.strings('callers', CALLER_NAME, maxCallers);
  if (new Set(callers).size < callers.length) reader.problem('callers', 'one stands twice');
  const limits = parseLimits(reader);
  reader.end();
  return {
    name,
    algorithm,
    residency,
    payloadKind,
    maxBytes,
    lowestRank,
    acceptHostAsserted,
    callers: new Set(callers),
    limits,
  };
}

/** Names of callers, admins, roots. */
export const CALLER_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

function parseAlgorithm(reader: ObjectReader): Pick<RingScope, 'algorithm' | 'residency'> {
  const word = reader.string('algorithm', /^[A-Za-z0-9-]{1,16}$/);
  const residency = reader.oneOf('residency', ['hsm', 'enclave']);
  if (!isAlgorithmName(word)) {
    reader.problem('algorithm', 'not a known algorithm');
    return { algorithm: 'ES256', residency };
  }
  const { residencies } = algorithmRow(word);
  if (!residencies.includes(residency)) {
    reader.problem('residency', `${word} has residency ${residencies.join(' or ')} only`);
  }
  return { algorithm: word, residency };
}

function parsePayload(
  reader: ObjectReader,
  algorithm: AlgorithmName,
): Pick<RingScope, 'payloadKind' | 'maxBytes'> {
  const payload = reader.object('payload');
  const payloadKind = payload.oneOf('kind', PAYLOAD_KINDS);
  const row = algorithmRow(algorithm);
  let maxBytes = MAX_MESSAGE_BYTES;
  if (payloadKind === 'message') {
    if (payload.has('maxBytes')) maxBytes = payload.integer('maxBytes', 1, MAX_MESSAGE_BYTES);
  } else if ('hash' in row) maxBytes = row.digestBytes;
  else reader.problem('payload/kind', `${algorithm} signs messages, not digests`);
  payload.end();
  return { payloadKind, maxBytes };
}

function parseLimits(reader: ObjectReader): RingLimits {
  if (!reader.has('limits')) return { callerPerSecond: undefined, ringPerSecond: undefined };
  const limits = reader.object('limits');
  const rate = (name: string): number | undefined =>
    limits.has(name) ? limits.integer(name, 1, MAX_RATE_PER_SECOND) : undefined;
  const parsed = {
    callerPerSecond: rate('callerPerSecond'),
    ringPerSecond: rate('ringPerSecond'),
  };
  limits.end();
  return parsed;
}
