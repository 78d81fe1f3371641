/**
 * Request ids make retries return the same answer (PROTOCOLS §13): keyed by who asked what of which ring,
 * bound to the request's hash, for ten minutes, within one instance. A restart may sign twice.
 */
import { createHash } from 'node:crypto';
import { Refusal } from '../wire/error-code.ts';

export const REQUEST_ID_BYTES = 16;
const KEEP_MS = 10 * 60 * 1000;
/** Answers of about 2 KiB: 64 MiB at most. */
const MAX_KEPT = 32_768;

/** All of it must be equal for a retry to be the same request. */
export interface RequestIdentity {
  readonly principal: string;
  readonly rank: string;
  readonly ring: string;
  readonly method: string;
  readonly requestId: Uint8Array;
}

interface Kept {
  readonly requestHash: string;
  readonly untilMs: number;
  /** undefined while the first request is in flight. */
  answer: Uint8Array | undefined;
}

export class RequestIds {
  readonly #kept = new Map<string, Kept>();

  /** Runs `task`, or returns what it returned for the same request. Throws Refusal for another request under this id. */
  async once(
    identity: RequestIdentity,
    request: Uint8Array,
    nowMs: number,
    task: () => Uint8Array | Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    this.#forget(nowMs);
    const key = JSON.stringify([
      identity.principal,
      identity.rank,
      identity.ring,
      identity.method,
      Buffer.from(identity.requestId).toString('hex'),
    ]);
    const requestHash = createHash('sha256').update(request).digest('hex');
    const known = this.#kept.get(key);
    if (known !== undefined) return replayed(known, requestHash);
    const kept: Kept = { requestHash, untilMs: nowMs + KEEP_MS, answer: undefined };
    this.#kept.set(key, kept);
    try {
      const answer = Uint8Array.from(await task());
      kept.answer = answer;
      return answer;
    } catch (error) {
      // A refused request has no outcome to repeat.
      this.#kept.delete(key);
      throw error;
    }
  }

  /** Maps keep insertion order, and all entries live equally long: the oldest stand first. */
  #forget(nowMs: number): void {
    for (const [key, kept] of this.#kept) {
      if (kept.untilMs > nowMs && this.#kept.size < MAX_KEPT) return;
      // One in flight stays: its retry would be signed beside it.
      if (kept.answer !== undefined) this.#kept.delete(key);
    }
  }
}

function replayed(known: Kept, requestHash: string): Uint8Array {
  if (known.requestHash !== requestHash) throw new Refusal('REQUEST_ID_REUSED');
  if (known.answer === undefined) throw new Refusal('REQUEST_IN_FLIGHT');
  return known.answer;
}
