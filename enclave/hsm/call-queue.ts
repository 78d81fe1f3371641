/** Calls that wait for a worker, in order, and not for ever. */
import { TokenFailure } from '../ports.ts';
import type { TokenCall } from './token-call.ts';

const TICK_MS = 100;

export class CallQueue {
  readonly #deadlineMs: number;
  readonly #calls: TokenCall[] = [];
  #ticker: NodeJS.Timeout | undefined;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  get length(): number {
    return this.#calls.length;
  }

  get first(): TokenCall | undefined {
    return this.#calls[0];
  }

  push(call: TokenCall): void {
    this.#calls.push(call);
  }

  /** A call that had its turn already goes before the others. */
  pushFirst(call: TokenCall): void {
    this.#calls.unshift(call);
  }

  shift(): TokenCall | undefined {
    return this.#calls.shift();
  }

  takeAll(): TokenCall[] {
    return this.#calls.splice(0);
  }

  rejectAll({ kind, rv }: TokenFailure): void {
    for (const call of this.takeAll()) call.fail(new TokenFailure(kind, call.operation, rv));
  }

  /** From now on calls that wait too long are refused, until the queue is empty. */
  watch(): void {
    if (this.#calls.length === 0) return;
    this.#ticker ??= setInterval(() => {
      this.#tick();
    }, TICK_MS);
  }

  #tick(): void {
    for (const call of this.#calls) call.waitedMs += TICK_MS;
    while ((this.first?.waitedMs ?? 0) >= this.#deadlineMs) {
      const late = this.shift();
      late?.fail(new TokenFailure('unavailable', late.operation));
    }
    if (this.#calls.length > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }
}
