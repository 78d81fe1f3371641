/** What a record seals (docs/spec/session.md, "Records"). One content has one form. */
import { ByteReader, ByteWriter, LayoutError } from '../byte-cursor.ts';
import { utf8 } from '../bytes.ts';
import { MAX_DETAIL_LENGTH } from '../limits.ts';
import { paddedLength, readPadding, RECORD_BUCKETS } from './padding.ts';

export const REQUEST_ID_BYTES = 16;

/** Place of a record in its stream and direction. Channel 0 is for unary calls. */
export interface Place {
  /** u32. */
  readonly channel: number;
  /** u32, from 0. */
  readonly channelSeq: number;
  readonly end: boolean;
}

/** What all records of one call share. */
export interface Call {
  /** Full gRPC path. */
  readonly method: string;
  readonly requestId: Uint8Array;
  /** Milliseconds since the opening, 1 to 2^32 − 1. */
  readonly deadlineMs: number;
}

export interface RequestContent extends Call, Place {
  readonly body: Uint8Array;
}

/** Code 0 without details: success. */
export interface Status {
  readonly code: number;
  readonly details: readonly { readonly key: string; readonly value: string }[];
}

export const SUCCESS: Status = { code: 0, details: [] };

export interface ResponseContent extends Place {
  /** `seq` of the request, or of the first record of its stream. */
  readonly inReplyTo: number;
  readonly status: Status;
  readonly body: Uint8Array;
}

/** Zero bytes around a content: room for what makes a record of it, so that it is sealed where it stands. */
export interface Room {
  readonly before: number;
  readonly after: number;
}

const NO_ROOM: Room = { before: 0, after: 0 };

const METHOD = /^\/[A-Za-z0-9_.]+\/[A-Za-z0-9_]+$/;
const MAX_METHOD_LENGTH = 128;

/** A full gRPC path, at most 128 characters. Whether there is such a method is not known here. */
export function isMethodPath(text: string): boolean {
  return text.length <= MAX_METHOD_LENGTH && METHOD.test(text);
}

const DETAIL_KEY = /^[A-Za-z]{1,64}$/;
const MAX_DETAIL_KEY_LENGTH = 64;
const MAX_DETAILS = 16;
const PLACE_BYTES = 4 + 4 + 1;

function writerFor(contentBytes: number, { before, after }: Room): ByteWriter {
  const padded = paddedLength(contentBytes, RECORD_BUCKETS);
  return new ByteWriter(before + padded + after, before);
}

function writePlace(writer: ByteWriter, { channel, channelSeq, end }: Place): ByteWriter {
  return writer
    .u32(channel)
    .u32(channelSeq)
    .u8(end ? 1 : 0);
}

function readPlace(reader: ByteReader): Place {
  const channel = reader.u32();
  const channelSeq = reader.u32();
  const end = reader.u8();
  if (end > 1) throw new LayoutError('end is 0 or 1');
  if (channel === 0 && (channelSeq !== 0 || end !== 1)) {
    throw new LayoutError('a unary call has one record each way');
  }
  return { channel, channelSeq, end: end === 1 };
}

/** Largest body of a request of this method: what is left of the largest record. */
export function maxRequestBodyBytes(method: string): number {
  return (
    RECORD_BUCKETS.largest - (4 + utf8(method).byteLength + REQUEST_ID_BYTES + 4 + PLACE_BYTES + 4)
  );
}

/** Throws RangeError when it does not fit into one record. */
export function encodeRequest(content: RequestContent, room = NO_ROOM): Uint8Array<ArrayBuffer> {
  const method = utf8(content.method);
  const { requestId, deadlineMs, body } = content;
  const length = 4 + method.byteLength + REQUEST_ID_BYTES + 4 + PLACE_BYTES + 4 + body.byteLength;
  const writer = writerFor(length, room).lengthPrefixed(method).bytes(requestId).u32(deadlineMs);
  return writePlace(writer, content).lengthPrefixed(body).out;
}

