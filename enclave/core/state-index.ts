/**
 * The state index (PROTOCOLS §5, docs/spec/state-index.md): the one record that names all others. No
 * record is used whose digest the index does not name.
 */
import { fromHex, toHex } from '../wire/bytes.ts';
import { canonicalize, parseSignedJson } from '../wire/signed-json.ts';
import { MAX_PROOF_HASHES } from '../wire/tlog.ts';
import { ObjectReader } from '../wire/closed-schema.ts';
import type { RecordName } from './sealing.ts';

export interface IndexEntry extends RecordName {
  /** SHA-256 of the sealed bytes. */
  readonly digest: Uint8Array;
}

export interface StateIndex {
  readonly clusterId: Uint8Array;
  readonly epoch: bigint;
  /** SHA-256 of the sealed index before this one; 32 zero bytes at epoch 1. */
  readonly previous: Uint8Array;
  readonly instanceId: Uint8Array;
  /** Wall time of this state change: the mark that a later boot's clock is held against. */
  readonly timeMarkMs: number;
  readonly policyVersion: number;
  readonly policyDigest: Uint8Array;
  /** Wall time when that policy was applied. */
  readonly policyAppliedAtMs: number;
  /** Of the last emergency statement that was applied; 0 and 32 zero bytes when there was none. */
  readonly adminSequence: number;
  readonly adminDigest: Uint8Array;
  readonly svn: number;
  readonly logSize: number;
  readonly logRoot: Uint8Array;
  /** Roots of the complete subtrees of the log, largest first: all that is needed to go on (docs/spec/log.md). */
  readonly logEdge: readonly Uint8Array[];
  readonly records: readonly IndexEntry[];
}

/** Types of records. The index itself has type `index` and is not in its own list. */
export const RECORD_TYPES = [
  'boot',
  'root',
  'genesis',
  'policy',
  'log-key',
  'so-pin',
  'key',
] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

/** The longest entry takes some 220 bytes, and the index must stay a record of at most 1 MiB. */
export const MAX_RECORDS = 4096;
const RECORD_ID = /^[a-z0-9/-]{0,100}$/;

export function recordKey(name: Pick<RecordName, 'type' | 'id'>): string {
  return name.id === '' ? name.type : `${name.type}/${name.id}`;
}

/** Throws RangeError for more records than any boot would read. */
export function encodeIndex(index: StateIndex): Uint8Array {
  if (index.records.length > MAX_RECORDS) throw new RangeError('too many records');
  return canonicalize({
    v: 1,
    clusterId: toHex(index.clusterId),
    epoch: Number(index.epoch),
    previous: toHex(index.previous),
    instanceId: toHex(index.instanceId),
    timeMarkMs: index.timeMarkMs,
    policyVersion: index.policyVersion,
    policyDigest: toHex(index.policyDigest),
    policyAppliedAtMs: index.policyAppliedAtMs,
    adminSequence: index.adminSequence,
    adminDigest: toHex(index.adminDigest),
    svn: index.svn,
    logSize: index.logSize,
    logRoot: toHex(index.logRoot),
    logEdge: index.logEdge.map(toHex),
    records: index.records.map((entry) => ({
      type: entry.type,
      id: entry.id,
      version: Number(entry.version),
      digest: toHex(entry.digest),
    })),
  });
}

/** Throws SignedJsonError. Records must stand in order of their store key, none twice. */
export function parseIndex(bytes: Uint8Array): StateIndex {
  const reader = new ObjectReader(parseSignedJson(bytes));
  reader.integer('v', 1, 1);
  const index: StateIndex = {
    clusterId: reader.hex('clusterId', 32),
    epoch: BigInt(reader.integer('epoch', 1)),
    previous: reader.hex('previous', 32),
    instanceId: reader.hex('instanceId', 16),
    timeMarkMs: reader.integer('timeMarkMs', 0),
    policyVersion: reader.integer('policyVersion', 1),
    policyDigest: reader.hex('policyDigest', 32),
    policyAppliedAtMs: reader.integer('policyAppliedAtMs', 0),
    adminSequence: reader.integer('adminSequence', 0),
    adminDigest: reader.hex('adminDigest', 32),
    svn: reader.integer('svn', 0),
    logSize: reader.integer('logSize', 0),
    logRoot: reader.hex('logRoot', 32),
    logEdge: reader.strings('logEdge', /^[0-9a-f]{64}$/, MAX_PROOF_HASHES).map(fromHex),
    records: reader.objects('records', MAX_RECORDS).map(parseEntry),
  };
  reader.end();
  let last = '';
  for (const [i, entry] of index.records.entries()) {
    const key = recordKey(entry);
    if (key <= last) reader.fail(`records/${String(i)}`, 'out of order');
    last = key;
  }
  return index;
}

