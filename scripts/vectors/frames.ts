// Vectors of docs/spec/frames.md. The protobuf encoding is written out here by hand.
import { fixedBytes, hex, vector, type VectorCase, type VectorFile } from '../vector-file.ts';

const bytes = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

function varint(value: bigint): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    const low = Number(rest & 0x7fn);
    if (rest < 0x80n) return [...out, low];
    out.push(low | 0x80);
  }
}

/** Field of wire type 0. */
const number = (field: number, value: bigint | number): Uint8Array =>
  bytes(varint(BigInt(field << 3)), varint(BigInt(value)));

/** Field of wire type 2. */
const blob = (field: number, value: Uint8Array): Uint8Array =>
  bytes(varint(BigInt((field << 3) | 2)), varint(BigInt(value.byteLength)), value);

const text = (field: number, value: string): Uint8Array => blob(field, Buffer.from(value));

function framed(body: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + body.byteLength);
  new DataView(out.buffer).setUint32(0, body.byteLength);
  out.set(body, 4);
  return out;
}

const REQUEST = 1;
const RESPONSE = 2;
const CANCEL = 3;

const head = (streamId: bigint | number, kind: number): Uint8Array =>
  bytes(number(1, 1), number(2, streamId), number(3, kind));

const SIGN = '/sealwright.v1.SigningService/Sign';
const certificate = fixedBytes('certificate', 24);
const request = bytes(
  head(1, REQUEST),
  text(4, SIGN),
  blob(5, fixedBytes('body', 8)),
  number(6, 2500),
);

function acceptedCases(): VectorCase[] {
  const empty = { method: '', body: '', timeoutMs: 0, code: 0, details: [] };
  return [
    vector('request', 'a call without a caller', { bytes: hex(framed(request)) }, 'accept', {
      ...empty,
      streamId: '1',
      kind: REQUEST,
      method: SIGN,
      body: hex(fixedBytes('body', 8)),
      timeoutMs: 2500,
    }),
    vector(
      'request-mtls',
      'the host says who called',
      { bytes: hex(framed(bytes(request, blob(7, bytes(number(1, 3), blob(2, certificate)))))) },
      'accept',
      {
        ...empty,
        streamId: '1',
        kind: REQUEST,
        method: SIGN,
        body: hex(fixedBytes('body', 8)),
        timeoutMs: 2500,
        untrustedCaller: { rank: 3, certificates: [hex(certificate)], socket: '' },
      },
    ),
    vector(
      'response',
      'success',
      { bytes: hex(framed(bytes(head(7, RESPONSE), blob(5, Uint8Array.of(1, 2))))) },
      'accept',
      {
        ...empty,
        streamId: '7',
        kind: RESPONSE,
        body: '0102',
      },
    ),
    vector(
      'response-empty',
      'success without a body',
      { bytes: hex(framed(head(7, RESPONSE))) },
      'accept',
      {
        ...empty,
        streamId: '7',
        kind: RESPONSE,
      },
    ),
    vector(
      'refusal',
      'DIGEST_LENGTH_MISMATCH with two details',
      {
        bytes: hex(
          framed(
            bytes(
              head(2, RESPONSE),
              number(8, 500),
              blob(9, bytes(text(1, 'expectedBytes'), text(2, '32'))),
              blob(9, bytes(text(1, 'actualBytes'), text(2, '31'))),
            ),
          ),
        ),
      },
      'accept',
      {
        ...empty,
        streamId: '2',
        kind: RESPONSE,
        code: 500,
        details: [
          { key: 'expectedBytes', value: '32' },
          { key: 'actualBytes', value: '31' },
        ],
      },
    ),
    vector(
      'cancel',
      'the caller stopped waiting',
      { bytes: hex(framed(head(3, CANCEL))) },
      'accept',
      {
        ...empty,
        streamId: '3',
        kind: CANCEL,
      },
    ),
    vector(
      'largest-stream-id',
      '2^64 - 1',
      { bytes: hex(framed(head(0xffff_ffff_ffff_ffffn, CANCEL))) },
      'accept',
      { ...empty, streamId: '18446744073709551615', kind: CANCEL },
    ),
  ];
}

const refused = (id: string, comment: string, message: Uint8Array, rule: string): VectorCase =>
  vector(id, comment, { bytes: hex(message) }, rule);

