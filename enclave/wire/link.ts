/**
 * Both ends of the link between host and enclave, without the socket: bytes in, bytes out. Each side
 * numbers the calls it opens; an answer names the number of the receiver's call (docs/spec/frames.md).
 */
import { decodeFrame, encodeFrame, FrameError, MessageReader, WIRE_VERSION } from './frame.ts';
import {
  type Frame,
  FrameKind,
  type Detail,
  type UntrustedCaller,
} from './gen/sealwright/enclave/v1/frame.ts';
import {
  DETAIL_KEYS,
  ERROR_CODES,
  reasonOf,
  Refusal,
  type DetailKey,
  type Details,
} from './error-code.ts';
import {
  DEFAULT_DEADLINE_MS,
  MAX_DEADLINE_MS,
  MAX_DETAIL_LENGTH,
  MAX_FRAME_BYTES,
  MAX_IN_FLIGHT,
  MAX_IN_FLIGHT_BYTES,
} from './limits.ts';

/** A call that the other side opened. */
export interface IncomingCall {
  readonly method: string;
  /** A view on the frame: copy what outlives the call. */
  readonly body: Uint8Array;
  /** What the other side says it will wait; already cut to the limit. */
  readonly timeoutMs: number;
  readonly untrustedCaller: UntrustedCaller | undefined;
  /** True as soon as the other side stopped waiting. */
  readonly cancelled: boolean;
}

/** Answers a call: bytes now, bytes later, or a thrown Refusal. Anything else thrown becomes INTERNAL. */
export type CallHandler = (call: IncomingCall) => Uint8Array | Promise<Uint8Array>;

/**
 * What the other side's calls hold until their work has ended. One for all links of a socket: a side that hangs up
 * and calls again must not get it twice.
 */
export class InFlight {
  #calls = 0;
  #bytes = 0;

  /** False when there is no room. */
  take(bytes: number): boolean {
    if (this.#calls >= MAX_IN_FLIGHT || this.#bytes + bytes > MAX_IN_FLIGHT_BYTES) return false;
    this.#calls += 1;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#calls -= 1;
    this.#bytes -= bytes;
  }
}

export interface LinkOptions {
  /** Takes ownership of the bytes. */
  readonly send: (bytes: Uint8Array) => void;
  /** The link can't go on: the owner closes the transport and then calls `closed`. */
  readonly fail: (error: FrameError) => void;
  readonly handle: CallHandler;
  /** Told of an exception that is not a Refusal; the other side only sees INTERNAL. */
  readonly onBug: (error: unknown, method: string) => void;
  /** Shared with other links; without it the link counts for itself. */
  readonly inFlight?: InFlight;
}

/** What the link needs of an AbortSignal; the host has a cheaper one for its hot path. */
export interface CancelSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly untrustedCaller?: UntrustedCaller | undefined;
  readonly signal?: CancelSignal;
}

/** The transport closed while calls were in flight, or before one could be sent. */
export class LinkClosed extends Error {
  override readonly name = 'LinkClosed';
}

interface Pending {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly signal: CancelSignal | undefined;
  readonly onAbort: (() => void) | undefined;
}