/** Throws LayoutError. The members are views on `content`. */
export function parseRequest(content: Uint8Array): RequestContent {
  const reader = new ByteReader(content);
  const method = reader.text(1, MAX_METHOD_LENGTH);
  if (!isMethodPath(method)) throw new LayoutError('not a method');
  const requestId = reader.bytes(REQUEST_ID_BYTES);
  const deadlineMs = reader.u32();
  if (deadlineMs === 0) throw new LayoutError('no deadline');
  const place = readPlace(reader);
  const body = reader.lengthPrefixed(0, RECORD_BUCKETS.largest);
  readPadding(reader, content, RECORD_BUCKETS);
  return { method, requestId, deadlineMs, ...place, body };
}

function encodeStatus({ code, details }: Status): Uint8Array {
  const parts = details.map(({ key, value }) => ({ key: utf8(key), value: utf8(value) }));
  const length = parts.reduce(
    (sum, { key, value }) => sum + 4 + key.byteLength + 4 + value.byteLength,
    4 + 1,
  );
  const writer = new ByteWriter(length).u32(code).u8(parts.length);
  for (const { key, value } of parts) writer.lengthPrefixed(key).lengthPrefixed(value);
  return writer.out;
}

/** A character takes at most three bytes, or two units of UTF-16 take four. */
const MAX_DETAIL_BYTES = 3 * MAX_DETAIL_LENGTH;
const MAX_STATUS_BYTES = 5 + MAX_DETAILS * (8 + MAX_DETAIL_KEY_LENGTH + MAX_DETAIL_BYTES);

function parseStatus(bytes: Uint8Array): Status {
  const reader = new ByteReader(bytes);
  const code = reader.u32();
  const count = reader.u8();
  if (count > MAX_DETAILS) throw new LayoutError('number of details');
  const details = Array.from({ length: count }, () => ({
    key: reader.text(1, MAX_DETAIL_KEY_LENGTH),
    value: reader.text(0, MAX_DETAIL_BYTES),
  }));
  reader.end();
  const good = details.every(
    ({ key, value }, i) =>
      DETAIL_KEY.test(key) &&
      key > (details[i - 1]?.key ?? '') &&
      value.length <= MAX_DETAIL_LENGTH,
  );
  if (!good || (code === 0 && count > 0)) throw new LayoutError('details');
  return { code, details };
}

/** Largest body of a response that says nothing but success: what is left of the largest record. */
export const MAX_RESPONSE_BODY_BYTES = RECORD_BUCKETS.largest - (8 + PLACE_BYTES + 4 + 4 + 1 + 4);

/** `details` of a status may come in any order. Throws RangeError when it does not fit into one record. */
export function encodeResponse(content: ResponseContent, room = NO_ROOM): Uint8Array<ArrayBuffer> {
  const { inReplyTo, status, body } = content;
  const details = [...status.details].sort((a, b) => (a.key < b.key ? -1 : 1));
  const statusBytes = encodeStatus({ code: status.code, details });
  const length = 8 + PLACE_BYTES + 4 + statusBytes.byteLength + 4 + body.byteLength;
  const writer = writerFor(length, room).u64(inReplyTo);
  return writePlace(writer, content).lengthPrefixed(statusBytes).lengthPrefixed(body).out;
}

/** Throws LayoutError. The members are views on `content`. */
export function parseResponse(content: Uint8Array): ResponseContent {
  const reader = new ByteReader(content);
  const inReplyTo = reader.safeU64();
  const place = readPlace(reader);
  const status = parseStatus(reader.lengthPrefixed(5, MAX_STATUS_BYTES));
  const body = reader.lengthPrefixed(0, RECORD_BUCKETS.largest);
  readPadding(reader, content, RECORD_BUCKETS);
  if (status.code !== 0 && (!place.end || body.byteLength > 0)) {
    throw new LayoutError('a refusal ends its call and has no body');
  }
  return { inReplyTo, ...place, status, body };
}
