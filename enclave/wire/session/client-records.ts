/** The client's end of the records of one session: requests out, responses in (docs/spec/session.md, "Records"). */
import type { SessionRecords } from './enclave-records.ts';
import { encodeRequest, parseResponse, type Call, type ResponseContent } from './record-content.ts';
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

/** A record for the enclave. */
export interface SentRequest {
  /** Names the call: `inReplyTo` of its responses. */
  readonly call: number;
  readonly record: Uint8Array;
}

interface OutgoingStream {
  readonly request: Call;
  readonly call: number;
  nextChannelSeq: number;
}

interface Unanswered {
  readonly channel: number;
  nextChannelSeq: number;
  lastSeq: number;
}

export class ClientRecords {
  readonly #incoming: RecordKey;
  readonly #sealer: RecordSealer;
  readonly #maxStreams: number;
  readonly #window = new ReplayWindow();
  /** By channel: streams whose `end` was not sent. */
  readonly #sending = new Map<number, OutgoingStream>();
  readonly #unanswered = new Map<number, Unanswered>();
  #lastChannel = 0;

  constructor({ sessionId, toEnclave, toClient, maxRecords, maxStreams }: SessionRecords) {
    this.#sealer = new RecordSealer({
      aead: toEnclave,
      direction: TO_ENCLAVE,
      sessionId,
      maxRecords,
    });
    this.#incoming = { aead: toClient, direction: TO_CLIENT, sessionId, maxRecords };
    this.#maxStreams = maxStreams;
  }

  /** Records that were sent: at `maxRecords` the session is over. */
  get sent(): number {
    return this.#sealer.next;
  }

  /** A unary call. Throws RecordRefused `used-up`; RangeError when it does not fit into one record. */
  unary(request: Call, body: Uint8Array): SentRequest {
    return this.#send(0, 0, request, true, body);
  }

  /** The first record of a stream on a channel of its own. Throws as `unary`, and RecordRefused `streams`. */
  begin(request: Call, body: Uint8Array, end = false): SentRequest & { readonly channel: number } {
    if (this.#sending.size >= this.#maxStreams) throw new RecordRefused('streams');
    const channel = this.#lastChannel + 1;
    const sent = this.#send(channel, 0, request, end, body);
    this.#lastChannel = channel;
    if (!end) this.#sending.set(channel, { request, call: sent.call, nextChannelSeq: 1 });
    return { ...sent, channel };
  }

  /** A later record of a stream. Throws as `unary`; RangeError for a stream that has ended. */
  next(channel: number, body: Uint8Array, end: boolean): SentRequest {
    const stream = this.#sending.get(channel);
    if (stream === undefined) throw new RangeError('no such stream is open');
    const { request, call, nextChannelSeq } = stream;
    const { record } = this.#send(channel, nextChannelSeq, request, end, body);
    stream.nextChannelSeq += 1;
    if (end) this.#sending.delete(channel);
    return { call, record };
  }

  #send(
    channel: number,
    channelSeq: number,
    { method, requestId, deadlineMs }: Call,
    end: boolean,
    body: Uint8Array,
  ): SentRequest {
    const content = { method, requestId, deadlineMs, channel, channelSeq, end, body };
    const call = this.#sealer.next;
    const record = this.#sealer.seal(encodeRequest(content, RECORD_ROOM));
    if (channelSeq === 0) {
      this.#unanswered.set(call, { channel, nextChannelSeq: 0, lastSeq: -1 });
    }
    return { call, record };
  }

  /** The response in a record, each once. Throws RecordRefused; then nothing has changed. */
  receive(record: Uint8Array): ResponseContent {
    const { seq, content } = openRecord(this.#incoming, record);
    const response = parseContent(parseResponse, content);
    const { inReplyTo, channel, channelSeq, end } = response;
    if (channelSeq === 0) this.#window.check(seq);
    const open = this.#unanswered.get(inReplyTo);
    if (open?.channel !== channel) throw new RecordRefused('in-reply-to');
    if (channelSeq !== open.nextChannelSeq || seq <= open.lastSeq) {
      throw new RecordRefused('stream-order');
    }
    if (channelSeq === 0) this.#window.accept(seq);
    open.nextChannelSeq += 1;
    open.lastSeq = seq;
    if (end) this.#unanswered.delete(inReplyTo);
    return response;
  }

  /**
   * The transport of a call ended, or nobody waits for it any more. Throws RecordRefused `truncated` when its last response
   * has not come: what came is a part. A stream that was still being sent is given up.
   */
  transportEnded(call: number): void {
    for (const [channel, stream] of this.#sending) {
      if (stream.call === call) this.#sending.delete(channel);
    }
    if (this.#unanswered.delete(call)) throw new RecordRefused('truncated');
  }
}
