/** The host's copy of the log over the link. An append is retried byte-identical until it is acknowledged. */
import { decodeMessage, type MessageDecoder } from '../wire/decode-message.ts';
import { encodeMessage } from '../wire/encode-message.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  LogAppendRequest,
  LogAppendResponse,
  LogCheckpointRequest,
  LogReadRequest,
  LogReadResponse,
  LogStateRequest,
  LogStateResponse,
} from '../wire/gen/sealwright/enclave/v1/log_store.ts';
import { STORE_DEADLINE_MS } from '../wire/limits.ts';
import { LinkClosed } from '../wire/link.ts';
import { LOG_METHODS } from '../wire/methods.ts';
import type { LogState, LogStore } from '../ports.ts';
import type { LinkServer } from './link-server.ts';

const RETRY_PAUSE_MS = 100;
/** A host that restarts is back by then; longer, and callers are told. */
const STALL_MS = 1_500;

export class LinkLogStore implements LogStore {
  readonly #links: Pick<LinkServer, 'current'>;
  #unpublished: string | undefined;
  #publishing = false;

  constructor(links: Pick<LinkServer, 'current'>) {
    this.#links = links;
  }

  async append(
    firstIndex: number,
    leaves: readonly Uint8Array[],
    sealedEdge: Uint8Array,
    onStall: () => void,
  ): Promise<void> {
    // Encoded once: what is retried is the same bytes.
    const request = { firstIndex: BigInt(firstIndex), leaves, sealedEdge };
    const body = encodeMessage(LogAppendRequest, request);
    const stall = setTimeout(onStall, STALL_MS);
    try {
      const decode: MessageDecoder<LogAppendResponse> = (input) => LogAppendResponse.decode(input);
      await this.#retried(LOG_METHODS.append, body, decode, (refusal) => {
        if (refusal === 'LOG_STORE_FULL') onStall();
        return refusal !== 'LOG_STORE_FAILED' && refusal !== 'LOG_STORE_CONFLICT';
      });
    } finally {
      clearTimeout(stall);
    }
  }

  async state(): Promise<LogState> {
    const body = LogStateRequest.encode({}).finish();
    const decode: MessageDecoder<LogStateResponse> = (input) => LogStateResponse.decode(input);
    const answer = await this.#retried(LOG_METHODS.state, body, decode, retryUnavailable());
    const { size, sealedEdge } = answer;
    return { size: Number(size), sealedEdge: Uint8Array.from(sealedEdge) };
  }

  async read(firstIndex: number, count: number): Promise<readonly Uint8Array[]> {
    const body = LogReadRequest.encode({ firstIndex: BigInt(firstIndex), count }).finish();
    const decode: MessageDecoder<LogReadResponse> = (input) => LogReadResponse.decode(input);
    const { leaves } = await this.#retried(LOG_METHODS.read, body, decode, retryUnavailable());
    return leaves.map((leaf) => Uint8Array.from(leaf));
  }

  /** One at a time, the newest next: a host that is slow with them must not fill the link that appends need. */
  publishCheckpoint(checkpoint: string): void {
    this.#unpublished = checkpoint;
    if (this.#publishing) return;
    this.#publishing = true;
    void this.#publish();
  }

  async #publish(): Promise<void> {
    while (this.#unpublished !== undefined) {
      const link = await this.#links.current();
      const body = LogCheckpointRequest.encode({ checkpoint: this.#unpublished }).finish();
      this.#unpublished = undefined;
      // A convenience for readers: the next batch brings the next one.
      await link.call(LOG_METHODS.checkpoint, body).catch(() => undefined);
    }
    this.#publishing = false;
  }

  /** `again` decides over a refusal; a closed link is always waited out, because the next host may be honest. */
  async #retried<T>(
    method: string,
    body: Uint8Array,
    decode: MessageDecoder<T>,
    again: (refusal: string) => boolean,
  ): Promise<T> {
    for (;;) {
      const link = await this.#links.current();
      try {
        const answer = await link.call(method, body, { timeoutMs: STORE_DEADLINE_MS });
        return decodeMessage(decode, answer);
      } catch (error) {
        if (error instanceof LinkClosed) continue;
        // Bytes that are no answer: the host is no more there than one that refuses.
        const refusal = error instanceof Refusal ? error : new Refusal('STORE_UNAVAILABLE');
        if (!again(refusal.reason)) throw refusal;
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
      }
    }
  }
}

/** Reads give up after a while: boot halts by name then. */
function retryUnavailable(): (refusal: string) => boolean {
  let attempts = 10;
  return () => {
    attempts -= 1;
    return attempts > 0;
  };
}
