/**
 * The sessions there are, within their limits (docs/spec/session.md, "Life of a session"). Times are of the monotonic
 * clock.
 */
import { toHex } from '../../wire/bytes.ts';
import {
  MAX_HALF_OPEN_OF_PRINCIPAL,
  MAX_HALF_OPEN_SESSIONS,
  MAX_OPENINGS_AT_ONCE,
  MAX_OPENINGS_PER_SECOND,
  MAX_SESSIONS,
  MAX_SESSIONS_OF_PRINCIPAL,
  SESSION_IDLE_MS,
  SESSION_OPENING_MS,
} from '../../wire/limits.ts';
import type { IdentifiedChain } from '../../wire/policy/chain.ts';
import type { EnclaveRecords, ReceivedRequest } from '../../wire/session/enclave-records.ts';
import { RecordRefused, untrustedSessionId } from '../../wire/session/record.ts';

export interface NewSession {
  readonly sessionId: Uint8Array;
  readonly caller: IdentifiedChain;
  readonly records: EnclaveRecords;
  /** When Accept was made: `deadlineMs` of requests counts from here. */
  readonly openedMs: number;
  /** 60 min later, or the end of the caller's certificates. */
  readonly endsMs: number;
}

/** A session, and when it was last used. */
export interface Session extends NewSession {
  readonly halfOpen: boolean;
  readonly lastUsedMs: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Entry = Mutable<Session>;

/** What a record brought. */
export interface Arrival {
  readonly session: Session;
  readonly request: ReceivedRequest;
  /** The first valid record of its session, which counts from now on and gets its leaf. */
  readonly first: boolean;
  /** Its deadline has passed: it is answered with `DEADLINE_EXCEEDED`, and nothing begins. */
  readonly late: boolean;
  /** No place is left for this session: the request is refused inside the channel, and the session is gone. */
  readonly overLimit: boolean;
}

export class SessionTable {
  /** By session id, hex; in the order of their openings. */
  readonly #halfOpen = new Map<string, Entry>();
  readonly #active = new Map<string, Entry>();
  /** Active ones by principal. */
  readonly #ofPrincipal = new Map<string, Map<string, Entry>>();

  /** By principal: when it may open MAX_OPENINGS_AT_ONCE again. Who may is not kept. */
  readonly #openedUntilMs = new Map<string, number>();

  /** Half-open and active. */
  get size(): number {
    return this.#halfOpen.size + this.#active.size;
  }

