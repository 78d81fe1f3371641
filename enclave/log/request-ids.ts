/**
 * Request ids make retries return the same answer (PROTOCOLS §13): keyed by who asked what of which ring,
 * bound to the request's hash, for ten minutes, within one instance. A restart may sign twice.
 *
 * What is kept is bounded, and nobody is pushed out by a caller who asks more: a caller has at most its share, and
 * when all is full, whoever has most loses its oldest answers first.
 */
import { hash } from 'node:crypto';
import { toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  MAX_KEPT_ANSWERS,
  MAX_KEPT_ANSWERS_OF_CALLER,
  MAX_KEPT_BYTES,
  MAX_KEPT_BYTES_OF_CALLER,
  REQUEST_ID_MS,
} from '../wire/limits.ts';

export const REQUEST_ID_BYTES = 16;

/** What an answer costs beside its own bytes: its key, the request's hash, its places in two tables. */
const ENTRY_BYTES = 512;

/** All of it must be equal for a retry to be the same request. */
export interface RequestIdentity {
  readonly principal: string;
  readonly rank: string;
  readonly ring: string;
  readonly method: string;
  readonly requestId: Uint8Array;
}

/** A request that is being answered for the first time. One of the two is called, once. */
export interface FirstUse {
  /** Keeps a copy of the answer for retries, and returns it. */
  finish(answer: Uint8Array): Uint8Array;
  /** A refused request has no outcome to repeat: its id is free again. */
  fail(): void;
}

interface Kept {
  readonly principal: string;
  readonly requestHash: string;
  readonly untilMs: number;
  /** undefined while the first request is in flight. */
  answer: Uint8Array | undefined;
}

/** What is kept for one caller. */
interface Share {
  /** Oldest first, as sets keep insertion order. */
  readonly keys: Set<string>;
  bytes: number;
}

export class RequestIds {
  readonly #kept = new Map<string, Kept>();
  readonly #shares = new Map<string, Share>();
  #bytes = 0;

  /**
   * The answer of before, or what keeps the one that is made now. Throws Refusal: `REQUEST_ID_REUSED` for another request under
   * this id, `REQUEST_IN_FLIGHT` for one that is being answered.
   */
  begin(identity: RequestIdentity, request: Uint8Array, nowMs: number): Uint8Array | FirstUse {
    this.#forget(nowMs);
    const { principal, rank, ring, method, requestId } = identity;
    const key = JSON.stringify([principal, rank, ring, method, toHex(requestId)]);
    const requestHash = hash('sha256', request, 'hex');
    const known = this.#kept.get(key);
    if (known !== undefined) return replayed(known, requestHash);
    const kept = { principal, requestHash, untilMs: nowMs + REQUEST_ID_MS, answer: undefined };
    this.#kept.set(key, kept);
    this.#charge(principal, ENTRY_BYTES).keys.add(key);
    return {
      finish: (answer) => this.#finish(kept, answer),
      fail: () => {
        this.#drop(key, kept);
      },
    };
  }

  #finish(kept: Kept, given: Uint8Array): Uint8Array {
    // Not `from`: with frozen intrinsics it goes through an iterator, byte by byte.
    const answer = new Uint8Array(given);
    kept.answer = answer;
    const share = this.#charge(kept.principal, answer.byteLength);
    const greedy = (): boolean =>
      share.keys.size > MAX_KEPT_ANSWERS_OF_CALLER || share.bytes > MAX_KEPT_BYTES_OF_CALLER;
    while (greedy() && this.#dropOldest(share));
    const full = (): boolean => this.#kept.size > MAX_KEPT_ANSWERS || this.#bytes > MAX_KEPT_BYTES;
    while (full() && this.#dropOldest(this.#fullest()));
    return answer;
  }

  /** False when all of them are in flight: they stay, or their retries would be signed beside them. */
  #dropOldest({ keys }: Share): boolean {
    for (const key of keys) {
      const kept = this.#kept.get(key);
      if (kept?.answer === undefined) continue;
      this.#drop(key, kept);
      return true;
    }
    return false;
  }

  /** Whoever has most, by number and bytes together. */
  #fullest(): Share {
    let fullest: Share = { keys: new Set(), bytes: 0 };
    let most = 0;
    for (const share of this.#shares.values()) {
      const part = share.keys.size / MAX_KEPT_ANSWERS + share.bytes / MAX_KEPT_BYTES;
      if (part > most) [fullest, most] = [share, part];
    }
    return fullest;
  }

  /** Maps keep insertion order, and all entries live equally long: the oldest stand first. */
  #forget(nowMs: number): void {
    for (const [key, kept] of this.#kept) {
      if (kept.untilMs > nowMs) return;
      if (kept.answer !== undefined) this.#drop(key, kept);
    }
  }

  #drop(key: string, { principal, answer }: Kept): void {
    this.#kept.delete(key);
    const share = this.#charge(principal, -ENTRY_BYTES - (answer?.byteLength ?? 0));
    share.keys.delete(key);
    if (share.keys.size === 0) this.#shares.delete(principal);
  }

  #charge(principal: string, bytes: number): Share {
    const share = this.#shares.get(principal) ?? { keys: new Set<string>(), bytes: 0 };
    this.#shares.set(principal, share);
    share.bytes += bytes;
    this.#bytes += bytes;
    return share;
  }
}

function replayed(known: Kept, requestHash: string): Uint8Array {
  if (known.requestHash !== requestHash) throw new Refusal('REQUEST_ID_REUSED');
  if (known.answer === undefined) throw new Refusal('REQUEST_IN_FLIGHT');
  return known.answer;
}
