/**
 * The policy document: which rings exist and what they sign (docs/spec/policy.md). Parsed by hand and
 * strictly; a ring that could never work is refused here, with its place.
 */
import {
  algorithmRow,
  isAlgorithmName,
  type AlgorithmName,
  type Residency,
} from '../wire/algorithm.ts';
import { MAX_RINGS, MAX_RING_NAME_LENGTH } from '../wire/limits.ts';
import type { ObjectReader } from '../wire/closed-schema.ts';

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
  readonly lowestRank: Rank;
  /** Why a ring below `signed` is wanted, in the approvers' words (PROTOCOLS §8). */
  readonly acceptHostAsserted: string | undefined;
}

export interface Policy {
  readonly version: number;
  readonly rings: readonly RingScope[];
}

const RING_NAME = new RegExp(`^[a-z0-9][a-z0-9-]{0,${String(MAX_RING_NAME_LENGTH - 1)}}$`);
const REASON_TEXT = /^[\x20-\x7e]{1,200}$/;

export function rankNumber(rank: Rank): number {
  return RANKS.indexOf(rank) + 1;
}

/** Ranks below `signed` rest on the host's word. */
export function isHostAsserted(rank: Rank): boolean {
  return rank === 'mtls' || rank === 'peer';
}

/** Throws SignedJsonError with the place of the first problem. */
export function parsePolicy(reader: ObjectReader): Policy {
  reader.integer('v', 1, 1);
  reader.oneOf('kind', ['policy']);
  const version = reader.integer('version', 1);
  const rings = reader.objects('rings', MAX_RINGS).map(parseRing);
  const seen = new Set<string>();
  for (const [i, ring] of rings.entries()) {
    if (seen.has(ring.name))
      reader.fail(`rings/${String(i)}/name`, `ring ${ring.name} stands twice`);
    seen.add(ring.name);
  }
  reader.end();
  return { version, rings };
}

function parseRing(reader: ObjectReader): RingScope {
  const name = reader.string('name', RING_NAME);
  const algorithm = reader.string('algorithm', /^[A-Za-z0-9-]{1,16}$/);
  if (!isAlgorithmName(algorithm)) return reader.fail('algorithm', 'not a known algorithm');
  const row = algorithmRow(algorithm);
  const residency = reader.oneOf('residency', ['hsm', 'enclave']);
  if (!row.residencies.includes(residency)) {
    reader.fail('residency', `${algorithm} has residency ${row.residencies.join(' or ')} only`);
  }
  const payload = reader.object('payload');
  const payloadKind = payload.oneOf('kind', PAYLOAD_KINDS);
  payload.end();
  if (payloadKind === 'digest' && !('hash' in row)) {
    reader.fail('payload/kind', `${algorithm} signs messages, not digests`);
  }
  const lowestRank = reader.has('lowestRank') ? reader.oneOf('lowestRank', RANKS) : 'session';
  const acceptHostAsserted = reader.has('acceptHostAsserted')
    ? reader.string('acceptHostAsserted', REASON_TEXT)
    : undefined;
  if (isHostAsserted(lowestRank) !== (acceptHostAsserted !== undefined)) {
    reader.fail('acceptHostAsserted', 'required for ranks mtls and peer, and only for them');
  }
  reader.end();
  return { name, algorithm, residency, payloadKind, lowestRank, acceptHostAsserted };
}
