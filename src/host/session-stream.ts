/**
 * StreamSession: a pipe of records between a caller and the enclave. Each record is a call of the link, begun in the order in
 * which they came; answers leave as they come. Nothing is decoded, not even which session a record is of.
 */
import type { handleBidiStreamingCall, ServerDuplexStream } from '@grpc/grpc-js';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { MAX_DEADLINE_MS } from '../../enclave/wire/limits.ts';
import { maxRequestBytes, METHODS } from '../../enclave/wire/methods.ts';
import { CallCancel } from './call-cancel.ts';
import type { Identify } from './call-gate.ts';
import type { EnclaveLink } from './enclave-link.ts';
import { MAX_RECORDS_OF_STREAM, REQUEST_ARRIVAL_MS, STREAM_IDLE_MS } from './limits.ts';
import type { Log } from './log.ts';
import { refusalsOf, type ToRpcError } from './refusals.ts';

const PATH = METHODS.streamSession;
const LIMIT_BYTES = maxRequestBytes(PATH);

type Stream = ServerDuplexStream<Buffer, Uint8Array>;

export function forwardRecords(
  link: EnclaveLink,
  log: Log,
  identify: Identify,
): handleBidiStreamingCall<Buffer, Uint8Array> {
  const refused = refusalsOf(PATH, log);
  return (stream) => {
    new RecordPipe(stream, link, identify, refused).start();
  };
}

class RecordPipe {
  readonly #stream: Stream;
  readonly #link: EnclaveLink;
  readonly #identify: Identify;
  readonly #refused: ToRpcError;
  /** Records that the enclave has not answered. */
  readonly #waiting = new Set<CallCancel>();
  #idle: ReturnType<typeof setTimeout> | undefined;
  #sentAll = false;
  #over = false;

  constructor(stream: Stream, link: EnclaveLink, identify: Identify, refused: ToRpcError) {
    this.#stream = stream;
    this.#link = link;
    this.#identify = identify;
    this.#refused = refused;
  }

  start(): void {
    const stream = this.#stream;
    this.#awaitRecord(REQUEST_ARRIVAL_MS);
    stream.on('data', (message: Buffer) => {
      if (!this.#over) this.#forward(message);
    });
    stream.on('drain', () => {
      this.#goOn();
    });
    stream.on('end', () => {
      this.#sentAll = true;
      this.#finish();
    });
    stream.on('cancelled', () => {
      this.#end();
    });
  }

  /** The first one comes as soon as any request must. */
  #awaitRecord(ms: number): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      this.#fail(
        new Refusal('DEADLINE_EXCEEDED', { expected: `a record within ${String(ms)} ms` }),
      );
    }, ms);
  }

  #forward(message: Buffer): void {
    this.#awaitRecord(STREAM_IDLE_MS);
    const { byteLength } = message;
    if (byteLength > LIMIT_BYTES) {
      const facts = { limitBytes: String(LIMIT_BYTES), actualBytes: String(byteLength) };
      this.#fail(new Refusal('FRAME_TOO_LARGE', facts));
      return;
    }
    const caller = this.#identify(this.#stream.getPeer());
    if (caller?.known !== true) {
      this.#fail(new Refusal('CANCELLED'));
      return;
    }
    const signal = new CallCancel();
    this.#waiting.add(signal);
    // Whoever sends without reading waits here, and nothing of theirs in the enclave.
    if (this.#waiting.size >= MAX_RECORDS_OF_STREAM) this.#stream.pause();
    this.#link.call(PATH, message, { timeoutMs: MAX_DEADLINE_MS, signal }).then(
      (answer) => {
        this.#waiting.delete(signal);
        if (this.#over) return;
        // Whoever does not read is not read: `drain` goes on.
        if (!this.#stream.write(answer)) this.#stream.pause();
        this.#goOn();
        this.#finish();
      },
      (error: unknown) => {
        this.#waiting.delete(signal);
        this.#fail(error);
      },
    );
  }

  #goOn(): void {
    if (this.#over || this.#stream.writableNeedDrain) return;
    if (this.#waiting.size < MAX_RECORDS_OF_STREAM) this.#stream.resume();
  }

  #finish(): void {
    if (this.#over || !this.#sentAll || this.#waiting.size > 0) return;
    this.#end();
    this.#stream.end();
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#end();
    // As grpc-js wants it: the stream takes the error for its status, and ends.
    this.#stream.emit('error', this.#refused(error));
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#idle);
    for (const signal of this.#waiting) signal.fire();
  }
}
