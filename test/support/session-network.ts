/**
 * Sessions whose records travel over a network that loses, delays, repeats, reorders, changes, reflects and mixes them. It
 * knows what was sent, so it says of every delivery what the receiver must make of it.
 */
import { nodeAead } from '../../enclave/wire/session/node-aead.ts';
import { ClientRecords } from '../../enclave/wire/session/client-records.ts';
import { EnclaveRecords } from '../../enclave/wire/session/enclave-records.ts';
import { HEADER_BYTES } from '../../enclave/wire/session/record.ts';
import { CALL, recordRefusal } from './session-world.ts';

const MAX_STREAMS = 8;
const WINDOW = 4096;

/** What was sealed, by whom, as the sender meant it. */
interface Sent {
  readonly bytes: Uint8Array;
  readonly session: number;
  readonly toEnclave: boolean;
  readonly seq: number;
  readonly channel: number;
  readonly channelSeq: number;
  readonly end: boolean;
  /** Number of the call in its session. */
  readonly call: number;
}

/** What one end must remember, by the rules of docs/spec/session.md and in the simplest way. */
interface Expected {
  readonly accepted: Set<number>;
  largest: number;
  /** By channel at the enclave, by call at the client: the next `channelSeq`. */
  readonly open: Map<number, number>;
}

interface OwnStream {
  readonly channel: number;
  readonly call: number;
}

interface End {
  readonly expected: Expected;
  sent: number;
}

interface Pair {
  readonly client: ClientRecords;
  readonly enclave: EnclaveRecords;
  readonly atEnclave: End;
  readonly atClient: End;
  readonly streams: OwnStream[];
  /** Calls that the enclave has seen and not answered to the end: channel and next `channelSeq` of the answer. */
  readonly answering: Map<number, { channel: number; next: number }>;
  /** The next `channelSeq` that the client sends, by channel. */
  readonly sending: Map<number, number>;
}

function newPair(id: number): Pair {
  const ends = () => ({
    sessionId: new Uint8Array(16).fill(id),
    toEnclave: nodeAead(id % 2 === 0 ? 1 : 2, new Uint8Array(32).fill(2 * id)),
    toClient: nodeAead(id % 2 === 0 ? 1 : 2, new Uint8Array(32).fill(2 * id + 1)),
    maxRecords: 2 ** 24,
    maxStreams: MAX_STREAMS,
  });
  const end = (): End => ({
    expected: { accepted: new Set(), largest: -1, open: new Map() },
    sent: 0,
  });
  return {
    client: new ClientRecords(ends()),
    enclave: new EnclaveRecords(ends()),
    atEnclave: end(),
    atClient: end(),
    streams: [],
    answering: new Map(),
    sending: new Map(),
  };
}

export interface Counts {
  sealed: number;
  delivered: number;
  accepted: number;
  readonly refused: Record<string, number>;
}

/** What the receiver did, and what it had to do. */
export interface Verdict {
  readonly outcome: string;
  readonly must: string;
}

export class SessionNetwork {
  readonly counts: Counts = { sealed: 0, delivered: 0, accepted: 0, refused: {} };
  readonly #random: () => number;
  readonly #pairs: readonly Pair[];
  /** On the way, or held back. */
  readonly #waiting: Sent[] = [];
  /** Was delivered, may come again. */
  readonly #old: Sent[] = [];

  constructor(random: () => number, sessions: number) {
    this.#random = random;
    this.#pairs = Array.from({ length: sessions }, (_, i) => newPair(i + 1));
  }

  /** Something is sent, or something arrives. */
  step(): Verdict | undefined {
    // More is sent than comes, until the bag is full: some of it is lost, some comes very late.
    if (this.#random() < (this.#waiting.length < 64 ? 0.6 : 0.35)) {
      this.#send();
      return undefined;
    }
    return this.#deliver();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #send(): void {
    const session = this.#below(this.#pairs.length);
    const pair = this.#pairs[session];
    if (pair === undefined) return;
    const choice = this.#random();
    if (choice < 0.5) this.#request(session, pair);
    else this.#answer(session, pair);
  }

