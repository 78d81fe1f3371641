/** A call on its way through the pool. */
import type { TokenFailure } from '../ports.ts';
import { HsmRequest } from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import type { WorkerResult } from './pool-worker.ts';

export interface CallOptions<T> {
  /** Our name for it; appears in TokenFailure. */
  readonly operation: string;
  readonly request: HsmRequest;
  readonly deadlineMs: number;
  /** May be done twice: retried once when its worker is lost. */
  readonly idempotent: boolean;
  /** May keep a worker busy for long: nothing waits behind it, and it waits behind nothing. */
  readonly long: boolean;
  /** The checked value, or undefined for an answer that must not be released. */
  readonly accept: (result: WorkerResult) => T | undefined;
}

export class TokenCall<T = unknown> {
  readonly operation: string;
  readonly body: Uint8Array;
  readonly deadlineMs: number;
  readonly idempotent: boolean;
  readonly long: boolean;
  readonly #accept: (result: WorkerResult) => T | undefined;
  readonly #resolve: (value: T) => void;
  readonly #reject: (failure: TokenFailure) => void;
  retried = false;
  /** Asked again of a worker that was opened after the first answer. */
  confirming = false;
  waitedMs = 0;

  constructor(
    options: CallOptions<T>,
    resolve: (value: T) => void,
    reject: (failure: TokenFailure) => void,
  ) {
    this.operation = options.operation;
    this.body = HsmRequest.encode(options.request).finish();
    this.deadlineMs = options.deadlineMs;
    this.idempotent = options.idempotent;
    this.long = options.long;
    this.#accept = options.accept;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** False when the answer must not be released. */
  settle(result: WorkerResult): boolean {
    let value: T | undefined;
    try {
      value = this.#accept(result);
    } catch {
      // What our own checks choke on is not released either.
    }
    if (value === undefined) return false;
    this.#resolve(value);
    return true;
  }

  fail(failure: TokenFailure): void {
    this.#reject(failure);
  }
}