interface OpenCall extends IncomingCall {
  cancelled: boolean;
  /** Of the whole frame: the body is a view on it. */
  readonly frameBytes: number;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #reader = new MessageReader();
  readonly #pending = new Map<bigint, Pending>();
  readonly #incoming = new Map<bigint, OpenCall>();
  readonly #inFlight: InFlight;
  #lastSent = 0n;
  #lastReceived = 0n;
  #open = true;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#inFlight = options.inFlight ?? new InFlight();
  }

  /** Calls of ours that wait for an answer. */
  get inFlight(): number {
    return this.#pending.size;
  }

  /** Calls of the other side that we have not answered. */
  get serving(): number {
    return this.#incoming.size;
  }

  /** Bytes from the transport. Never throws: malformed bytes end in `fail`. */
  receive(chunk: Uint8Array): void {
    if (!this.#open) return;
    try {
      for (const message of this.#reader.push(chunk)) {
        this.#receiveFrame(decodeFrame(message), message.byteLength);
        // A handler may have closed the transport: what came after that is nobody's.
        if (!this.#isOpen()) return;
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.closed();
      this.#options.fail(error);
    }
  }

  #isOpen(): boolean {
    return this.#open;
  }

  /** The transport is gone: every call of ours fails, every call of theirs counts as cancelled. */
  closed(): void {
    this.#open = false;
    for (const call of this.#incoming.values()) call.cancelled = true;
    this.#incoming.clear();
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(new LinkClosed());
  }

  /** Opens a call. Rejects with Refusal (the other side's answer or our deadline) or LinkClosed. */
  call(method: string, body: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    if (!this.#open) return Promise.reject(new LinkClosed());
    if (this.#pending.size >= MAX_IN_FLIGHT) {
      return Promise.reject(new Refusal('RATE_LIMITED'));
    }
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(new Refusal('CANCELLED'));
    // On the wire 0 means the receiver's default, and a fraction is no uint32.
    const wanted = Math.ceil(options.timeoutMs ?? DEFAULT_DEADLINE_MS);
    const timeoutMs = Math.max(1, Math.min(wanted, MAX_DEADLINE_MS));
    const id = this.#lastSent + 1n;
    const request = encodedWithin({
      ...EMPTY,
      streamId: id,
      kind: FrameKind.FRAME_KIND_REQUEST,
      method,
      body,
      timeoutMs,
      untrustedCaller: options.untrustedCaller,
    });
    if (request === undefined) return Promise.reject(tooLarge());
    this.#lastSent = id;
    return new Promise((resolve, reject) => {
      const give = (reason: 'DEADLINE_EXCEEDED' | 'CANCELLED') => () => {
        if (this.#settle(id) === undefined) return;
        this.#send({ ...EMPTY, streamId: id, kind: FrameKind.FRAME_KIND_CANCEL });
        reject(new Refusal(reason));
      };
      const onAbort = signal === undefined ? undefined : give('CANCELLED');
      if (onAbort !== undefined) signal?.addEventListener('abort', onAbort, { once: true });
      const timer = setTimeout(give('DEADLINE_EXCEEDED'), timeoutMs);
      this.#pending.set(id, { resolve, reject, timer, signal, onAbort });
      this.#options.send(request);
    });
  }

  #settle(id: bigint): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (pending.onAbort !== undefined) {
      pending.signal?.removeEventListener('abort', pending.onAbort);
    }
    return pending;
  }

  #receiveFrame(frame: Frame, frameBytes: number): void {
    switch (frame.kind) {
      case FrameKind.FRAME_KIND_REQUEST:
        this.#receiveRequest(frame, frameBytes);
        return;
      case FrameKind.FRAME_KIND_RESPONSE:
        this.#receiveResponse(frame);
        return;
      case FrameKind.FRAME_KIND_CANCEL: {
        const call = this.#incoming.get(frame.streamId);
        if (call !== undefined) call.cancelled = true;
        return;
      }
      default:
        throw new FrameError('kind');
    }
  }

  #receiveRequest(frame: Frame, frameBytes: number): void {
    // A replayed or reordered request would be answered twice: numbers only rise.
    if (frame.streamId <= this.#lastReceived) throw new FrameError('order');
    this.#lastReceived = frame.streamId;
    if (!this.#inFlight.take(frameBytes)) {
      this.#refuse(frame.streamId, new Refusal('RATE_LIMITED'));
      return;
    }
    const call: OpenCall = {
      method: frame.method,
      body: frame.body,
      timeoutMs: Math.min(
        frame.timeoutMs === 0 ? DEFAULT_DEADLINE_MS : frame.timeoutMs,
        MAX_DEADLINE_MS,
      ),
      untrustedCaller: frame.untrustedCaller,
      cancelled: false,
      frameBytes,
    };
    this.#incoming.set(frame.streamId, call);
    let answer: Uint8Array | Promise<Uint8Array>;
    try {
      answer = this.#options.handle(call);
    } catch (error) {
      this.#answerError(frame.streamId, call, error);
      return;
    }
    if (answer instanceof Uint8Array) {
      this.#answer(frame.streamId, call, answer);
      return;
    }
    answer.then(
      (body) => {
        this.#answer(frame.streamId, call, body);
      },
      (error: unknown) => {
        this.#answerError(frame.streamId, call, error);
      },
    );
  }

  #answer(streamId: bigint, call: OpenCall, body: Uint8Array): void {
    this.#ended(streamId, call);
    if (call.cancelled || !this.#open) return;
    const answer = encodedWithin({
      ...EMPTY,
      streamId,
      kind: FrameKind.FRAME_KIND_RESPONSE,
      body,
    });
    if (answer === undefined) this.#refuse(streamId, tooLarge());
    else this.#options.send(answer);
  }

  #ended(streamId: bigint, call: OpenCall): void {
    this.#incoming.delete(streamId);
    this.#inFlight.give(call.frameBytes);
  }

  #answerError(streamId: bigint, call: OpenCall, error: unknown): void {
    this.#ended(streamId, call);
    if (!(error instanceof Refusal)) this.#options.onBug(error, call.method);
    if (call.cancelled) return;
    this.#refuse(streamId, error instanceof Refusal ? error : new Refusal('INTERNAL'));
  }

  #refuse(streamId: bigint, refusal: Refusal): void {
    this.#send({
      ...EMPTY,
      streamId,
      kind: FrameKind.FRAME_KIND_RESPONSE,
      code: ERROR_CODES[refusal.reason],
      details: encodeDetails(refusal.details),
    });
  }

  #receiveResponse(frame: Frame): void {
    if (frame.streamId > this.#lastSent) throw new FrameError('never-asked');
    const pending = this.#settle(frame.streamId);
    // Cancelled or timed out in the meantime: nobody waits.
    if (pending === undefined) return;
    if (frame.code === 0) pending.resolve(frame.body);
    else
      pending.reject(new Refusal(reasonOf(frame.code) ?? 'INTERNAL', decodeDetails(frame.details)));
  }

  #send(frame: Frame): void {
    if (this.#open) this.#options.send(encodeFrame(frame));
  }
}