  #request(session: number, pair: Pair): void {
    const { client, streams } = pair;
    const choice = this.#random();
    const body = Uint8Array.of(session);
    const seq = client.sent;
    const end = this.#random() < 0.2;
    const stream = streams[this.#below(streams.length)];
    if (choice < 0.2 && streams.length < MAX_STREAMS) {
      const { record, channel, call } = client.begin(CALL, body, end);
      this.#sealed({
        bytes: record,
        session,
        toEnclave: true,
        seq,
        channel,
        channelSeq: 0,
        end,
        call,
      });
      if (!end) {
        streams.push({ channel, call });
        pair.sending.set(channel, 1);
      }
    } else if (choice < 0.6 && stream !== undefined) {
      const { channel, call } = stream;
      const channelSeq = pair.sending.get(channel) ?? 0;
      const { record } = client.next(channel, body, end);
      this.#sealed({
        bytes: record,
        session,
        toEnclave: true,
        seq,
        channel,
        channelSeq,
        end,
        call,
      });
      pair.sending.set(channel, channelSeq + 1);
      if (end) streams.splice(streams.indexOf(stream), 1);
    } else {
      const { record, call } = client.unary(CALL, body);
      const place = { channel: 0, channelSeq: 0, end: true };
      this.#sealed({ bytes: record, session, toEnclave: true, seq, ...place, call });
    }
  }

  #answer(session: number, pair: Pair): void {
    const calls = [...pair.answering.keys()].slice(0, 32);
    const call = calls[this.#below(calls.length)];
    const state = call === undefined ? undefined : pair.answering.get(call);
    if (call === undefined || state === undefined) return;
    const { channel, next: channelSeq } = state;
    const end = channel === 0 || this.#random() < 0.3;
    const bytes = pair.enclave.answer(call, { end, body: Uint8Array.of(session) });
    const { atClient } = pair;
    const seq = atClient.sent;
    atClient.sent += 1;
    state.next += 1;
    if (end) pair.answering.delete(call);
    this.#sealed({ bytes, session, toEnclave: false, seq, channel, channelSeq, end, call });
  }

  #sealed(sent: Sent): void {
    this.counts.sealed += 1;
    this.#waiting.push(sent);
    if (!sent.toEnclave || sent.channelSeq !== 0) return;
    this.#pairs[sent.session]?.atClient.expected.open.set(sent.call, 0);
  }

  #deliver(): Verdict | undefined {
    const fate = this.#random();
    if (fate < 0.55) return this.#arrive(this.#take(this.#near()));
    if (fate < 0.65) return this.#arrive(this.#take(this.#below(this.#waiting.length)));
    const again = this.#old[this.#below(this.#old.length)];
    if (fate < 0.72) {
      // Lost.
      if (this.#waiting.length > 32) this.#take(this.#near());
      return undefined;
    }
    if (fate < 0.82) return this.#arrive(again);
    const waiting = this.#waiting[this.#below(this.#waiting.length)];
    return fate < 0.92 ? this.#forged(waiting ?? again) : this.#misled(waiting ?? again);
  }

  /** Mostly in order, with a little overtaking. */
  #near(): number {
    return this.#below(Math.min(this.#waiting.length, this.#random() < 0.7 ? 1 : 12));
  }

  #take(at: number): Sent | undefined {
    const [sent] = this.#waiting.splice(at, 1);
    if (sent === undefined) return undefined;
    // Old ones beyond the window stay in the bag as well.
    if (this.#old.length < 20_000) this.#old.push(sent);
    else this.#old[this.#below(this.#old.length)] = sent;
    return sent;
  }

  /** To the end that it was sealed for, as it was sealed. */
  #arrive(sent: Sent | undefined): Verdict | undefined {
    const pair = sent === undefined ? undefined : this.#pairs[sent.session];
    if (sent === undefined || pair === undefined) return undefined;
    const end = sent.toEnclave ? pair.atEnclave : pair.atClient;
    const must = sent.toEnclave
      ? requestMust(end.expected, sent)
      : responseMust(end.expected, sent);
    if (must === 'accept') {
      remember(end.expected, sent);
      if (sent.toEnclave && sent.channelSeq === 0) {
        pair.answering.set(sent.call, { channel: sent.channel, next: 0 });
      }
    }
    return this.#verdict(pair, sent.toEnclave, sent.bytes, must);
  }

  /** Changed on the way: a bit, its length, or the header of another in front of it. */
  #forged(sent: Sent | undefined): Verdict | undefined {
    const pair = sent === undefined ? undefined : this.#pairs[sent.session];
    if (sent === undefined || pair === undefined) return undefined;
    const bytes = Uint8Array.from(sent.bytes);
    const way = this.#random();
    const other = this.#old[this.#below(this.#old.length)];
    if (way < 0.2)
      return this.#verdict(
        pair,
        sent.toEnclave,
        bytes.slice(0, this.#below(bytes.length)),
        'refuse',
      );
    if (way < 0.5 && other !== undefined && other.seq !== sent.seq) {
      bytes.set(other.bytes.subarray(0, HEADER_BYTES));
      return this.#verdict(pair, sent.toEnclave, bytes, 'refuse');
    }
    const at = this.#below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#below(8));
    return this.#verdict(pair, sent.toEnclave, bytes, 'refuse');
  }

  /** Unchanged, to another session or back to who sent it. */
  #misled(sent: Sent | undefined): Verdict | undefined {
    if (sent === undefined) return undefined;
    const elsewhere = this.#below(this.#pairs.length);
    const pair = this.#pairs[elsewhere];
    if (pair === undefined) return undefined;
    const back = elsewhere === sent.session ? !sent.toEnclave : this.#random() < 0.5;
    return this.#verdict(pair, back, sent.bytes, 'refuse');
  }

  #verdict(pair: Pair, toEnclave: boolean, bytes: Uint8Array, must: string): Verdict {
    const rule = recordRefusal(() =>
      toEnclave ? pair.enclave.receive(bytes) : pair.client.receive(bytes),
    );
    this.counts.delivered += 1;
    if (rule === undefined) this.counts.accepted += 1;
    else this.counts.refused[rule] = (this.counts.refused[rule] ?? 0) + 1;
    // Which rule refuses a forgery depends on where it was changed.
    const outcome = rule === undefined ? 'accept' : must === 'refuse' ? 'refuse' : rule;
    return { outcome, must };
  }
}

