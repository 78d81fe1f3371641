/** One open session with an enclave whose evidence was verified (docs/spec/session.md). */
import { randomBytes, randomInt } from 'node:crypto';
import { DEFAULT_DEADLINE_MS } from '../../../enclave/wire/limits.ts';
import { END_SESSION, METHODS } from '../../../enclave/wire/methods.ts';
import type { SessionFacts } from '../../../enclave/wire/session/accept-message.ts';
import type { OpenedSession } from '../../../enclave/wire/session/client.ts';
import { ClientRecords, type SentRequest } from '../../../enclave/wire/session/client-records.ts';
import { nodeAead } from '../../../enclave/wire/session/node-aead.ts';
import {
  maxRequestBodyBytes,
  REQUEST_ID_BYTES,
  type Call,
} from '../../../enclave/wire/session/record-content.ts';
import { RecordRefused } from '../../../enclave/wire/session/record.ts';
import { suiteOf } from '../../../enclave/wire/session/suites.ts';
import type { Attestation } from '../attested.ts';
import { SignerError } from '../signer-error.ts';
import type { CallOptions } from '../transport.ts';
import { Answer } from './answer.ts';
import type { Carrier } from './carrier.ts';
import { brokenRule } from './refusal.ts';
import { saysThatSessionIsGone } from './weather.ts';

/** Their answers always fit into one record. Any other travels on a channel of its own, in as many as it takes. */
const SHORT_ANSWERS: ReadonlySet<string> = new Set([METHODS.sign, METHODS.getKey, END_SESSION]);

/** Of a session's life and records, after which a successor is due: time is left to find an enclave that was away. */
const DUE = 0.8;
/** Instances that were started together do not come back together. */
const DUE_JITTER = 0.1;
const JITTER_STEPS = 1_000;

/** Nobody waits longer for the enclave to hear that a session is over: it ends by itself too. */
const END_MS = 1_000;
const NOTHING = new Uint8Array(0);

export class Session {
  readonly facts: SessionFacts;
  /** What was believed of the enclave when it was opened. */
  readonly attestation: Attestation;
  readonly #carrier: Carrier;
  readonly #records: ClientRecords;
  /** By the monotonic clock, as all times here. */
  readonly #openedMs: number;
  readonly #endsMs: number;
  readonly #dueMs: number;
  #ended = false;
  #underWay = 0;
  #whenIdle: () => void = () => undefined;

  /** @param openedMs when Accept was read, by `performance.now()` */
  constructor(
    { facts, keys }: OpenedSession,
    attestation: Attestation,
    carrier: Carrier,
    openedMs: number,
  ) {
    this.facts = facts;
    this.attestation = attestation;
    this.#carrier = carrier;
    const { claims } = attestation;
    const suite = suiteOf(claims.suite);
    this.#records = new ClientRecords({
      ...facts,
      toEnclave: nodeAead(suite, keys.toEnclave),
      toClient: nodeAead(suite, keys.toClient),
    });
    this.#openedMs = openedMs;
    const lifeMs = Math.min(facts.notAfterMs - facts.enclaveTimeMs, claims.notAfterMs - Date.now());
    this.#endsMs = openedMs + lifeMs;
    const part = DUE - (DUE_JITTER * randomInt(JITTER_STEPS)) / JITTER_STEPS;
    this.#dueMs = openedMs + part * lifeMs;
  }

  /** Neither over, nor known to be gone, nor resting on evidence that has expired. */
  get usable(): boolean {
    return !this.#ended && performance.now() < this.#endsMs;
  }

  /** A successor should be opened. */
  get due(): boolean {
    return performance.now() >= this.#dueMs || this.#records.sent >= DUE * this.facts.maxRecords;
  }

  /** It is gone, or nothing more is asked of it: no call begins any more. Those under way end as they would. */
  end(): void {
    this.#ended = true;
  }

  /** Gives its place at the enclave back, when calls under way are answered or at once. Never rejects. */
  async retire({ atOnce = false } = {}): Promise<void> {
    if (!this.usable) return;
    this.end();
    if (!atOnce && this.#underWay > 0) {
      await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    }
    // What came of it changes nothing: the session is used by nobody.
    await this.call(END_SESSION, NOTHING, { timeoutMs: END_MS }).catch(() => undefined);
  }

  /**
   * The encoded answer of the enclave. Rejects with SignerError, by the enclave's word or because none came; with NotBelieved
   * for what the enclave did not say.
   */
  async call(
    method: string,
    body: Uint8Array,
    { timeoutMs = DEFAULT_DEADLINE_MS, requestId, waitForReady }: CallOptions = {},
  ): Promise<Uint8Array> {
    const request: Call = {
      method,
      requestId: requestId ?? Uint8Array.from(randomBytes(REQUEST_ID_BYTES)),
      deadlineMs: Math.ceil(performance.now() - this.#openedMs + timeoutMs),
    };
    const [first, ...others] = this.#seal(request, body);
    const answer = new Answer(first.call, this.#records);
    const records = [first, ...others].map(({ record }) => record);
    const options = { timeoutMs, ...(waitForReady === undefined ? {} : { waitForReady }) };
    this.#underWay += 1;
    try {
      await this.#carrier.carry(records, (some) => answer.take(some), options);
      return answer.finish();
    } catch (error) {
      throw this.#explained(error, first.call);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#whenIdle();
    }
  }

  #seal(request: Call, body: Uint8Array): readonly [SentRequest, ...SentRequest[]] {
    const room = maxRequestBodyBytes(request.method);
    const records = this.#records;
    try {
      if (SHORT_ANSWERS.has(request.method) && body.byteLength <= room) {
        return [records.unary(request, body)];
      }
      const only = body.byteLength <= room;
      const first = records.begin(request, body.subarray(0, room), only);
      const others: SentRequest[] = [];
      for (let at = room; at < body.byteLength; at += room) {
        const end = at + room >= body.byteLength;
        others.push(records.next(first.channel, body.subarray(at, at + room), end));
      }
      return [first, ...others];
    } catch (error) {
      if (!(error instanceof RecordRefused)) throw error;
      // No number is left for a record: it ends here as it ends at the other side.
      this.end();
      throw sessionOver();
    }
  }

  /** What a call rejects with. It is given up: nothing that still comes is for it. */
  #explained(error: unknown, call: number): unknown {
    try {
      this.#records.transportEnded(call);
    } catch (truncated) {
      if (!(truncated instanceof RecordRefused)) throw truncated;
    }
    // A lie costs one more opening; the truth would come again for every record.
    if (saysThatSessionIsGone(error)) this.end();
    return brokenRule(error);
  }
}

function sessionOver(): SignerError {
  return new SignerError('the session is used up', {
    reason: 'SESSION_REFUSED',
    retryable: true,
    grpcStatus: 0,
    metadata: {},
  });
}
