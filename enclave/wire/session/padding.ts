/** Contents are padded to powers of two (docs/spec/session.md, "Padding"): one content has one padded form. */
import { LayoutError, type ByteReader } from '../byte-cursor.ts';

export interface Buckets {
  /** Both powers of two. */
  readonly smallest: number;
  readonly largest: number;
}

/** Of what is sealed in Open and Accept: a chain of five usual certificates fits into 8 KiB. */
export const HANDSHAKE_BUCKETS: Buckets = { smallest: 4096, largest: 32 * 1024 };

/** Of what is sealed in records: a usual request fits into the smallest, the largest unary one into the largest. */
export const RECORD_BUCKETS: Buckets = { smallest: 256, largest: 64 * 1024 };

/** Length of the padded form. Throws RangeError when the content is larger than the largest. */
export function paddedLength(contentBytes: number, { smallest, largest }: Buckets): number {
  if (contentBytes > largest) throw new RangeError(`at most ${String(largest)} bytes fit`);
  let bucket = smallest;
  while (bucket < contentBytes) bucket *= 2;
  return bucket;
}

/** What is left must be the padding, and as short as it can be. Throws LayoutError. */
export function readPadding(reader: ByteReader, padded: Uint8Array, buckets: Buckets): void {
  const contentBytes = reader.at;
  if (
    padded.byteLength > buckets.largest ||
    padded.byteLength !== paddedLength(contentBytes, buckets)
  ) {
    throw new LayoutError('not the shortest padding');
  }
  for (let i = contentBytes; i < padded.byteLength; i += 1) {
    if (padded[i] !== 0) throw new LayoutError('padding is not zero');
  }
}