function windowed({ accepted, largest }: Expected, seq: number): string | undefined {
  if (seq <= largest - WINDOW) return 'too-old';
  return accepted.has(seq) ? 'replayed' : undefined;
}

function requestMust(expected: Expected, { seq, channel, channelSeq }: Sent): string {
  if (channelSeq === 0) {
    const refused = windowed(expected, seq);
    if (refused !== undefined) return refused;
    if (channel !== 0 && expected.open.size >= MAX_STREAMS) return 'streams';
    return 'accept';
  }
  const next = expected.open.get(channel);
  if (next === undefined) return 'stream-closed';
  return next === channelSeq ? 'accept' : 'stream-order';
}

function responseMust(expected: Expected, { seq, channelSeq, call }: Sent): string {
  const refused = channelSeq === 0 ? windowed(expected, seq) : undefined;
  if (refused !== undefined) return refused;
  const next = expected.open.get(call);
  if (next === undefined) return 'in-reply-to';
  return next === channelSeq ? 'accept' : 'stream-order';
}

function remember(expected: Expected, sent: Sent): void {
  const { seq, channel, channelSeq, end, toEnclave, call } = sent;
  if (channelSeq === 0) {
    expected.accepted.add(seq);
    expected.largest = Math.max(expected.largest, seq);
  }
  const key = toEnclave ? channel : call;
  if (end) expected.open.delete(key);
  else expected.open.set(key, channelSeq + 1);
}
