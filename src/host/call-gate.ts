/**
 * What happens to a call before anybody reads its request: who calls, are there too many, does the request
 * arrive in time. One gate for all listeners, because memory and the enclave are one.
 */
import { hash } from 'node:crypto';
import {
  ServerInterceptingCall,
  status as Code,
  type Metadata,
  type ServerInterceptingCallInterface as Inner,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import type { Details, Reason } from '../../enclave/wire/error-code.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import type { Caller } from './caller.ts';
import {
  MAX_OPEN_CALLS,
  MAX_OPEN_STREAMS,
  MAX_RECORD_STREAMS_OF_CALLER,
  REFLECTION_STREAM_MS,
  REQUEST_ARRIVAL_MS,
} from './limits.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { rpcError, serviceOf, type RpcError } from './rpc-error.ts';

/** The caller behind a peer's name; undefined when its connection is gone. */
export type Identify = (peer: string) => Caller | undefined;

type Listener = Parameters<Inner['start']>[0];
type Kind = 'call' | 'watch' | 'reflection' | 'records';

/** Health tells nothing but yes or no, and probes of orchestrators have no certificate. */
const HEALTH_PREFIX = '/grpc.health.v1.Health/';

export class CallGate {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #streams = new Set<GatedCall>();
  /** Open streams of records by their caller. */
  readonly #recordStreams = new Map<string, number>();
  #openCalls = 0;

  constructor(log: Log, metrics: Metrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  get openCalls(): number {
    return this.#openCalls;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** The gate as one listener's interceptor. */
  interceptor(identify: Identify): ServerInterceptor {
    return ({ path, requestStream, responseStream }, call) => {
      const unary = !requestStream && !responseStream;
      const kind = unary ? 'call' : requestStream ? streamKind(path) : 'watch';
      return new GatedCall(this, identify, path, kind, call);
    };
  }

  /** Ends what would never end by itself, so that a drain can finish. */
  endStreams(): void {
    for (const stream of this.#streams) stream.refuse('ENCLAVE_NOT_READY');
  }

  /** Counts the call, or says why not. */
  enter(call: GatedCall, identify: Identify): RpcError | undefined {
    if (!call.path.startsWith(HEALTH_PREFIX)) {
      const actual = unknownBecause(identify(call.getPeer()));
      if (actual !== undefined)
        return this.refusal(call.path, 'CALLER_UNAUTHENTICATED', { actual });
    }
    const [open, limit] =
      call.kind === 'call'
        ? [this.#openCalls, MAX_OPEN_CALLS]
        : [this.#streams.size, MAX_OPEN_STREAMS];
    if (open >= limit) return this.#tooMany(call, limit);
    if (call.kind === 'records') {
      call.owner = ownerOf(identify(call.getPeer()));
      const own = this.#recordStreams.get(call.owner) ?? 0;
      if (own >= MAX_RECORD_STREAMS_OF_CALLER) {
        return this.#tooMany(call, MAX_RECORD_STREAMS_OF_CALLER);
      }
      this.#recordStreams.set(call.owner, own + 1);
    }
    if (call.kind === 'call') this.#openCalls += 1;
    else this.#streams.add(call);
    return undefined;
  }

  #tooMany({ path }: GatedCall, limit: number): RpcError {
    return this.refusal(path, 'RATE_LIMITED', { expected: `at most ${String(limit)} at once` });
  }

  /** Uncounts a call that had entered. */
  leave(call: GatedCall): void {
    if (call.kind === 'call') this.#openCalls -= 1;
    else this.#streams.delete(call);
    if (call.kind !== 'records') return;
    const left = (this.#recordStreams.get(call.owner) ?? 0) - 1;
    if (left > 0) this.#recordStreams.set(call.owner, left);
    else this.#recordStreams.delete(call.owner);
  }

  ended(path: string, code: Code, startedMs: number): void {
    this.#metrics.callEnded(path, code, (performance.now() - startedMs) / 1000);
  }

  refusal(path: string, reason: Reason, details: Details): RpcError {
    this.#log({ event: 'call.refused', method: path, reason });
    return rpcError(serviceOf(path), reason, details);
  }
}

/** A stream of records ends by itself when nothing comes. */
function streamKind(path: string): Kind {
  return path === METHODS.streamSession ? 'records' : 'reflection';
}

/** The leaf of a chain, or a socket. */
function ownerOf(caller: Caller | undefined): string {
  if (caller?.known !== true) return '';
  const [leaf] = caller.untrusted.certificates;
  return leaf === undefined ? caller.untrusted.socket : hash('sha256', leaf, 'base64');
}

function unknownBecause(caller: Caller | undefined): string | undefined {
  if (caller === undefined) return 'a connection that is closed';
  if (!caller.known) return caller.actual;
  return Date.now() > caller.notAfterMs
    ? 'a certificate that has expired since the connection began'
    : undefined;
}

/** grpc-js wants its own class; every method of it that matters here is ours. */
class GatedCall extends ServerInterceptingCall {
  readonly path: string;
  readonly kind: Kind;
  /** Of a stream of records: whose it is. */
  owner = '';
  readonly #gate: CallGate;
  readonly #identify: Identify;
  readonly #inner: Inner;
  readonly #startedMs = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #entered = false;
  #ended = false;

  constructor(gate: CallGate, identify: Identify, path: string, kind: Kind, inner: Inner) {
    super(inner);
    this.#gate = gate;
    this.#identify = identify;
    this.path = path;
    this.kind = kind;
    this.#inner = inner;
  }

  override start(listener: Listener): void {
    const refused = this.#gate.enter(this, this.#identify);
    if (refused !== undefined) {
      // The request is never read: grpc-js drops what still arrives of it.
      this.sendStatus(refused);
      return;
    }
    this.#entered = true;
    if (this.kind === 'call' || this.kind === 'reflection') {
      const timeoutMs = this.kind === 'call' ? REQUEST_ARRIVAL_MS : REFLECTION_STREAM_MS;
      this.#timer = setTimeout(() => {
        const expected = `the whole request within ${String(timeoutMs)} ms`;
        this.refuse('DEADLINE_EXCEEDED', { expected });
      }, timeoutMs);
    }
    const state = { started: false };
    this.#inner.start({
      onReceiveMetadata: (metadata) => {
        state.started = true;
        listener.onReceiveMetadata(metadata);
      },
      onReceiveMessage: (message) => {
        listener.onReceiveMessage(message);
      },
      onReceiveHalfClose: () => {
        if (this.kind === 'call') clearTimeout(this.#timer);
        listener.onReceiveHalfClose();
      },
      onCancel: () => {
        this.#end(this.#expired() ? Code.DEADLINE_EXCEEDED : Code.CANCELLED);
        listener.onCancel();
      },
    });
    // A stream that was reset before it could start tells nobody of its end.
    if (!state.started) this.#end(Code.CANCELLED);
  }

  refuse(reason: Reason, details: Details = {}): void {
    this.sendStatus(this.#gate.refusal(this.path, reason, details));
  }

  override sendStatus(status: Parameters<Inner['sendStatus']>[0]): void {
    this.#end(status.code);
    this.#inner.sendStatus(status);
  }

  override sendMetadata(metadata: Metadata): void {
    this.#inner.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#inner.sendMessage(message, callback);
  }

  override startRead(): void {
    this.#inner.startRead();
  }

  #expired(): boolean {
    return Number(this.#inner.getDeadline()) <= Date.now();
  }

  #end(code: Code): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    if (this.#entered) this.#gate.leave(this);
    this.#gate.ended(this.path, code, this.#startedMs);
  }
}
