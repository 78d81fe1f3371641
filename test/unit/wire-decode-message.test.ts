/** What a decoder of ours reads is all that is in the bytes, also inside: callers' requests and the host's answers. */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../enclave/wire/bytes.ts';
import { decodeMessage } from '../../enclave/wire/decode-message.ts';
import { LogReadResponse } from '../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { StoreGetResponse } from '../../enclave/wire/gen/sealwright/enclave/v1/store.ts';
import { SignRequest } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { MAX_MESSAGE_FIELDS } from '../../enclave/wire/limits.ts';
import { signRequest } from '../support/fakes/world.ts';

const SIGN = signRequest('release', { message: utf8('message') });
const PAYLOAD = 0x1a;

function written(write: (writer: BinaryWriter) => unknown): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

const decodeSign = (bytes: Uint8Array): SignRequest =>
  decodeMessage((input) => SignRequest.decode(input), bytes);

const inPayload = (...bytes: readonly number[]): Uint8Array =>
  concatBytes(
    SIGN,
    written((w) => w.uint32(PAYLOAD).bytes(Uint8Array.from(bytes))),
  );

describe('a message', () => {
  test('is what its encoder made', () => {
    expect(decodeSign(SIGN)).toMatchObject({
      ring: 'release',
      payload: { $case: 'message', value: { message: utf8('message') } },
    });
  });

  test.each([
    ['a zero tag', inPayload(0, 10, 1, 65)],
    ['a zero tag at its end', inPayload(10, 1, 65, 0)],
    ['the end of a group', inPayload(12)],
    ['a group', inPayload(11, 12)],
    ['field 0', inPayload(2, 0)],
    ['wire type 6', inPayload(14)],
    ['wire type 7', inPayload(15)],
    ['bytes that are cut', inPayload(10, 5, 65)],
    ['a number without an end', inPayload(8, 0x80)],
  ])('is refused for %s inside it', (_, bytes) => {
    expect(() => decodeSign(bytes)).toThrow(Error);
  });

  test('is refused when one inside it takes bytes of what follows', () => {
    // A payload of two bytes, with a message of six: four of them are the field behind it.
    const bytes = concatBytes(
      SIGN,
      Uint8Array.of(PAYLOAD, 2, 10, 6),
      written((w) => w.uint32(0x7a).string('ab')),
    );
    expect(() => decodeSign(bytes)).toThrow(RangeError);
  });

  test('keeps what a later release may add, also inside', () => {
    const later = concatBytes(inPayload(10, 1, 65, 0x78, 1), Uint8Array.of(0x78, 1));
    const { payload } = decodeSign(later);
    expect(payload).toMatchObject({ value: { message: utf8('A') } });
  });
});

describe('fields', () => {
  const empty = (tag: number, count: number): Uint8Array =>
    new Uint8Array(2 * count).map((_, i) => (i % 2 === 0 ? tag : 0));

  test.each([
    [
      'records of the store',
      (bytes: Uint8Array) =>
        decodeMessage((input) => StoreGetResponse.decode(input), bytes).records,
    ],
    [
      'leaves of the log',
      (bytes: Uint8Array) => decodeMessage((input) => LogReadResponse.decode(input), bytes).leaves,
    ],
  ])('of %s are bounded', (_, decode) => {
    expect(decode(empty(10, MAX_MESSAGE_FIELDS))).toHaveLength(MAX_MESSAGE_FIELDS);
    expect(() => decode(empty(10, MAX_MESSAGE_FIELDS + 1))).toThrow(RangeError);
  });
});
