/**
 * The sealed state of a cluster: root key, index, records. Every change goes records → index (durable)
 * → anchor → effect (PROTOCOLS §5); a record's store key carries its version, so that a crash between
 * records and index leaves what the old index names.
 */
import type {
  Anchor,
  AnchorValue,
  Entropy,
  HostStore,
  PlatformIdentity,
  StoreRecord,
} from '../ports.ts';
import { equalBytes } from '../wire/bytes.ts';
import { MAX_RESPONSE_BYTES } from '../wire/limits.ts';
import { SignedJsonError } from '../wire/signed-json.ts';
import { sha256 } from './kdf.ts';
import { Halt } from './lifecycle.ts';
import { seal, SealError, typeKey, unseal, type RecordName } from './sealing.ts';
import {
  encodeClusterHint,
  encodeIndex,
  recordKey,
  type IndexEntry,
  type RecordType,
  type StateIndex,
} from './state-index.ts';

export const INDEX_KEY = 'index';
export const HINT_KEY = 'cluster';

// Half a frame, so that one more record of the largest size still fits.
const PUT_CHUNK_BYTES = MAX_RESPONSE_BYTES / 2;
// The largest policy, the largest manifest and as many keys of the largest kind stay below an answer of 4 MiB.
const GET_CHUNK_KEYS = 64;

export function storeKey(name: RecordName): string {
  return `${recordKey(name)}.${String(name.version)}`;
}

/** A record to be written with a change. `key` replaces the key of its type (boot, root). */
export interface RecordWrite {
  readonly type: RecordType;
  readonly id: string;
  readonly plaintext: Uint8Array;
  readonly key?: Uint8Array;
}

/** What a change sets besides epoch, predecessor and records. */
export type IndexFields = Pick<
  StateIndex,
  | 'instanceId'
  | 'timeMarkMs'
  | 'policyVersion'
  | 'policyDigest'
  | 'policyAppliedAtMs'
  | 'adminSequence'
  | 'adminDigest'
  | 'svn'
  | 'logSize'
  | 'logRoot'
  | 'logEdge'
>;

export interface StateContext {
  readonly store: HostStore;
  readonly anchor: Anchor;
  readonly entropy: Entropy;
  readonly platform: PlatformIdentity;
}

export class SealedState {
  readonly clusterId: Uint8Array;
  readonly #context: StateContext;
  readonly #rootKey: Uint8Array;
  #index: StateIndex | undefined;
  #indexDigest: Uint8Array;
  #changing = false;
  #failure: { readonly error: unknown } | undefined;
  #turns: Promise<unknown> = Promise.resolve();

  /** `index` and `indexDigest` are those of the state that was opened; undefined at genesis. */
  constructor(
    context: StateContext,
    clusterId: Uint8Array,
    rootKey: Uint8Array,
    opened?: { readonly index: StateIndex; readonly digest: Uint8Array },
  ) {
    this.clusterId = clusterId;
    this.#context = context;
    this.#rootKey = rootKey;
    this.#index = opened?.index;
    this.#indexDigest = opened?.digest ?? new Uint8Array(32);
  }

