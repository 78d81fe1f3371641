/**
 * Sessions as the host reaches them (docs/spec/session.md): Open in, Accept out; a record in, records out. What is asked
 * inside goes the way of plain calls, with rank `session` and with the caller that the session's opening proved.
 */
import { identityInLeaf } from '../../log/leaf.ts';
import type { Ports } from '../../ports.ts';
import { toHex, utf8 } from '../../wire/bytes.ts';
import { encodeMessage } from '../../wire/encode-message.ts';
import { ERROR_CODES, Refusal } from '../../wire/error-code.ts';
import {
  CallSessionRequest,
  CallSessionResponse,
  OpenSessionRequest,
  OpenSessionResponse,
} from '../../wire/gen/sealwright/v1/session.ts';
import {
  MAX_DEADLINE_MS,
  MAX_DETAIL_LENGTH,
  MAX_REQUEST_BYTES,
  MAX_RESPONSE_BYTES,
} from '../../wire/limits.ts';
import { END_SESSION, SESSION_CALLS } from '../../wire/methods.ts';
import {
  MAX_RESPONSE_BODY_BYTES,
  SUCCESS,
  type Status,
} from '../../wire/session/record-content.ts';
import { RecordRefused } from '../../wire/session/record.ts';
import type { Cluster } from '../cluster.ts';
import { knownCaller, type InForce, type WhoAsks } from '../in-force.ts';
import { decoded } from '../requests.ts';
import { acceptSession, OpenRefused, type AcceptPorts } from './accept-session.ts';
import { judgeCheckpoint } from './last-checkpoint.ts';
import type { OpeningKeys } from './opening-keys.ts';
import { PartialRequests } from './partial-requests.ts';
import { SessionTable, type Arrival, type Session } from './session-table.ts';

/** A call of the service, whichever way it came. */
export interface ServiceCall {
  readonly method: string;
  readonly body: Uint8Array;
  readonly whoAsks: WhoAsks;
  /** What carried the call was sealed with this id, which a retry repeats; 16 bytes. */
  readonly requestId?: Uint8Array;
  readonly stillWanted: () => boolean;
}

/** Carries out one. Throws Refusal; anything else is a bug. */
export type CarryOut = (call: ServiceCall) => Uint8Array | Promise<Uint8Array>;

/** In records an answer is larger by their headers, their tags and the padding of the last one. */
const MAX_SEALED_ANSWER_BYTES = MAX_RESPONSE_BYTES - 2 * MAX_REQUEST_BYTES;

const NOTHING = new Uint8Array(0);

export class SessionService {
  readonly #ports: Ports;
  readonly #cluster: Cluster;
  readonly #accept: AcceptPorts;
  readonly #carryOut: CarryOut;
  readonly #table = new SessionTable();
  readonly #partial = new PartialRequests();
  /** Sessions whose leaf is on its way. */
  readonly #logging = new Map<Session, Promise<void>>();
  /** The policy that all sessions were held against; one that is used is held against that of the moment. */
  #sweptFor: InForce;

