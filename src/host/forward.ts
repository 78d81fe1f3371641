/** Forwards one unary method to the enclave: bytes in, bytes out, nothing decoded. */
import { randomBytes } from 'node:crypto';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { DEFAULT_DEADLINE_MS, MAX_RESPONSE_BYTES } from '../../enclave/wire/limits.ts';
import { LinkClosed, type CancelSignal } from '../../enclave/wire/link.ts';
import { METHODS, maxRequestBytes } from '../../enclave/wire/methods.ts';
import type { Identify } from './call-gate.ts';
import type { EnclaveLink } from './enclave-link.ts';
import { STATUS_WITHOUT_ENCLAVE } from './enclave-status.ts';
import { describeBug, type Log } from './log.ts';
import { rpcError, serviceOf, type RpcError } from './rpc-error.ts';

/** grpc-js declares the message types of a handler; here they are bytes, by identity serializers. */
type Handler = handleUnaryCall<Buffer, Uint8Array>;

/**
 * The part of AbortSignal that the link uses. A real one costs an event target per call and, because grpc-js
 * says `cancelled` at the end of every call, a DOMException too: a fifth of the host's time.
 */
class CallCancel implements CancelSignal {
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

export function forwardTo(link: EnclaveLink, log: Log, path: string, identify: Identify): Handler {
  const service = serviceOf(path);
  const limitBytes = maxRequestBytes(path);

  const refuse = (refusal: Refusal): RpcError => {
    const { reason, details } = refusal;
    if (reason !== 'INTERNAL') log({ event: 'call.refused', method: path, reason });
    return rpcError(service, reason, details);
  };

  /** Tells the caller a number, and the log what it stands for. */
  const internal = (error: unknown): RpcError => {
    const requestId = randomBytes(8).toString('hex');
    log({ event: 'host.bug', where: path, error: describeBug(error), requestId });
    return rpcError(service, 'INTERNAL', { requestId });
  };

  const toRpcError = (error: unknown): RpcError => {
    if (error instanceof LinkClosed) return refuse(new Refusal('ENCLAVE_NOT_READY'));
    if (!(error instanceof Refusal) || error.reason === 'INTERNAL') return internal(error);
    return refuse(error);
  };

  return (call, callback) => {
    const { request } = call;
    if (request.byteLength > limitBytes) {
      const actualBytes = String(request.byteLength);
      callback(
        refuse(new Refusal('FRAME_TOO_LARGE', { limitBytes: String(limitBytes), actualBytes })),
      );
      return;
    }
    const caller = identify(call.getPeer());
    // The gate let it in, so the connection has gone since: nobody is there to be answered.
    if (caller?.known !== true) {
      callback(refuse(new Refusal('CANCELLED')));
      return;
    }
    const cancel = new CallCancel();
    call.on('cancelled', () => {
      cancel.fire();
    });
    const remainingMs = Number(call.getDeadline()) - Date.now();
    const timeoutMs = Number.isFinite(remainingMs)
      ? Math.max(1, Math.ceil(remainingMs))
      : DEFAULT_DEADLINE_MS;
    link
      .call(path, request, { timeoutMs, untrustedCaller: caller.untrusted, signal: cancel })
      .then((answer) => {
        if (answer.byteLength > MAX_RESPONSE_BYTES)
          callback(internal(new RangeError('answer exceeds the limit')));
        else callback(null, answer);
      })
      .catch((error: unknown) => {
        // The one answer that needs no enclave: that there is none.
        if (path === METHODS.getStatus && error instanceof LinkClosed)
          callback(null, STATUS_WITHOUT_ENCLAVE);
        else callback(toRpcError(error));
      });
  };
}
