/**
 * The host's store over the link. A host that dies in between is waited for: every request names the
 * same bytes under the same keys, so that asking again is harmless.
 */
import { decodeMessage, type MessageDecoder } from '../wire/decode-message.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  StoreGetRequest,
  StoreGetResponse,
  StoreListRequest,
  StoreListResponse,
  StorePutRequest,
  StorePutResponse,
} from '../wire/gen/sealwright/enclave/v1/store.ts';
import { STORE_DEADLINE_MS } from '../wire/limits.ts';
import { LinkClosed } from '../wire/link.ts';
import { STORE_METHODS } from '../wire/methods.ts';
import type { HostStore, StoreRecord } from '../ports.ts';
import type { LinkServer } from './link-server.ts';

/** Tries of one request against a store that answers STORE_UNAVAILABLE, DEADLINE_EXCEEDED and the like. */
const ATTEMPTS = 5;
const PAUSE_MS = 200;

export class LinkHostStore implements HostStore {
  readonly #links: Pick<LinkServer, 'current'>;

  constructor(links: Pick<LinkServer, 'current'>) {
    this.#links = links;
  }

  async get(keys: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const body = StoreGetRequest.encode({ keys: [...keys] }).finish();
    const answer = await this.#call(STORE_METHODS.get, body, (input) =>
      StoreGetResponse.decode(input),
    );
    // Copies: the records outlive the frame.
    return new Map(answer.records.map(({ key, value }) => [key, Uint8Array.from(value)]));
  }

  async put(records: readonly StoreRecord[], remove: readonly string[]): Promise<void> {
    const body = StorePutRequest.encode({ records: [...records], remove: [...remove] }).finish();
    await this.#call(STORE_METHODS.put, body, (input) => StorePutResponse.decode(input));
  }

  async list(prefix: string): Promise<readonly string[]> {
    const body = StoreListRequest.encode({ prefix }).finish();
    const answer = await this.#call(STORE_METHODS.list, body, (input) =>
      StoreListResponse.decode(input),
    );
    return answer.keys;
  }

  async #call<T>(method: string, body: Uint8Array, decode: MessageDecoder<T>): Promise<T> {
    for (let attempt = 1; ;) {
      const link = await this.#links.current();
      try {
        const answer = await link.call(method, body, { timeoutMs: STORE_DEADLINE_MS });
        return decodeMessage(decode, answer);
      } catch (error) {
        if (error instanceof LinkClosed) continue;
        const refusal = error instanceof Refusal ? error : new Refusal('STORE_UNAVAILABLE');
        if (attempt >= ATTEMPTS) throw refusal;
        attempt += 1;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }
}