  /** Whether one more of this principal can be half-open. */
  hasRoom(principal: string, nowMs: number): boolean {
    this.#sweepHalfOpen(nowMs);
    if (this.#halfOpen.size >= MAX_HALF_OPEN_SESSIONS) return false;
    let own = 0;
    for (const entry of this.#halfOpen.values()) if (entry.caller.identity === principal) own += 1;
    return own < MAX_HALF_OPEN_OF_PRINCIPAL;
  }

  /** An authentic Open of this principal, whatever becomes of it. False: it is one too many. */
  takeOpening(principal: string, nowMs: number): boolean {
    const since = Math.max(this.#openedUntilMs.get(principal) ?? nowMs, nowMs);
    const untilMs = since + 1000 / MAX_OPENINGS_PER_SECOND;
    if (untilMs - nowMs > OPENINGS_MS || !this.hasRoom(principal, nowMs)) return false;
    this.#openedUntilMs.set(principal, untilMs);
    return true;
  }

  /** After `hasRoom`, in the same turn. */
  add(session: NewSession): void {
    const entry = { ...session, halfOpen: true, lastUsedMs: session.openedMs };
    this.#halfOpen.set(toHex(session.sessionId), entry);
  }

  /**
   * What a record asks, of whom. Throws RecordRefused; `session` also for one that has ended, which nobody can tell from
   * one that never was.
   */
  receive(record: Uint8Array, nowMs: number): Arrival {
    const session = this.#find(record, nowMs);
    const request = session.records.receive(record);
    const first = session.halfOpen;
    const overLimit = first && !this.#activate(session, nowMs);
    session.lastUsedMs = nowMs;
    const late = nowMs - session.openedMs >= request.deadlineMs;
    return { session, request, first: first && !overLimit, late, overLimit };
  }

  #find(record: Uint8Array, nowMs: number): Entry {
    const sessionId = untrustedSessionId(record);
    if (sessionId === undefined) throw new RecordRefused('length');
    const id = toHex(sessionId);
    const entry = this.#active.get(id) ?? this.#halfOpen.get(id);
    if (entry === undefined) throw new RecordRefused('session');
    if (hasEnded(entry, nowMs)) {
      this.end(entry);
      throw new RecordRefused('session');
    }
    return entry;
  }

  /** False: it is gone, because all places are taken by sessions that are in use. */
  #activate(entry: Entry, nowMs: number): boolean {
    this.end(entry);
    const own = this.#ofPrincipal.get(entry.caller.identity) ?? new Map<string, Entry>();
    const fits =
      this.#makeRoom(own, MAX_SESSIONS_OF_PRINCIPAL, nowMs) &&
      this.#makeRoom(this.#active, MAX_SESSIONS, nowMs);
    if (!fits) return false;
    const id = toHex(entry.sessionId);
    entry.halfOpen = false;
    this.#active.set(id, entry);
    this.#ofPrincipal.set(entry.caller.identity, own.set(id, entry));
    return true;
  }

  /** Ended ones go first, then the one that was idle longest, if that is long enough. */
  #makeRoom(sessions: ReadonlyMap<string, Entry>, max: number, nowMs: number): boolean {
    if (sessions.size < max) return true;
    for (const entry of [...sessions.values()]) if (hasEnded(entry, nowMs)) this.end(entry);
    if (sessions.size < max) return true;
    let idlest: Entry | undefined;
    for (const entry of sessions.values()) {
      if (entry.lastUsedMs < (idlest?.lastUsedMs ?? Infinity)) idlest = entry;
    }
    if (idlest === undefined || nowMs - idlest.lastUsedMs < SESSION_IDLE_MS) return false;
    this.end(idlest);
    return true;
  }

  /** Its keys are gone with it. */
  end(session: Session): void {
    const id = toHex(session.sessionId);
    this.#halfOpen.delete(id);
    if (!this.#active.delete(id)) return;
    const own = this.#ofPrincipal.get(session.caller.identity);
    own?.delete(id);
    if (own?.size === 0) this.#ofPrincipal.delete(session.caller.identity);
  }

  /** After a change of the policy: ends the sessions of callers that it no longer names. */
  endUnless(isNamed: (session: Session) => boolean): void {
    for (const entry of [...this.#halfOpen.values(), ...this.#active.values()]) {
      if (!isNamed(entry)) this.end(entry);
    }
  }

  /** Those whose time is over: their keys go, whether or not anybody asks for them. */
  endOver(nowMs: number): void {
    this.#sweepHalfOpen(nowMs);
    for (const entry of this.#active.values()) if (hasEnded(entry, nowMs)) this.end(entry);
    for (const [principal, untilMs] of this.#openedUntilMs) {
      if (untilMs <= nowMs) this.#openedUntilMs.delete(principal);
    }
  }

  has({ sessionId }: Session): boolean {
    const id = toHex(sessionId);
    return this.#active.has(id) || this.#halfOpen.has(id);
  }

  /** They stand in the order of their openings, and all have equally long. */
  #sweepHalfOpen(nowMs: number): void {
    for (const entry of this.#halfOpen.values()) {
      if (!hasEnded(entry, nowMs)) return;
      this.end(entry);
    }
  }
}

/** In which as many openings as may be made at once are made good. */
const OPENINGS_MS = (1000 * MAX_OPENINGS_AT_ONCE) / MAX_OPENINGS_PER_SECOND;

function hasEnded({ halfOpen, openedMs, endsMs }: Session, nowMs: number): boolean {
  return nowMs >= (halfOpen ? Math.min(endsMs, openedMs + SESSION_OPENING_MS) : endsMs);
}
