import type { CancelSignal } from '../../enclave/wire/link.ts';

/**
 * The part of AbortSignal that the link uses. A real one costs an event target per call and, because grpc-js
 * says `cancelled` at the end of every call, a DOMException too: a fifth of the host's time.
 */
export class CallCancel implements CancelSignal {
  aborted = false;
  #listener: (() => void) | undefined;

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listener = listener;
  }

  removeEventListener(): void {
    this.#listener = undefined;
  }

  fire(): void {
    this.aborted = true;
    this.#listener?.();
  }
}