function parseEntry(reader: ObjectReader): IndexEntry {
  const entry = {
    type: reader.oneOf('type', RECORD_TYPES),
    id: reader.string('id', RECORD_ID),
    version: BigInt(reader.integer('version', 1)),
    digest: reader.hex('digest', 32),
  };
  reader.end();
  return entry;
}

/** What lies unsealed beside the sealed state, so that a refusal can name what changed. Hints, never believed. */
export interface ClusterHint {
  readonly clusterId: Uint8Array;
  /** Versions of the two records that must open before the index does. */
  readonly bootVersion: bigint;
  readonly rootVersion: bigint;
  readonly sealedBy: {
    readonly measurements: readonly [Uint8Array, Uint8Array, Uint8Array];
    readonly platformId: Uint8Array;
  };
}

export function encodeClusterHint(hint: ClusterHint): Uint8Array {
  const [mr0, mr1, mr2] = hint.sealedBy.measurements;
  return canonicalize({
    v: 1,
    clusterId: toHex(hint.clusterId),
    bootVersion: Number(hint.bootVersion),
    rootVersion: Number(hint.rootVersion),
    sealedBy: {
      mr0: toHex(mr0),
      mr1: toHex(mr1),
      mr2: toHex(mr2),
      platformId: toHex(hint.sealedBy.platformId),
    },
  });
}

/** Throws SignedJsonError. */
export function parseClusterHint(bytes: Uint8Array): ClusterHint {
  const reader = new ObjectReader(parseSignedJson(bytes));
  reader.integer('v', 1, 1);
  const clusterId = reader.hex('clusterId', 32);
  const bootVersion = BigInt(reader.integer('bootVersion', 1));
  const rootVersion = BigInt(reader.integer('rootVersion', 1));
  const sealedBy = reader.object('sealedBy');
  const hint = {
    clusterId,
    bootVersion,
    rootVersion,
    sealedBy: {
      measurements: [sealedBy.hex('mr0', 48), sealedBy.hex('mr1', 48), sealedBy.hex('mr2', 48)],
      platformId: sealedBy.hex('platformId', 32),
    },
  } as const;
  sealedBy.end();
  reader.end();
  return hint;
}

/** The boot record: how to reach the token (PROTOCOLS §4). */
export interface BootRecord {
  readonly userPin: Uint8Array;
  readonly tokenSerial: string;
  readonly tokenManufacturer: string;
  readonly tokenModel: string;
  /** CKA_ID of the HSM secret that opens the root record. */
  readonly rootSecretId: Uint8Array;
  readonly generation: number;
  readonly svn: number;
}

export function encodeBootRecord(record: BootRecord): Uint8Array {
  return canonicalize({
    v: 1,
    userPin: toHex(record.userPin),
    tokenSerial: record.tokenSerial,
    tokenManufacturer: record.tokenManufacturer,
    tokenModel: record.tokenModel,
    rootSecretId: toHex(record.rootSecretId),
    generation: record.generation,
    svn: record.svn,
  });
}

// CK_UTF8CHAR: what the token said at genesis must still parse at every boot.
const TOKEN_TEXT = /^\P{Cc}{0,64}$/u;

/** Throws SignedJsonError. */
export function parseBootRecord(bytes: Uint8Array): BootRecord {
  const reader = new ObjectReader(parseSignedJson(bytes));
  reader.integer('v', 1, 1);
  const record = {
    userPin: fromHex(reader.string('userPin', /^(?:[0-9a-f]{2}){4,64}$/)),
    tokenSerial: reader.string('tokenSerial', TOKEN_TEXT),
    tokenManufacturer: reader.string('tokenManufacturer', TOKEN_TEXT),
    tokenModel: reader.string('tokenModel', TOKEN_TEXT),
    rootSecretId: reader.hex('rootSecretId', 16),
    generation: reader.integer('generation', 1),
    svn: reader.integer('svn', 0),
  };
  reader.end();
  return record;
}