/** undefined for a frame above the limit: one body that is too large is not the link's end. */
function encodedWithin(frame: Frame): Uint8Array | undefined {
  try {
    return encodeFrame(frame);
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
}

function tooLarge(): Refusal {
  return new Refusal('FRAME_TOO_LARGE', { limitBytes: String(MAX_FRAME_BYTES) });
}

const EMPTY: Frame = {
  version: WIRE_VERSION,
  streamId: 0n,
  kind: FrameKind.FRAME_KIND_UNSPECIFIED,
  method: '',
  body: new Uint8Array(0),
  timeoutMs: 0,
  untrustedCaller: undefined,
  code: 0,
  details: [],
};

const KNOWN_DETAILS: ReadonlySet<string> = new Set(DETAIL_KEYS);

function encodeDetails(details: Details): Detail[] {
  return Object.entries(details).map(([key, value]) => ({
    key,
    value: value.slice(0, MAX_DETAIL_LENGTH),
  }));
}

/** Unknown keys are dropped: the list is closed on both sides. */
function decodeDetails(details: readonly Detail[]): Details {
  const known: Partial<Record<DetailKey, string>> = {};
  for (const { key, value } of details) {
    if (KNOWN_DETAILS.has(key)) known[key as DetailKey] = value.slice(0, MAX_DETAIL_LENGTH);
  }
  return known;
}
