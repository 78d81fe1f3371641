/** Records (docs/spec/session.md, "Records"): header, sealing, and why one is refused. */
import { ByteReader, ByteWriter, LayoutError } from '../byte-cursor.ts';
import { equalBytes } from '../bytes.ts';
import { SESSION_ID_BYTES } from './accept-message.ts';
import { TAG_BYTES, type Aead } from './aead.ts';
import { RECORD_BUCKETS } from './padding.ts';

const RECORD_VERSION = 1;
export const HEADER_BYTES = 1 + 1 + SESSION_ID_BYTES + 8;
export const MIN_RECORD_BYTES = HEADER_BYTES + RECORD_BUCKETS.smallest + TAG_BYTES;
export const MAX_RECORD_BYTES = HEADER_BYTES + RECORD_BUCKETS.largest + TAG_BYTES;

export const TO_ENCLAVE = 0;
export const TO_CLIENT = 1;
export type Direction = typeof TO_ENCLAVE | typeof TO_CLIENT;

/** Which rule of "What a receiver checks" was broken; `used-up` is the sender's own. */
export type RecordRule =
  | 'length'
  | 'version'
  | 'direction'
  | 'session'
  | 'sequence'
  | 'aead'
  | 'content'
  | 'replayed'
  | 'too-old'
  | 'stream-open'
  | 'streams'
  | 'stream-closed'
  | 'stream-order'
  | 'stream-changed'
  | 'in-reply-to'
  | 'truncated'
  | 'used-up';

/** Thrown for a record that is not accepted; what it was meant for is as before. */
export class RecordRefused extends Error {
  override readonly name = 'RecordRefused';
  readonly rule: RecordRule;
  constructor(rule: RecordRule) {
    super(rule);
    this.rule = rule;
  }
}

/** One direction of a session, for both its ends. */
export interface RecordKey {
  readonly aead: Aead;
  readonly direction: Direction;
  readonly sessionId: Uint8Array;
  readonly maxRecords: number;
}

/** What a record has around its content. */
export const RECORD_ROOM = { before: HEADER_BYTES, after: TAG_BYTES } as const;

/** One for all: whoever seals or opens with it is done before the next one asks. */
const nonce = new Uint8Array(12);

function nonceOf(seq: number): Uint8Array {
  return new ByteWriter(nonce).u32(0).u64(seq).out;
}

/** Numbers and seals what is sent in one direction. */
export class RecordSealer {
  readonly #key: RecordKey;
  #next = 0;

  constructor(key: RecordKey) {
    this.#key = key;
  }

  /** The number that the next record will have. */
  get next(): number {
    return this.#next;
  }

  /**
   * Makes the next record of a padded content that stands in RECORD_ROOM, where it is. Throws RecordRefused `used-up` when
   * all numbers are: the session is over.
   */
  seal(record: Uint8Array<ArrayBuffer>): Uint8Array {
    const { aead, direction, sessionId, maxRecords } = this.#key;
    const seq = this.#next;
    if (seq >= maxRecords) throw new RecordRefused('used-up');
    this.#next += 1;
    new ByteWriter(record).u8(RECORD_VERSION).u8(direction).bytes(sessionId).u64(seq);
    const header = record.subarray(0, HEADER_BYTES);
    const content = record.subarray(HEADER_BYTES, record.byteLength - TAG_BYTES);
    aead.seal(nonceOf(seq), header, content, record.subarray(HEADER_BYTES));
    return record;
  }
}

/** The session that a record says it belongs to; undefined for what is too short. Authenticates nothing. */
export function untrustedSessionId(record: Uint8Array): Uint8Array | undefined {
  if (record.byteLength < MIN_RECORD_BYTES) return undefined;
  return record.subarray(2, 2 + SESSION_ID_BYTES);
}

/**
 * Content and number of a record that the other end sealed. Whether it came before is not known here. Throws
 * RecordRefused.
 */
export function openRecord(
  { aead, direction, sessionId, maxRecords }: RecordKey,
  record: Uint8Array,
): { readonly seq: number; readonly content: Uint8Array } {
  if (record.byteLength < MIN_RECORD_BYTES || record.byteLength > MAX_RECORD_BYTES) {
    throw new RecordRefused('length');
  }
  const reader = new ByteReader(record);
  if (reader.u8() !== RECORD_VERSION) throw new RecordRefused('version');
  if (reader.u8() !== direction) throw new RecordRefused('direction');
  if (!equalBytes(reader.bytes(SESSION_ID_BYTES), sessionId)) throw new RecordRefused('session');
  const seq = readSequence(reader);
  if (seq === undefined || seq >= maxRecords) throw new RecordRefused('sequence');
  const header = record.subarray(0, HEADER_BYTES);
  const content = aead.open(nonceOf(seq), header, record.subarray(HEADER_BYTES));
  if (content === undefined) throw new RecordRefused('aead');
  return { seq, content };
}

function readSequence(reader: ByteReader): number | undefined {
  try {
    return reader.safeU64();
  } catch (error) {
    if (error instanceof LayoutError) return undefined;
    throw error;
  }
}

/** What `parse` makes of a content. Throws RecordRefused `content`. */
export function parseContent<T>(parse: (content: Uint8Array) => T, content: Uint8Array): T {
  try {
    return parse(content);
  } catch (error) {
    if (error instanceof LayoutError) throw new RecordRefused('content');
    throw error;
  }
}
