/** What an honest host answers to its enclave, from a store and a log in memory. */
import { Refusal } from '../../../enclave/wire/error-code.ts';
import {
  LogAppendRequest,
  LogAppendResponse,
  LogCheckpointRequest,
  LogCheckpointResponse,
  LogReadRequest,
  LogReadResponse,
  LogStateResponse,
} from '../../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import {
  StoreGetRequest,
  StoreGetResponse,
  StoreListRequest,
  StoreListResponse,
  StorePutRequest,
  StorePutResponse,
} from '../../../enclave/wire/gen/sealwright/enclave/v1/store.ts';
import { LOG_METHODS, STORE_METHODS } from '../../../enclave/wire/methods.ts';
import { MemoryLogStore, type LogCopy } from '../fakes/memory-log-store.ts';
import { MemoryStore } from '../fakes/memory-store.ts';

/** Everything that lies on the disks of a host. */
export interface Disks {
  readonly records: ReadonlyMap<string, Uint8Array>;
  readonly log: LogCopy;
}

export class MemoryServices {
  readonly store = new MemoryStore();
  readonly log = new MemoryLogStore();

  snapshot(): Disks {
    return { records: this.store.snapshot(), log: this.log.snapshot() };
  }

  restore({ records, log }: Disks): void {
    this.store.restore(records);
    this.log.restore(log);
  }

  /** Rejects with Refusal. */
  async answer(method: string, body: Uint8Array): Promise<Uint8Array> {
    switch (method) {
      case STORE_METHODS.get: {
        const found = await this.store.get(StoreGetRequest.decode(body).keys);
        return storeRecords(found);
      }
      case STORE_METHODS.put: {
        const { records, remove } = StorePutRequest.decode(body);
        await this.store.put(records, remove);
        return StorePutResponse.encode({}).finish();
      }
      case STORE_METHODS.list: {
        const keys = await this.store.list(StoreListRequest.decode(body).prefix);
        return StoreListResponse.encode({ keys: [...keys] }).finish();
      }
      case LOG_METHODS.append: {
        const { firstIndex, leaves, sealedEdge } = LogAppendRequest.decode(body);
        await this.log.append(Number(firstIndex), leaves, sealedEdge, () => undefined);
        return LogAppendResponse.encode({}).finish();
      }
      case LOG_METHODS.state: {
        const { size, sealedEdge } = await this.log.state();
        return LogStateResponse.encode({ size: BigInt(size), sealedEdge }).finish();
      }
      case LOG_METHODS.read: {
        const { firstIndex, count } = LogReadRequest.decode(body);
        const leaves = await this.log.read(Number(firstIndex), count);
        return LogReadResponse.encode({ leaves: [...leaves] }).finish();
      }
      case LOG_METHODS.checkpoint: {
        this.log.publishCheckpoint(LogCheckpointRequest.decode(body).checkpoint);
        return LogCheckpointResponse.encode({}).finish();
      }
      default:
        throw new Refusal('METHOD_UNKNOWN');
    }
  }
}

/** Body of an answer to `store/get`. */
export function storeRecords(records: Iterable<readonly [string, Uint8Array]>): Uint8Array {
  return StoreGetResponse.encode({
    records: [...records].map(([key, value]) => ({ key, value })),
  }).finish();
}
