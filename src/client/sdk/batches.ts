/** Requests in as few SignBatch calls as they fit in (docs/spec/log.md "Batches"). */
import { MAX_BATCH_ITEMS, MAX_BATCH_REQUEST_BYTES } from '../../../enclave/wire/limits.ts';
import { SignRequest } from '../../gen/sealwright/v1/signing.ts';

/** Field number and length before each item. */
const ITEM_OVERHEAD_BYTES = 8;

/** In order; none is empty. */
export function* batchesOf<Item extends { readonly request: SignRequest }>(
  items: Iterable<Item>,
): Generator<readonly Item[]> {
  let batch: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = SignRequest.encode(item.request).finish().byteLength + ITEM_OVERHEAD_BYTES;
    if (batch.length === MAX_BATCH_ITEMS || bytes + size > MAX_BATCH_REQUEST_BYTES) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
