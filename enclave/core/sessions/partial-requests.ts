/**
 * Requests that travel in several records, until the last one has come (docs/spec/session.md, "Records"). What they
 * hold is bounded by session and in all, and is dropped at their deadline: a host that keeps the rest back takes no more.
 */
import type { Reason } from '../../wire/error-code.ts';
import { concatBytes } from '../../wire/bytes.ts';
import {
  MAX_PARTS,
  MAX_PARTS_BYTES,
  MAX_PARTS_BYTES_OF_SESSION,
  PART_OVERHEAD_BYTES,
} from '../../wire/limits.ts';
import { maxRequestBytes } from '../../wire/methods.ts';
import type { ReceivedRequest } from '../../wire/session/enclave-records.ts';
import { RecordRefused } from '../../wire/session/record.ts';
import type { Session } from './session-table.ts';

interface Partial {
  readonly channel: number;
  readonly parts: Uint8Array[];
  /** Of the bodies. */
  byteLength: number;
  /** What they take of our memory. */
  heldBytes: number;
  /** It was refused: what still comes of it is dropped. */
  refused: boolean;
  /** By the monotonic clock. */
  readonly untilMs: number;
}

/** What a record made of its request. */
export type Gathered =
  | { readonly state: 'whole'; readonly body: Uint8Array }
  | { readonly state: 'part' }
  | { readonly state: 'refused'; readonly reason: Reason };

const PART: Gathered = { state: 'part' };

export class PartialRequests {
  readonly #held = new Map<Session, Map<number, Partial>>();
  #heldBytes = 0;

  /** @param untilMs the request's deadline, by the monotonic clock */
  take(session: Session, request: ReceivedRequest, untilMs: number): Gathered {
    const { call, channel, channelSeq, end, body } = request;
    if (channelSeq === 0 && end) return { state: 'whole', body };
    const own = this.#held.get(session) ?? new Map<number, Partial>();
    const partial = own.get(call) ?? {
      channel,
      parts: [],
      byteLength: 0,
      heldBytes: 0,
      refused: false,
      untilMs,
    };
    this.#held.set(session, own.set(call, partial));
    if (!partial.refused) {
      const reason = this.#problem(own, partial, request);
      if (reason !== undefined) {
        this.#release(partial);
        partial.refused = true;
        partial.parts.length = 0;
        if (end) this.#forget(session, call);
        return { state: 'refused', reason };
      }
      // The record's plaintext is ours alone: its body is kept as it is.
      partial.parts.push(body);
      partial.byteLength += body.byteLength;
      partial.heldBytes += heldBytesOf(body);
      this.#heldBytes += heldBytesOf(body);
    }
    if (!end) return PART;
    this.#release(partial);
    this.#forget(session, call);
    return partial.refused ? PART : { state: 'whole', body: concatBytes(...partial.parts) };
  }

  #problem(
    own: ReadonlyMap<number, Partial>,
    { parts, byteLength }: Partial,
    { method, body }: ReceivedRequest,
  ): Reason | undefined {
    if (parts.length >= MAX_PARTS) return 'REQUEST_MALFORMED';
    if (byteLength + body.byteLength > maxRequestBytes(method)) return 'FRAME_TOO_LARGE';
    const heldBytes = heldBytesOf(body);
    let ofSession = heldBytes;
    for (const partial of own.values()) ofSession += partial.refused ? 0 : partial.heldBytes;
    const full =
      ofSession > MAX_PARTS_BYTES_OF_SESSION || this.#heldBytes + heldBytes > MAX_PARTS_BYTES;
    return full ? 'RATE_LIMITED' : undefined;
  }

  /** Those whose deadline has passed, and those of sessions that have ended. */
  drop(nowMs: number, isAlive: (session: Session) => boolean): void {
    for (const [session, own] of this.#held) {
      const alive = isAlive(session);
      for (const [call, partial] of own) {
        if (alive && nowMs < partial.untilMs) continue;
        this.#release(partial);
        this.#forget(session, call);
        closeStream(session, partial.channel);
      }
    }
  }

  #release(partial: Partial): void {
    if (!partial.refused) this.#heldBytes -= partial.heldBytes;
  }

  #forget(session: Session, call: number): void {
    const own = this.#held.get(session);
    own?.delete(call);
    if (own?.size === 0) this.#held.delete(session);
  }
}

/** The plaintext around a body lives as long as it does: an empty one is as large as the smallest record. */
function heldBytesOf(body: Uint8Array): number {
  return body.buffer.byteLength + PART_OVERHEAD_BYTES;
}

function closeStream({ records }: Session, channel: number): void {
  try {
    records.transportEnded(channel);
  } catch (error) {
    // It says that the stream is cut off, which is why it is closed.
    if (!(error instanceof RecordRefused)) throw error;
  }
}