  get index(): StateIndex {
    if (this.#index === undefined) throw new Halt('INVARIANT_BROKEN', { what: 'no index yet' });
    return this.#index;
  }

  get nextEpoch(): bigint {
    return (this.#index?.epoch ?? 0n) + 1n;
  }

  /** Key of a type of record. */
  keyOf(type: string): Uint8Array {
    return typeKey(this.#rootKey, this.clusterId, type);
  }

  /** Seals records that are not in the index: the log's edge, which the index names by its root. */
  sealer(type: string): (version: bigint, plaintext: Uint8Array) => Uint8Array {
    // Once: this is done for each append to the log.
    const key = this.keyOf(type);
    return (version, plaintext) => this.#seal(key, { type, id: '', version }, plaintext);
  }

  /** Opens the records that the index names. Throws Halt by name for a missing, foreign or damaged one. */
  async read(entries: readonly IndexEntry[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const opened = new Map<string, Uint8Array>();
    for (let at = 0; at < entries.length; at += GET_CHUNK_KEYS) {
      const chunk = entries.slice(at, at + GET_CHUNK_KEYS);
      const found = await this.#context.store.get(chunk.map(storeKey));
      for (const entry of chunk) {
        const sealed = checkedAgainst(entry, found.get(storeKey(entry)));
        opened.set(recordKey(entry), this.#open(entry, sealed));
      }
    }
    return opened;
  }

  #open(entry: IndexEntry, sealed: Uint8Array): Uint8Array {
    try {
      return unseal(this.keyOf(entry.type), this.clusterId, entry, sealed);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      throw new Halt('SEALED_HANDLE_REJECTED', { record: recordKey(entry) });
    }
  }

  /**
   * Runs `task` when nothing else changes the state: what it reads of the index holds until it ends. In the order in
   * which they came; one that fails does not keep the next from its turn.
   */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turns.then(task);
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  /**
   * One state change, made in turn with the others. Resolves when records, index and anchor are durable: only then may
   * effects follow. Any exception must halt the enclave: whether the change happened is then unknown, so none follows it.
   */
  async change(fields: IndexFields, writes: readonly RecordWrite[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#changing) throw new Halt('INVARIANT_BROKEN', { what: 'two state changes at once' });
    this.#changing = true;
    try {
      await this.#change(fields, writes);
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      this.#changing = false;
    }
  }

  async #change(fields: IndexFields, writes: readonly RecordWrite[]): Promise<void> {
    const { store, anchor, platform } = this.#context;
    const entries = new Map(this.#index?.records.map((entry) => [recordKey(entry), entry]));
    const records: StoreRecord[] = [];
    const superseded: string[] = [];
    for (const write of writes) {
      const old = entries.get(recordKey(write));
      if (old !== undefined) superseded.push(storeKey(old));
      const name = { type: write.type, id: write.id, version: (old?.version ?? 0n) + 1n };
      const value = this.#seal(write.key ?? this.keyOf(write.type), name, write.plaintext);
      entries.set(recordKey(name), { ...name, digest: sha256(value) });
      records.push({ key: storeKey(name), value });
    }
    const index: StateIndex = {
      ...fields,
      clusterId: this.clusterId,
      epoch: this.nextEpoch,
      previous: this.#indexDigest,
      records: [...entries.values()].sort((a, b) => (recordKey(a) < recordKey(b) ? -1 : 1)),
    };
    const name = { type: INDEX_KEY, id: '', version: index.epoch };
    const sealedIndex = this.#seal(this.keyOf(INDEX_KEY), name, encodeIndex(index));
    const hint = encodeClusterHint({
      clusterId: this.clusterId,
      bootVersion: entries.get('boot')?.version ?? 0n,
      rootVersion: entries.get('root')?.version ?? 0n,
      sealedBy: { measurements: platform.measurements, platformId: platform.platformId },
    });
    for (const chunk of chunked(records)) await store.put(chunk, []);
    await store.put(
      [
        { key: INDEX_KEY, value: sealedIndex },
        { key: HINT_KEY, value: hint },
      ],
      superseded,
    );
    const indexDigest = sha256(sealedIndex);
    await anchor.write(anchorValue(index, indexDigest));
    this.#index = index;
    this.#indexDigest = indexDigest;
  }

  #seal(key: Uint8Array, name: RecordName, plaintext: Uint8Array): Uint8Array {
    return seal(key, this.clusterId, name, plaintext, this.#context.entropy);
  }
}

/** What the anchor holds of an index. */
export function anchorValue(index: StateIndex, indexDigest: Uint8Array): AnchorValue {
  const { clusterId, epoch, logRoot, instanceId } = index;
  return { clusterId, epoch, indexDigest, logSize: BigInt(index.logSize), logRoot, instanceId };
}

/** The record is there and has the digest that the index names, else Halt. */
export function checkedAgainst(entry: IndexEntry, sealed: Uint8Array | undefined): Uint8Array {
  const record = recordKey(entry);
  if (sealed === undefined) throw new Halt('STATE_MISSING', { record });
  if (!equalBytes(sha256(sealed), entry.digest)) throw new Halt('STATE_DAMAGED', { record });
  return sealed;
}

/** Runs a parser over the plaintext of a record that opened: what does not parse is damage. */
export function parsedRecord<T>(record: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SignedJsonError) && !(error instanceof RangeError)) throw error;
    throw new Halt('STATE_DAMAGED', { record });
  }
}

function* chunked(records: readonly StoreRecord[]): Generator<StoreRecord[]> {
  let chunk: StoreRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    if (chunk.length > 0 && bytes + record.value.byteLength > PUT_CHUNK_BYTES) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(record);
    bytes += record.value.byteLength;
  }
  if (chunk.length > 0) yield chunk;
}