function refusedCases(): VectorCase[] {
  const length = (value: number): Uint8Array => {
    const out = new Uint8Array(4);
    new DataView(out.buffer).setUint32(0, value);
    return out;
  };
  return [
    refused('length-zero', 'an empty message', length(0), 'LENGTH'),
    refused(
      'length-above',
      'one byte above the limit: refused before anything of it is kept',
      length(4_259_841),
      'LENGTH',
    ),
    refused('length-largest', 'all ones', length(0xffff_ffff), 'LENGTH'),
    refused('version-0', 'no version', framed(bytes(number(2, 1), number(3, REQUEST))), 'VERSION'),
    refused(
      'version-2',
      'a later version',
      framed(bytes(number(1, 2), number(2, 1), number(3, REQUEST))),
      'VERSION',
    ),
    refused(
      'stream-id-0',
      'no stream id',
      framed(bytes(number(1, 1), number(3, REQUEST))),
      'STREAM_ID',
    ),
    refused('not-protobuf', 'a tag of field 0', framed(Uint8Array.of(0x00, 0x01)), 'PROTOBUF'),
    refused(
      'field-beyond-end',
      'a body longer than the message',
      framed(bytes(head(1, REQUEST), [0x2a, 0x05, 0x01])),
      'PROTOBUF',
    ),
    refused(
      'varint-without-end',
      'a number that does not end',
      framed(bytes(head(1, REQUEST), [0x30, 0xff])),
      'PROTOBUF',
    ),
    refused('zero-tag', 'bytes after a zero tag', framed(bytes(request, [0x00, 0xaa])), 'PROTOBUF'),
    refused(
      'end-of-no-group',
      'the end of a group that never began',
      framed(bytes(request, [0x0c])),
      'PROTOBUF',
    ),
    refused('wire-type-7', 'a wire type that is none', framed(bytes(request, [0x7f])), 'PROTOBUF'),
    refused('group', 'a group, whole and empty', framed(bytes(request, [0x7b, 0x7c])), 'PROTOBUF'),
    refused(
      'zero-tag-in-caller',
      'a rank after a zero tag, inside the caller',
      framed(bytes(request, blob(7, bytes([0x00], number(1, 4))))),
      'PROTOBUF',
    ),
    refused(
      'zero-tag-in-detail',
      'a value after a zero tag, inside a detail',
      framed(bytes(head(2, RESPONSE), number(8, 500), blob(9, bytes([0x00], text(2, '32'))))),
      'PROTOBUF',
    ),
    refused(
      'caller-beyond-end',
      'a certificate that is longer than the caller it is in: the frame goes on where it ends',
      framed(bytes(request, [0x3a, 0x02, 0x12, 0x04], number(1, 1), number(6, 9))),
      'PROTOBUF',
    ),
    refused(
      'number-beyond-caller',
      'a rank whose last byte lies behind the caller',
      framed(bytes(request, [0x3a, 0x02, 0x08, 0x83], [0x00])),
      'PROTOBUF',
    ),
    vector('truncated-prefix', 'three bytes of a length', { bytes: '000000' }, 'INCOMPLETE'),
    vector(
      'truncated',
      'the last byte is missing',
      { bytes: hex(framed(request).subarray(0, -1)) },
      'INCOMPLETE',
    ),
  ];
}

/** What a fresh link that has opened one call of its own makes of a sequence of frames. */
function linkCases(): VectorCase[] {
  const call = (streamId: number): Uint8Array =>
    framed(bytes(head(streamId, REQUEST), text(4, SIGN)));
  const sequence = (
    id: string,
    comment: string,
    rule: string,
    ...frames: readonly Uint8Array[]
  ): VectorCase => vector(id, comment, { bytes: hex(bytes(...frames)) }, rule, undefined, ['link']);
  const answer = (streamId: number): Uint8Array => framed(head(streamId, RESPONSE));
  return [
    sequence('link-increasing', 'numbers may leave gaps', 'accept', call(1), call(5), call(6)),
    sequence('link-replayed', 'a number twice', 'ORDER', call(1), call(1)),
    sequence('link-reordered', 'a smaller number later', 'ORDER', call(5), call(4)),
    sequence('link-answer', 'the answer to the one call', 'accept', answer(1)),
    sequence(
      'link-answer-twice',
      'the second answer has nobody who waits',
      'accept',
      answer(1),
      answer(1),
    ),
    sequence('link-never-asked', 'an answer to a call never made', 'NEVER_ASKED', answer(2)),
    sequence('link-cancel-unknown', 'a cancellation of no call', 'accept', framed(head(9, CANCEL))),
    sequence('link-kind-0', 'no kind', 'KIND', framed(bytes(number(1, 1), number(2, 1)))),
    sequence('link-kind-4', 'a later kind', 'KIND', framed(head(1, 4))),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [...acceptedCases(), ...refusedCases(), ...linkCases()];
  return [{ file: 'frames.json', content: { spec: 'docs/spec/frames.md', specVersion: 1, cases } }];
}
