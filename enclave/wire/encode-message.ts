/** Encoding of whole protobuf messages on hot paths. */
import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A generated message. */
export interface MessageEncoder<T> {
  encode(message: T, writer: BinaryWriter): BinaryWriter;
}

/** What one large message leaves behind in memory is not kept. */
const MAX_KEPT_BYTES = 256 * 1024;

/** Kept from message to message: a new one grows in steps, which costs more than all the rest of the encoding. */
let writer = new BinaryWriter();

/**
 * Runs a generated encoder. The bytes are a copy of their own, behind `prefixBytes` zero bytes; what was encoded
 * stays in memory a while longer, so this is for what leaves the process anyway, not for secrets.
 */
export function encodeMessage<T>(type: MessageEncoder<T>, message: T, prefixBytes = 0): Uint8Array {
  try {
    for (let i = 0; i < prefixBytes; i += 1) writer.uint32(0);
    const bytes = type.encode(message, writer).finish();
    if (bytes.byteLength > MAX_KEPT_BYTES) writer = new BinaryWriter();
    return bytes;
  } catch (error) {
    // Half of a message stands in it.
    writer = new BinaryWriter();
    throw error;
  }
}
