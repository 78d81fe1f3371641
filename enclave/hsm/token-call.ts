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
  /** CKA_ID of the one object that it is about, in hex. */
  readonly objectId?: string;
  /** The value of an answer; undefined for an answer to something else. */
  readonly accept: (result: WorkerResult) => T | undefined;
  /** Whether the value may be released. */
  readonly check?: (value: T) => boolean | Promise<boolean>;
}

export class TokenCall<T = unknown> {
  readonly operation: string;
  readonly body: Uint8Array;
  readonly deadlineMs: number;
  readonly idempotent: boolean;
  readonly long: boolean;
  readonly objectId: string | undefined;
  readonly #accept: (result: WorkerResult) => T | undefined;
  readonly #check: CallOptions<T>['check'];
  readonly #resolve: (value: T) => void;
  readonly #reject: (failure: TokenFailure) => void;
  retried = false;
  /** How often it was asked again of a worker that was opened after the last answer. */
  confirmations = 0;
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
    this.objectId = options.objectId;
    this.#accept = options.accept;
    this.#check = options.check;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Resolves with false when the answer must not be released. */
  async settle(result: WorkerResult): Promise<boolean> {
    try {
      const value = this.#accept(result);
      if (value === undefined || (await this.#check?.(value)) === false) return false;
      this.#resolve(value);
      return true;
    } catch {
      // What our own checks choke on is not released either.
      return false;
    }
  }

  fail(failure: TokenFailure): void {
    this.#reject(failure);
  }
}
