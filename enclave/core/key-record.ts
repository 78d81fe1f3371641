/**
 * The sealed key handle: the record of one key version (DESIGN §6). For residency `hsm` it names the
 * token object, for `enclave` it carries the PKCS#8, sealed once more under the version's own HSM
 * secret, so that destroying that secret destroys the key in every backup (PROTOCOLS §4).
 */
import { ALGORITHMS, isAlgorithmName, type AlgorithmName } from '../wire/algorithm.ts';
import { fromHex, toHex } from '../wire/bytes.ts';
import { canonicalize, parseSignedJson } from '../wire/signed-json.ts';
import { ObjectReader } from '../wire/closed-schema.ts';
import { MAX_MESSAGE_BYTES } from '../wire/limits.ts';
import {
  PAYLOAD_KINDS,
  RANKS,
  RING_NAME,
  type PayloadKind,
  type Rank,
  type RingScope,
} from '../wire/policy/ring.ts';
import { KEY_STATES, type KeyState } from './key-state.ts';

export interface KeyRecord {
  readonly ring: string;
  readonly version: number;
  /** The rest of the ring's scope as it was at birth, so that no later policy gives the key another (DESIGN §7). */
  readonly algorithm: AlgorithmName;
  readonly payloadKind: PayloadKind;
  readonly maxBytes: number;
  readonly lowestRank: Rank;
  readonly state: KeyState;
  readonly createdAtMs: number;
  /** Epoch of the state change that bore the key: part of the label of its token object. */
  readonly birthEpoch: bigint;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** CKA_ID of the private key (hsm) or of the version's own secret (enclave). */
  readonly tokenObjectId: Uint8Array;
  /** residency `enclave`: the sealed PKCS#8; undefined for `hsm`. */
  readonly sealedPrivateKey: Uint8Array | undefined;
}

/** Of the ring whose key this is. */
export function scopeOf(record: KeyRecord): RingScope {
  const { ring: name, algorithm, payloadKind, maxBytes, lowestRank } = record;
  const residency = record.sealedPrivateKey === undefined ? 'hsm' : 'enclave';
  return { name, algorithm, residency, payloadKind, maxBytes, lowestRank };
}

/** Id of the record in the index. */
export function keyRecordId(ring: string, version: number): string {
  return `${ring}/${String(version)}`;
}

/** CKA_LABEL of the token object of a key version. */
export function keyObjectLabel(ring: string, version: number, birthEpoch: bigint): string {
  return `sealwright/key/${ring}/${String(version)}/${String(birthEpoch)}`;
}

/** CKA_LABEL of the HSM secret that opens the root record. */
export function rootSecretLabel(generation: number, birthEpoch: bigint): string {
  return `sealwright/root/${String(generation)}/${String(birthEpoch)}`;
}

/** Birth epoch in a label of ours; undefined for labels that are not. */
export function birthEpochOf(objectLabel: string): bigint | undefined {
  const match = /^sealwright\/(?:key\/[a-z0-9-]+|root)\/\d{1,10}\/(\d{1,16})$/.exec(objectLabel);
  return match?.[1] === undefined ? undefined : BigInt(match[1]);
}

export function encodeKeyRecord(record: KeyRecord): Uint8Array {
  return canonicalize({
    v: 1,
    ring: record.ring,
    version: record.version,
    algorithm: record.algorithm,
    payloadKind: record.payloadKind,
    maxBytes: record.maxBytes,
    lowestRank: record.lowestRank,
    state: record.state,
    createdAtMs: record.createdAtMs,
    birthEpoch: Number(record.birthEpoch),
    publicKey: toHex(record.publicKey),
    tokenObjectId: toHex(record.tokenObjectId),
    ...(record.sealedPrivateKey === undefined
      ? {}
      : { sealedPrivateKey: toHex(record.sealedPrivateKey) }),
  });
}

const HEX_BYTES = /^(?:[0-9a-f]{2}){1,16384}$/;

/** Throws SignedJsonError. */
export function parseKeyRecord(bytes: Uint8Array): KeyRecord {
  const reader = new ObjectReader(parseSignedJson(bytes));
  reader.integer('v', 1, 1);
  const algorithm = reader.oneOf('algorithm', Object.keys(ALGORITHMS));
  if (!isAlgorithmName(algorithm)) return reader.fail('algorithm', 'not a known algorithm');
  const record: KeyRecord = {
    ring: reader.string('ring', RING_NAME),
    version: reader.integer('version', 1, 0xffff_ffff),
    algorithm,
    payloadKind: reader.oneOf('payloadKind', PAYLOAD_KINDS),
    maxBytes: reader.integer('maxBytes', 1, MAX_MESSAGE_BYTES),
    lowestRank: reader.oneOf('lowestRank', RANKS),
    state: reader.oneOf('state', KEY_STATES),
    createdAtMs: reader.integer('createdAtMs', 0),
    birthEpoch: BigInt(reader.integer('birthEpoch', 1)),
    publicKey: fromHex(reader.string('publicKey', HEX_BYTES)),
    tokenObjectId: reader.hex('tokenObjectId', 16),
    sealedPrivateKey: reader.has('sealedPrivateKey')
      ? fromHex(reader.string('sealedPrivateKey', HEX_BYTES))
      : undefined,
  };
  reader.end();
  return record;
}
