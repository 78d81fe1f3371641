/**
 * Calls inside of sessions. There is one session at a time, and its successor, opened before it ends; every call begins in the
 * newest. Nothing is ever sent over a weaker channel instead: without a session there is no call.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import { DEFAULT_DEADLINE_MS } from '../../../enclave/wire/limits.ts';
import { NotBelieved } from '../not-believed.ts';
import { connectionClosed } from '../sdk/errors.ts';
import type { CallOptions, Transport } from '../transport.ts';
import { inTime } from '../in-time.ts';
import type { Session } from './session.ts';
import { BESIDE, INSIDE } from './ways.ts';

/** After a successor could not be opened. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

export class SessionTransport implements Transport {
  readonly #host: Transport;
  readonly #open: () => Promise<Session>;
  #current: Session | undefined;
  #opening: Promise<Session> | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  /** By the monotonic clock: no successor is tried before. */
  #notBeforeMs = -Infinity;
  #closed = false;

  /**
   * @param host for evidence, which a session rests on, and for the log, which the host keeps
   * @param open makes a session with evidence verified anew
   */
  constructor(host: Transport, open: () => Promise<Session>) {
    this.#host = host;
    this.#open = open;
  }

  /** The newest session; undefined before the first one and after `close`. */
  get current(): Session | undefined {
    return this.#current;
  }

  async call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    if (BESIDE.has(method.path)) return this.#host.call(method, request, options);
    if (!INSIDE.has(method.path)) throw new TypeError(`${method.path} is no call of a session`);
    const { timeoutMs = DEFAULT_DEADLINE_MS } = options;
    const end = performance.now() + timeoutMs;
    const session = this.#usable() ?? (await inTime(timeoutMs, this.session()));
    const left = Math.max(1, end - performance.now());
    const body = method.requestSerialize(request);
    const answer = await session.call(method.path, body, { ...options, timeoutMs: left });
    return method.responseDeserialize(Buffer.from(answer));
  }

  /** One that calls may begin in. One opening, however many wait for it. Rejects as `open` does, and with RequestError after `close`. */
  async session(): Promise<Session> {
    if (this.#closed) throw connectionClosed();
    return this.#usable() ?? (await this.#opened());
  }

  /** The one there is, whose successor is looked for when it is time. */
  #usable(): Session | undefined {
    const current = this.#current;
    if (current?.usable !== true) return undefined;
    const isTime = current.due && performance.now() >= this.#notBeforeMs;
    if (isTime && this.#opening === undefined) {
      this.#opened().catch((error: unknown) => {
        this.#notBeforeMs = performance.now() + this.#pauseMs;
        this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
        // Who is not believed now is asked nothing more: the next call verifies evidence first, and is told.
        if (error instanceof NotBelieved) current.end();
      });
    }
    return current;
  }

  /** Resolves when the enclave has heard of it, or does not answer. */
  async close(): Promise<void> {
    this.#closed = true;
    const current = this.#current;
    this.#current = undefined;
    await current?.retire({ atOnce: true });
    await this.#host.close();
  }

  #opened(): Promise<Session> {
    this.#opening ??= this.#open()
      .then((session) => {
        const last = this.#closed ? session : this.#current;
        if (!this.#closed) this.#current = session;
        void last?.retire();
        this.#pauseMs = FIRST_PAUSE_MS;
        return session;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }
}
