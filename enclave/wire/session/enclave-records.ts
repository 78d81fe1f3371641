/** The enclave's end of the records of one session: requests in, responses out (docs/spec/session.md, "Records"). */
import { equalBytes } from '../bytes.ts';
import type { Aead } from './aead.ts';
import {
  encodeResponse,
  parseRequest,
  SUCCESS,
  type Call,
  type RequestContent,
  type Status,
} from './record-content.ts';
import {
  openRecord,
  parseContent,
  RECORD_ROOM,
  RecordRefused,
  RecordSealer,
  TO_CLIENT,
  TO_ENCLAVE,
  type RecordKey,
} from './record.ts';
import { ReplayWindow } from './replay-window.ts';

export interface SessionRecords {
  readonly sessionId: Uint8Array;
  readonly toEnclave: Aead;
  readonly toClient: Aead;
  readonly maxRecords: number;
  readonly maxStreams: number;
}

export interface ReceivedRequest extends RequestContent {
  /** Names the call in `answer`: number of the record, or of the first one of its stream. */
  readonly call: number;
}

/** A response record, as the enclave's own code says it. */
export interface Answer {
  readonly end: boolean;
  readonly status?: Status;
  readonly body: Uint8Array;
}

interface OpenStream {
  readonly first: Call & { readonly call: number };
  nextChannelSeq: number;
  lastSeq: number;
}

interface Unanswered {
  readonly channel: number;
  nextChannelSeq: number;
}

export class EnclaveRecords {
  readonly #incoming: RecordKey;
  readonly #sealer: RecordSealer;
  readonly #maxStreams: number;
  readonly #window = new ReplayWindow();
  /** By channel: streams whose `end` has not come. */
  readonly #streams = new Map<number, OpenStream>();
  readonly #unanswered = new Map<number, Unanswered>();

  constructor({ sessionId, toEnclave, toClient, maxRecords, maxStreams }: SessionRecords) {
    this.#incoming = { aead: toEnclave, direction: TO_ENCLAVE, sessionId, maxRecords };
    this.#sealer = new RecordSealer({
      aead: toClient,
      direction: TO_CLIENT,
      sessionId,
      maxRecords,
    });
    this.#maxStreams = maxStreams;
  }

  /** The request in a record, each once. Throws RecordRefused; then nothing has changed. */
  receive(record: Uint8Array): ReceivedRequest {
    const { seq, content } = openRecord(this.#incoming, record);
    const request = parseContent(parseRequest, content);
    const { channel, channelSeq } = request;
    const call = channelSeq === 0 ? this.#begin(seq, request) : this.#continue(seq, request);
    if (request.end) this.#streams.delete(channel);
    return { ...request, call };
  }

  #begin(seq: number, { channel, method, requestId, deadlineMs }: RequestContent): number {
    this.#window.check(seq);
    if (channel !== 0) {
      if (this.#streams.has(channel)) throw new RecordRefused('stream-open');
      if (this.#streams.size >= this.#maxStreams) throw new RecordRefused('streams');
      const first = { method, requestId: Uint8Array.from(requestId), deadlineMs, call: seq };
      this.#streams.set(channel, { first, nextChannelSeq: 1, lastSeq: seq });
    }
    this.#window.accept(seq);
    this.#unanswered.set(seq, { channel, nextChannelSeq: 0 });
    return seq;
  }

  #continue(seq: number, request: RequestContent): number {
    const stream = this.#streams.get(request.channel);
    if (stream === undefined) throw new RecordRefused('stream-closed');
    if (request.channelSeq !== stream.nextChannelSeq || seq <= stream.lastSeq) {
      throw new RecordRefused('stream-order');
    }
    const { first } = stream;
    const same =
      request.method === first.method &&
      request.deadlineMs === first.deadlineMs &&
      equalBytes(request.requestId, first.requestId);
    if (!same) throw new RecordRefused('stream-changed');
    stream.nextChannelSeq += 1;
    stream.lastSeq = seq;
    return first.call;
  }

  /**
   * No more records of this channel are waited for. Throws RecordRefused `truncated` when the last one had no `end`: what
   * came is a part, the stream is closed, and nobody is answered.
   */
  transportEnded(channel: number): void {
    const stream = this.#streams.get(channel);
    if (stream === undefined) return;
    this.#streams.delete(channel);
    this.#unanswered.delete(stream.first.call);
    throw new RecordRefused('truncated');
  }

  /**
   * The next response record of a call. Throws RecordRefused `used-up`; RangeError for a body that does not fit, and for a call that is
   * answered already, which is a mistake of the enclave's own.
   */
  answer(call: number, { end, status = SUCCESS, body }: Answer): Uint8Array {
    const open = this.#unanswered.get(call);
    if (open === undefined) throw new RangeError('no such call is open');
    const { channel, nextChannelSeq: channelSeq } = open;
    if (channel === 0 && !end) throw new RangeError('a unary call has one response');
    const content = { inReplyTo: call, channel, channelSeq, end, status, body };
    const record = this.#sealer.seal(encodeResponse(content, RECORD_ROOM));
    open.nextChannelSeq += 1;
    if (end) this.#unanswered.delete(call);
    return record;
  }
}