  constructor(ports: Ports, cluster: Cluster, keys: OpeningKeys, carryOut: CarryOut) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#carryOut = carryOut;
    this.#sweptFor = cluster.inForce;
    const { clock, entropy } = ports;
    this.#accept = {
      clock: {
        monotonicMs: () => clock.monotonicMs(),
        wallMs: () => cluster.time.nowMs(),
        turn: () => clock.turn(),
      },
      entropy,
      table: this.#table,
      keyFor: (suite, digest) => keys.find(suite, digest, clock.monotonicMs()),
      identify: (certificates, nowMs) => knownCaller(cluster.inForce, certificates, nowMs),
      exchangeCheckpoints: (last) =>
        judgeCheckpoint(cluster, last) ? utf8(cluster.log.checkpoint) : undefined,
      policyVersion: () => cluster.inForce.policy.version,
    };
  }

  /** An encoded OpenSessionResponse. Rejects with Refusal; with Halt for a checkpoint that proves a rollback. */
  async open(body: Uint8Array): Promise<Uint8Array> {
    const { open } = decoded((input) => OpenSessionRequest.decode(input), body);
    try {
      const { message } = await acceptSession(open, this.#accept);
      return OpenSessionResponse.encode({ accept: message }).finish();
    } catch (error) {
      if (error instanceof OpenRefused) throw new Refusal('SESSION_REFUSED');
      throw error;
    }
  }

  /** An encoded CallSessionResponse, for a record that came either way. Rejects with Refusal. */
  async call(body: Uint8Array, isCancelled: () => boolean): Promise<Uint8Array> {
    // StreamSession's messages have the same form.
    const { record } = decoded((input) => CallSessionRequest.decode(input), body);
    const arrival = this.#receive(record);
    const { session, first } = arrival;
    // On its way to the disk before anything that the session does.
    if (first) this.#beginLogging(session);
    const logging = this.#logging.get(session);
    const answer = this.#answer(arrival, isCancelled);
    const [records] = logging === undefined ? [await answer] : await Promise.all([answer, logging]);
    return encodeMessage(CallSessionResponse, { records });
  }

  /** What is due: keys of requests and sessions that nobody waits for any more. */
  tick(): void {
    const { inForce } = this.#cluster;
    if (inForce !== this.#sweptFor) {
      this.#table.endUnless((session) => isNamed(session, inForce));
      this.#sweptFor = inForce;
    }
    const nowMs = this.#ports.clock.monotonicMs();
    this.#table.endOver(nowMs);
    this.#partial.drop(nowMs, (session) => this.#table.has(session));
  }

  #receive(record: Uint8Array): Arrival {
    try {
      const arrival = this.#table.receive(record, this.#ports.clock.monotonicMs());
      if (isNamed(arrival.session, this.#cluster.inForce)) return arrival;
      this.#table.end(arrival.session);
    } catch (error) {
      if (!(error instanceof RecordRefused)) throw error;
    }
    throw new Refusal('SESSION_REFUSED');
  }

  #beginLogging(session: Session): void {
    const logging = this.#log(session).finally(() => {
      this.#logging.delete(session);
    });
    // Whoever asks in this session meanwhile waits for it, and is told.
    logging.catch(() => undefined);
    this.#logging.set(session, logging);
  }

  /** A session without its leaf is none. */
  async #log(session: Session): Promise<void> {
    const { log, inForce } = this.#cluster;
    const { identity } = session.caller;
    try {
      await log.append({
        kind: 'session',
        sessionId: toHex(session.sessionId),
        caller: inForce.rules.caller(identity)?.name ?? '',
        callerId: identityInLeaf(identity),
        policyVersion: inForce.policy.version,
      });
    } catch (error) {
      this.#table.end(session);
      throw error;
    }
  }

  async #answer(arrival: Arrival, isCancelled: () => boolean): Promise<Uint8Array[]> {
    const { session, request } = arrival;
    const { method } = request;
    const { clock } = this.#ports;
    const nowMs = clock.monotonicMs();
    const untilMs = Math.min(session.openedMs + request.deadlineMs, nowMs + MAX_DEADLINE_MS);
    if (arrival.overLimit) return sealed(arrival, new Refusal('RATE_LIMITED'));
    const gathered = this.#partial.take(session, request, untilMs);
    if (gathered.state === 'part') return [];
    if (gathered.state === 'refused') return sealed(arrival, new Refusal(gathered.reason));
    if (arrival.late) return sealed(arrival, new Refusal('DEADLINE_EXCEEDED'));
    if (method === END_SESSION) {
      this.#table.end(session);
      return sealed(arrival, NOTHING);
    }
    if (!SESSION_CALLS.has(method)) return sealed(arrival, new Refusal('METHOD_UNKNOWN'));
    try {
      const answer = await this.#carryOut({
        method,
        body: gathered.body,
        whoAsks: (inForce) => callerOf(session, inForce),
        requestId: request.requestId,
        stillWanted: () => !isCancelled() && clock.monotonicMs() < untilMs,
      });
      return sealed(arrival, answer);
    } catch (error) {
      // The host is not told what was refused, nor that something failed; the size of a record it sees.
      return sealed(arrival, error instanceof Refusal ? error : new Refusal('INTERNAL'));
    }
  }
}

/** Whether the policy still has the caller of a session, by the chain that opened it. */
function isNamed({ caller }: Session, { callers, rules }: InForce): boolean {
  return rules.caller(caller.identity) !== undefined && callers.stillNames(caller);
}

function callerOf(session: Session, inForce: InForce): ReturnType<WhoAsks> {
  if (!isNamed(session, inForce)) throw new Refusal('CALLER_UNAUTHENTICATED');
  return { rank: 'session', identity: session.caller.identity };
}

/** The response records of a call. Throws Refusal when the session has none left. */
function sealed({ session, request }: Arrival, outcome: Uint8Array | Refusal): Uint8Array[] {
  const { call, channel } = request;
  const { records } = session;
  const refuse = (refusal: Refusal): Uint8Array[] => [
    records.answer(call, { end: true, status: statusOf(refusal), body: NOTHING }),
  ];
  try {
    if (outcome instanceof Refusal) return refuse(outcome);
    const { byteLength } = outcome;
    if (byteLength > MAX_SEALED_ANSWER_BYTES)
      return refuse(tooLarge(byteLength, MAX_SEALED_ANSWER_BYTES));
    if (channel === 0 && byteLength > MAX_RESPONSE_BODY_BYTES) {
      return refuse(tooLarge(byteLength, MAX_RESPONSE_BODY_BYTES));
    }
    const answers: Uint8Array[] = [];
    for (let at = 0; at === 0 || at < byteLength; at += MAX_RESPONSE_BODY_BYTES) {
      const next = at + MAX_RESPONSE_BODY_BYTES;
      const body = outcome.subarray(at, next);
      answers.push(records.answer(call, { end: next >= byteLength, status: SUCCESS, body }));
    }
    return answers;
  } catch (error) {
    if (error instanceof RecordRefused) throw new Refusal('SESSION_REFUSED');
    throw error;
  }
}

function tooLarge(actual: number, limit: number): Refusal {
  return new Refusal('FRAME_TOO_LARGE', {
    limitBytes: String(limit),
    actualBytes: String(actual),
  });
}

function statusOf({ reason, details }: Refusal): Status {
  return {
    code: ERROR_CODES[reason],
    details: Object.entries(details).map(([key, value]) => ({
      key,
      value: value.slice(0, MAX_DETAIL_LENGTH),
    })),
  };
}
