/** Accept (docs/spec/session.md, "Accept"): what travels in the clear, and what is sealed in it. */
import { ByteReader, ByteWriter, LayoutError } from '../byte-cursor.ts';
import { utf8 } from '../bytes.ts';
import { MAX_REQUEST_BYTES, MAX_SESSION_RECORDS, MAX_SESSION_STREAMS } from '../limits.ts';
import { HANDSHAKE_VERSION, MAX_SESSION_CHECKPOINT_BYTES } from './open-message.ts';
import { HANDSHAKE_BUCKETS, paddedLength, readPadding } from './padding.ts';

export const SESSION_ID_BYTES = 16;

const MAX_PRINCIPAL_BYTES = 2048;

export interface AcceptMessage {
  readonly enc2: Uint8Array;
  readonly ct2: Uint8Array;
}

export function encodeAccept({ enc2, ct2 }: AcceptMessage): Uint8Array {
  return new ByteWriter(1 + 4 + enc2.byteLength + 4 + ct2.byteLength)
    .u8(HANDSHAKE_VERSION)
    .lengthPrefixed(enc2)
    .lengthPrefixed(ct2).out;
}

/** Throws LayoutError. The members are copies. */
export function parseAccept(message: Uint8Array): AcceptMessage {
  if (message.byteLength > MAX_REQUEST_BYTES) throw new LayoutError('larger than the limit');
  const reader = new ByteReader(Uint8Array.from(message));
  if (reader.u8() !== HANDSHAKE_VERSION) throw new LayoutError('another version');
  const enc2 = reader.lengthPrefixed(1, MAX_REQUEST_BYTES);
  const ct2 = reader.lengthPrefixed(1, MAX_REQUEST_BYTES);
  reader.end();
  return { enc2, ct2 };
}

/** What the enclave says of a session. Times are its own, ms since the Unix epoch. */
export interface SessionFacts {
  readonly sessionId: Uint8Array;
  readonly principal: string;
  readonly notAfterMs: number;
  readonly policyVersion: number;
  readonly enclaveTimeMs: number;
  /** A signed note; empty while the log has none. */
  readonly checkpoint: Uint8Array;
  /** Records a direction. */
  readonly maxRecords: number;
  /** Streams open at once. */
  readonly maxStreams: number;
}

/** What Accept seals. Throws RangeError when a member is too large for it. */
export function encodeAcceptContent(facts: SessionFacts): Uint8Array {
  const principal = utf8(facts.principal);
  if (principal.byteLength < 1 || principal.byteLength > MAX_PRINCIPAL_BYTES) {
    throw new RangeError(`a principal has 1 to ${String(MAX_PRINCIPAL_BYTES)} bytes`);
  }
  const { checkpoint } = facts;
  const length =
    SESSION_ID_BYTES + 4 + principal.byteLength + 8 + 8 + 8 + 4 + checkpoint.byteLength + 4 + 4;
  return new ByteWriter(paddedLength(length, HANDSHAKE_BUCKETS))
    .bytes(facts.sessionId)
    .lengthPrefixed(principal)
    .u64(facts.notAfterMs)
    .u64(facts.policyVersion)
    .u64(facts.enclaveTimeMs)
    .lengthPrefixed(checkpoint)
    .u32(facts.maxRecords)
    .u32(facts.maxStreams).out;
}

/** Throws LayoutError. */
export function parseAcceptContent(content: Uint8Array): SessionFacts {
  const reader = new ByteReader(content);
  const facts = {
    sessionId: reader.bytes(SESSION_ID_BYTES),
    principal: reader.text(1, MAX_PRINCIPAL_BYTES),
    notAfterMs: reader.safeU64(),
    policyVersion: reader.safeU64(),
    enclaveTimeMs: reader.safeU64(),
    checkpoint: reader.lengthPrefixed(0, MAX_SESSION_CHECKPOINT_BYTES),
    maxRecords: reader.u32(),
    maxStreams: reader.u32(),
  };
  readPadding(reader, content, HANDSHAKE_BUCKETS);
  const fits =
    facts.notAfterMs > facts.enclaveTimeMs &&
    facts.maxRecords >= 1 &&
    facts.maxRecords <= MAX_SESSION_RECORDS &&
    facts.maxStreams >= 1 &&
    facts.maxStreams <= MAX_SESSION_STREAMS;
  if (!fits) throw new LayoutError('a number out of bounds');
  return facts;
}
