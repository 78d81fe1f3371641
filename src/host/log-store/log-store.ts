/**
 * The host's copy of the log: answers the enclave's `log/…` calls. It decides nothing: the enclave checks
 * what it reads back, and readers verify every proof.
 */
import { Refusal } from '../../../enclave/wire/error-code.ts';
import { decodeMessage } from '../../../enclave/wire/decode-message.ts';
import {
  LogAppendRequest,
  LogAppendResponse,
  LogCheckpointRequest,
  LogCheckpointResponse,
  LogReadRequest,
  LogReadResponse,
  LogStateResponse,
} from '../../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { MAX_FRAME_BYTES, MAX_RESPONSE_BYTES } from '../../../enclave/wire/limits.ts';
import type { IncomingCall } from '../../../enclave/wire/link.ts';
import { LOG_METHODS } from '../../../enclave/wire/methods.ts';
import { Journal, JournalFull, openJournalFile, type JournalFile } from './journal.ts';

const MAX_READ_LEAVES = 4096;
const RESPONSE_ROOM_BYTES = 64 * 1024;

export class LogStore {
  readonly #journal: Journal;
  readonly #leaves: Uint8Array[];
  #sealedEdge: Uint8Array;
  #lastAppend: Uint8Array;
  #checkpoint = '';
  #appending: Promise<unknown> = Promise.resolve();

  private constructor(
    journal: Journal,
    leaves: Uint8Array[],
    sealedEdge: Uint8Array,
    lastAppend: Uint8Array,
  ) {
    this.#journal = journal;
    this.#leaves = leaves;
    this.#sealedEdge = sealedEdge;
    this.#lastAppend = lastAppend;
  }

  static async open(path: string, openFile = openJournalFile): Promise<LogStore> {
    const file: JournalFile = await openFile(path);
    const leaves: Uint8Array[] = [];
    let sealedEdge: Uint8Array = new Uint8Array(0);
    let last: Uint8Array = new Uint8Array(0);
    const journal = await Journal.recover(file, MAX_FRAME_BYTES, (payload) => {
      const append = LogAppendRequest.decode(payload);
      leaves.push(...append.leaves);
      sealedEdge = append.sealedEdge;
      last = payload;
    });
    return new LogStore(journal, leaves, sealedEdge, last);
  }

  /** The newest checkpoint that the enclave handed over; empty before the first. */
  get checkpoint(): string {
    return this.#checkpoint;
  }

  get size(): number {
    return this.#leaves.length;
  }

  /** Answers a call of the enclave. Throws or rejects with Refusal. */
  handle(call: IncomingCall): Uint8Array | Promise<Uint8Array> {
    switch (call.method) {
      case LOG_METHODS.append: {
        // The bytes outlive the frame.
        const body = Uint8Array.from(call.body);
        const done = this.#appending.then(() => this.#append(body));
        this.#appending = done.catch(() => undefined);
        return done;
      }
      case LOG_METHODS.state:
        return LogStateResponse.encode({
          size: BigInt(this.#leaves.length),
          sealedEdge: this.#sealedEdge,
        }).finish();
      case LOG_METHODS.read:
        return this.#read(decoded((input) => LogReadRequest.decode(input), call.body));
      case LOG_METHODS.checkpoint:
        this.#checkpoint = decoded(
          (input) => LogCheckpointRequest.decode(input),
          call.body,
        ).checkpoint;
        return LogCheckpointResponse.encode({}).finish();
      default:
        throw new Refusal('METHOD_UNKNOWN');
    }
  }

  async close(): Promise<void> {
    await this.#appending;
    await this.#journal.close();
  }

  async #append(body: Uint8Array): Promise<Uint8Array> {
    const append = decoded((input) => LogAppendRequest.decode(input), body);
    if (append.leaves.length === 0) throw new Refusal('REQUEST_MALFORMED');
    if (Number(append.firstIndex) !== this.#leaves.length) {
      // A retry of what became durable before the acknowledgement was lost.
      if (Buffer.compare(body, this.#lastAppend) !== 0) throw new Refusal('LOG_STORE_CONFLICT');
      return LogAppendResponse.encode({}).finish();
    }
    try {
      await this.#journal.append(body);
    } catch (error) {
      throw new Refusal(error instanceof JournalFull ? 'LOG_STORE_FULL' : 'LOG_STORE_FAILED');
    }
    this.#leaves.push(...append.leaves);
    this.#sealedEdge = append.sealedEdge;
    this.#lastAppend = body;
    return LogAppendResponse.encode({}).finish();
  }

  #read({ firstIndex, count }: LogReadRequest): Uint8Array {
    const first = Number(firstIndex);
    const leaves: Uint8Array[] = [];
    let bytes = 0;
    for (const leaf of this.#leaves.slice(first, first + Math.min(count, MAX_READ_LEAVES))) {
      bytes += leaf.byteLength + 8;
      if (bytes > MAX_RESPONSE_BYTES - RESPONSE_ROOM_BYTES) break;
      leaves.push(leaf);
    }
    return LogReadResponse.encode({ leaves }).finish();
  }
}

function decoded<T>(decode: Parameters<typeof decodeMessage<T>>[0], body: Uint8Array): T {
  try {
    return decodeMessage(decode, body);
  } catch {
    throw new Refusal('REQUEST_MALFORMED');
  }
}
