import type { BinaryWriter } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../../enclave/wire/encode-message.ts';
import { LogReadResponse } from '../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';

const message = (...lengths: readonly number[]): LogReadResponse => ({
  leaves: lengths.map((length) => new Uint8Array(length).fill(length)),
});
const alone = (value: LogReadResponse): Uint8Array => LogReadResponse.encode(value).finish();

/** Writes half of a message, then breaks. */
const breaking = {
  encode: (_value: unknown, writer: BinaryWriter): BinaryWriter => {
    writer.uint32(10).bytes(new Uint8Array(50));
    throw new RangeError('broken');
  },
};

describe('an encoded message', () => {
  test.each([[[]], [[1]], [[300, 0, 7]], [[600_000]], [[5]]])(
    'of leaves of %j bytes is what a writer of its own writes',
    (lengths) => {
      const value = message(...lengths);
      expect(Buffer.compare(encodeMessage(LogReadResponse, value), alone(value))).toBe(0);
    },
  );

  test('stands behind zeros where it was asked for', () => {
    const bytes = encodeMessage(LogReadResponse, message(3), 4);
    expect(bytes.subarray(0, 4)).toEqual(new Uint8Array(4));
    expect(bytes.subarray(4)).toEqual(alone(message(3)));
  });

  test('has bytes of its own: the next one does not change it', () => {
    const first = encodeMessage(LogReadResponse, message(9));
    const copy = Uint8Array.from(first);
    encodeMessage(LogReadResponse, message(200));
    expect(first).toEqual(copy);
    expect(first.buffer.byteLength).toBe(first.byteLength);
  });

  test('has nothing of one that broke before it', () => {
    expect(() => encodeMessage(breaking, {}, 2)).toThrow('broken');
    expect(encodeMessage(LogReadResponse, message(3))).toEqual(alone(message(3)));
  });
});
