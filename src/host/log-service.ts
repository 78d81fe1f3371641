/**
 * LogService, answered by the host from its copy of the log: also when no enclave is there. What it serves is
 * verified by its readers; what it finds damaged it refuses by name.
 */
import {
  GetCheckpointResponse,
  GetConsistencyProofRequest,
  GetConsistencyProofResponse,
  GetEntriesRequest,
  GetEntriesResponse,
  GetInclusionProofRequest,
  GetInclusionProofResponse,
  LogServiceService,
} from '../gen/sealwright/v1/log.ts';
import { decodeMessage, type MessageDecoder } from '../../enclave/wire/decode-message.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { MAX_RESPONSE_BYTES } from '../../enclave/wire/limits.ts';
import { LogDamaged } from './log-store/log-damage.ts';
import { LogDiskFailed, codeOf } from './log-store/log-files.ts';
import type { LogStore } from './log-store/log-store.ts';
import type { KnownCheckpoint } from './log-store/served-checkpoint.ts';

const MAX_ENTRIES = 256;
/** Room for what protobuf adds to 256 leaves. */
const ENTRIES_BYTES = MAX_RESPONSE_BYTES - 64 * 1024;

/** Answers a request of this method. Rejects with Refusal. */
export type LocalMethod = (request: Uint8Array) => Promise<Uint8Array>;

/** The methods by their full paths. */
export function logMethods(store: LogStore): ReadonlyMap<string, LocalMethod> {
  const { getCheckpoint, getEntries, getInclusionProof, getConsistencyProof } = LogServiceService;
  const methods = {
    [getCheckpoint.path]: () => checkpointAnswer(store),
    [getEntries.path]: async (body) =>
      entriesAnswer(
        store,
        decoded((input) => GetEntriesRequest.decode(input), body),
      ),
    [getInclusionProof.path]: async (body) =>
      inclusionAnswer(
        store,
        decoded((input) => GetInclusionProofRequest.decode(input), body),
      ),
    [getConsistencyProof.path]: async (body) =>
      consistencyAnswer(
        store,
        decoded((input) => GetConsistencyProofRequest.decode(input), body),
      ),
  } satisfies Record<string, LocalMethod>;
  return new Map(
    Object.entries<LocalMethod>(methods).map(([path, answer]) => [path, refusing(store, answer)]),
  );
}

/** Turns what the copy throws into words for the caller, and tells the operator. */
function refusing(store: LogStore, answer: LocalMethod): LocalMethod {
  return async (request) => {
    try {
      return await answer(request);
    } catch (error) {
      if (error instanceof LogDamaged) store.report(error.damage);
      // An error of the system while reading is damage too, for whoever reads.
      const damaged =
        error instanceof LogDamaged || error instanceof LogDiskFailed || codeOf(error) === 'EIO';
      throw damaged ? new Refusal('LOG_DAMAGED') : error;
    }
  };
}

async function checkpointAnswer(store: LogStore): Promise<Uint8Array> {
  const { note } = await currentCheckpoint(store);
  return GetCheckpointResponse.encode({ checkpoint: note }).finish();
}

async function entriesAnswer(
  { copy }: LogStore,
  { first, count }: GetEntriesRequest,
): Promise<Uint8Array> {
  if (count < 1 || count > MAX_ENTRIES) {
    throw rangeInvalid('count', `1 to ${String(MAX_ENTRIES)}`, count);
  }
  // At the end there is nothing yet; behind it there is nothing to wait for.
  const from = within('first', first, 0, copy.size);
  const leaves = await copy.leaves(from, count, ENTRIES_BYTES);
  return GetEntriesResponse.encode({ leaves }).finish();
}

async function inclusionAnswer(
  store: LogStore,
  { index, treeSize }: GetInclusionProofRequest,
): Promise<Uint8Array> {
  const { copy } = store;
  const size = await sizeOr(store, 'tree_size', treeSize);
  const at = within('index', index, 0, size - 1);
  const [proof, [leaf]] = await Promise.all([
    copy.tree(size).inclusionProof(at),
    copy.leaves(at, 1, MAX_RESPONSE_BYTES),
  ]);
  return GetInclusionProofResponse.encode({
    treeSize: BigInt(size),
    proof,
    leaf: leaf ?? new Uint8Array(0),
  }).finish();
}

async function consistencyAnswer(
  store: LogStore,
  { oldSize, newSize }: GetConsistencyProofRequest,
): Promise<Uint8Array> {
  const size = await sizeOr(store, 'new_size', newSize);
  const old = within('old_size', oldSize, 1, size);
  const proof = await store.copy.tree(size).consistencyProof(old);
  return GetConsistencyProofResponse.encode({ newSize: BigInt(size), proof }).finish();
}

/** A size that was asked for may be larger than the checkpoint's: a receipt can be newer than what is served. */
async function sizeOr(store: LogStore, field: string, asked: bigint): Promise<number> {
  if (asked === 0n) return (await currentCheckpoint(store)).size;
  return within(field, asked, 1, store.copy.size);
}

async function currentCheckpoint({ checkpoint }: LogStore): Promise<KnownCheckpoint> {
  const current = await checkpoint.current();
  // Before genesis there is no log; after it the enclave hands one over with each batch.
  if (current === undefined) throw new Refusal('ENCLAVE_NOT_READY');
  return current;
}

function within(field: string, value: bigint, min: number, max: number): number {
  if (value < BigInt(min) || value > BigInt(max)) {
    throw rangeInvalid(field, `${String(min)} to ${String(max)}`, value);
  }
  return Number(value);
}

function rangeInvalid(field: string, expected: string, actual: bigint | number): Refusal {
  return new Refusal('LOG_RANGE_INVALID', { field, expected, actual: String(actual) });
}

function decoded<T>(decode: MessageDecoder<T>, body: Uint8Array): T {
  try {
    return decodeMessage(decode, body);
  } catch {
    throw new Refusal('REQUEST_MALFORMED');
  }
}
