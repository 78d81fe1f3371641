/**
 * A host that speaks the link and lies: it serves the enclave's store and log from memory, honestly as long
 * as a test says nothing else, and can send whatever a test likes.
 */
import { Refusal, reasonOf, type DetailKey } from '../../../enclave/wire/error-code.ts';
import {
  FrameKind,
  type Frame,
  type UntrustedCaller,
} from '../../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { LinkClosed } from '../../../enclave/wire/link.ts';
import { Connection } from './connection.ts';
import { refusalFrame, requestFrame, responseFrame } from './frames.ts';
import { Ledger } from './ledger.ts';
import { MemoryServices } from './memory-services.ts';

/** A call of the enclave to its host. */
export interface HostCall {
  readonly method: string;
  readonly body: Uint8Array;
  readonly streamId: bigint;
  readonly connection: Connection;
  /** How often this method was called before, since the last `repent`. */
  readonly nth: number;
}

/** A body; undefined: no answer at all. A thrown Refusal is sent as one. */
export type Answer = Uint8Array | undefined;
export type Lie = (call: HostCall, honest: () => Promise<Uint8Array>) => Answer | Promise<Answer>;

export interface AskOptions {
  readonly timeoutMs?: number;
  readonly caller?: UntrustedCaller | undefined;
}

interface Asked {
  readonly connection: Connection;
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** Frames kept for tests that send them again. */
const KEPT_FRAMES = 2_000;

export class HostileHost {
  readonly services = new MemoryServices();
  readonly ledger = new Ledger();
  /** What the enclave asked, oldest first: method and stream id. */
  readonly asked: { readonly method: string; readonly streamId: bigint }[] = [];
  /** Answers that nobody waited for. */
  readonly strays: Frame[] = [];
  /** Frames that were sent, newest last. */
  readonly sent: Frame[] = [];
  readonly #lies = new Map<string, Lie>();
  readonly #counts = new Map<string, number>();
  readonly #pending = new Map<bigint, Asked>();
  #connection: Connection | undefined;
  #lastId = 0n;

  /** Connects, whether or not another connection is there. */
  async connect(path: string): Promise<Connection> {
    const connection = await Connection.open(path, {
      fromEnclave: (frame, from) => {
        this.ledger.fromEnclave(frame, from);
        this.#receive(frame, from);
      },
      toEnclave: (frame, to) => {
        this.ledger.toEnclave(frame, to);
        this.sent.push(frame);
        if (this.sent.length > KEPT_FRAMES) this.sent.shift();
      },
    });
    this.#connection = connection;
    this.#lastId = 0n;
    void connection.closed.then(() => {
      for (const [id, asked] of this.#pending) {
        if (asked.connection !== connection) continue;
        this.#pending.delete(id);
        asked.reject(new LinkClosed());
      }
    });
    return connection;
  }

  /** The newest connection. */
  get link(): Connection {
    if (this.#connection === undefined) throw new Error('not connected');
    return this.#connection;
  }

  /** Number for the next request; a test that sends raw requests takes its numbers here. */
  nextId(): bigint {
    this.#lastId += 1n;
    return this.#lastId;
  }

  /** From now on this method of the host answers with the lie. */
  lie(method: string, lie: Lie): void {
    this.#lies.set(method, lie);
    this.#counts.delete(method);
  }

  /** From now on everything is true again. */
  repent(): void {
    this.#lies.clear();
    this.#counts.clear();
  }

  /** One call to the enclave. Rejects with Refusal or LinkClosed. */
  call(method: string, body: Uint8Array, options: AskOptions = {}): Promise<Uint8Array> {
    const id = this.nextId();
    const more = { timeoutMs: options.timeoutMs ?? 0, untrustedCaller: options.caller };
    const answer = this.answerTo(id);
    this.link.send(requestFrame(id, method, body, more));
    return answer;
  }

  /** Waits for the answer to a request that the test sends itself. */
  answerTo(id: bigint): Promise<Uint8Array> {
    const connection = this.link;
    if (!connection.open) return Promise.reject(new LinkClosed());
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      this.#pending.set(id, { connection, resolve, reject });
    });
    // A test may look at it later, or never.
    answer.catch(() => undefined);
    return answer;
  }

  #receive(frame: Frame, connection: Connection): void {
    if (frame.kind === FrameKind.FRAME_KIND_REQUEST) {
      void this.#serve(frame, connection);
      return;
    }
    if (frame.kind !== FrameKind.FRAME_KIND_RESPONSE) return;
    const asked = this.#pending.get(frame.streamId);
    if (asked?.connection !== connection) {
      this.strays.push(frame);
      return;
    }
    this.#pending.delete(frame.streamId);
    if (frame.code === 0) asked.resolve(Uint8Array.from(frame.body));
    else asked.reject(refusalIn(frame));
  }

  async #serve(frame: Frame, connection: Connection): Promise<void> {
    const { method, streamId } = frame;
    // Copies: what the memory keeps outlives the frame.
    const body = Uint8Array.from(frame.body);
    this.asked.push({ method, streamId });
    const nth = this.#counts.get(method) ?? 0;
    this.#counts.set(method, nth + 1);
    const honest = (): Promise<Uint8Array> => this.services.answer(method, body);
    const lie = this.#lies.get(method) ?? honest;
    try {
      const answer = await lie({ method, body, streamId, connection, nth }, honest);
      if (answer !== undefined) connection.send(responseFrame(streamId, answer));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      connection.send(refusalFrame(streamId, error.reason));
    }
  }
}

function refusalIn({ code, details }: Frame): Refusal {
  const known = details.map(({ key, value }) => [key as DetailKey, value] as const);
  return new Refusal(reasonOf(code) ?? 'INTERNAL', Object.fromEntries(known));
}
