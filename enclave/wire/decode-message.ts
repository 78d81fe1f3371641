/**
 * Decoding of whole protobuf messages. What ts-proto generates stops without a word at a zero tag and at the
 * end of a group, and lets a message inside run past its length: what follows would be in the bytes, and in
 * nobody's reading of them, or in two. `scripts/generate-proto.ts` puts the checks of this file there instead,
 * into every message, whoever decodes it.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { MAX_MESSAGE_FIELDS } from './limits.ts';

/** A generated decoder: `(input) => Message.decode(input)`. */
export type MessageDecoder<T> = (input: BinaryReader) => T;

const LENGTH_DELIMITED: number = WireType.LengthDelimited;
const BIT32: number = WireType.Bit32;

/** Counts the fields of a message and of those inside it. */
class CountingReader extends BinaryReader {
  #left = MAX_MESSAGE_FIELDS;

  takeField(): void {
    this.#left -= 1;
    if (this.#left < 0) throw new RangeError('too many fields');
  }
}

/** The tag of the next field. Throws for groups, field 0, and wire types that are none. */
export function fieldTag(reader: BinaryReader): number {
  if (reader instanceof CountingReader) reader.takeField();
  const tag = reader.uint32();
  const wireType = tag & 7;
  // 3 and 4 are groups.
  const known = wireType <= LENGTH_DELIMITED || wireType === BIT32;
  if (tag < 8 || !known) throw new RangeError('not a field');
  return tag;
}

/** A message ends where its length says. Throws when it was read past that. */
export function endOfMessage(reader: BinaryReader, end: number): void {
  if (reader.pos !== end) throw new RangeError('past the end');
}

/**
 * Runs a generated decoder over all of `bytes`, which somebody else wrote. Throws for bytes that are no message,
 * and for one of more fields than any of ours has. Does **not** refuse unknown fields.
 */
export function decodeMessage<T>(decode: MessageDecoder<T>, bytes: Uint8Array): T {
  return decode(new CountingReader(bytes));
}
