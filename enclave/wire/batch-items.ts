/** Cuts a SignBatchRequest into its items, as they were sent: a request id is bound to the bytes of its item. */
import { WireType, type BinaryReader } from '@bufbuild/protobuf/wire';
import { endOfMessage, fieldTag } from './decode-message.ts';

/** `repeated SignRequest items = 1`. */
const ITEM = (1 << 3) | WireType.LengthDelimited;

/** To be run by `decodeMessage`. Views on the message; throws for bytes that are none. Does **not** look into the items. */
export function cutItems(reader: BinaryReader): Uint8Array[] {
  const items: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const at = reader.pos;
    if (fieldTag(reader) === ITEM) {
      items.push(reader.bytes());
      continue;
    }
    reader.pos = at;
    const [, wireType] = reader.tag();
    reader.skip(wireType);
  }
  endOfMessage(reader, reader.len);
  return items;
}
