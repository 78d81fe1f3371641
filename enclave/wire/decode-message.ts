/** Decoding of whole protobuf messages. */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** A generated decoder: `(input) => Message.decode(input)`. */
export type MessageDecoder<T> = (input: BinaryReader) => T;

/**
 * Runs a generated decoder over all of `bytes`. The generated code stops at a zero tag or at the end of
 * a group that never began, and says nothing: what follows would be in the bytes, and in nobody's
 * reading of them. So the fields are walked first. Throws for bytes that are no message. Does **not**
 * refuse unknown fields, nor look into the messages inside.
 */
export function decodeMessage<T>(decode: MessageDecoder<T>, bytes: Uint8Array): T {
  const walker = new BinaryReader(bytes);
  while (walker.pos < walker.len) {
    // Throws for field 0 and for wire types that are none.
    const [, wireType] = walker.tag();
    if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) {
      throw new RangeError('a group');
    }
    walker.skip(wireType);
  }
  return decode(new BinaryReader(bytes));
}
