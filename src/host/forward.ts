/** Forwards one unary method to the enclave: bytes in, bytes out, nothing decoded. */
import type { handleUnaryCall } from '@grpc/grpc-js';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { DEFAULT_DEADLINE_MS, MAX_RESPONSE_BYTES } from '../../enclave/wire/limits.ts';
import { LinkClosed } from '../../enclave/wire/link.ts';
import { METHODS, maxRequestBytes, PROVED_INSIDE } from '../../enclave/wire/methods.ts';
import { CallCancel } from './call-cancel.ts';
import type { Identify } from './call-gate.ts';
import type { EnclaveLink } from './enclave-link.ts';
import { STATUS_WITHOUT_ENCLAVE } from './enclave-status.ts';
import type { Log } from './log.ts';
import { refusalsOf } from './refusals.ts';

/** grpc-js declares the message types of a handler; here they are bytes, by identity serializers. */
type Handler = handleUnaryCall<Buffer, Uint8Array>;

export function forwardTo(link: EnclaveLink, log: Log, path: string, identify: Identify): Handler {
  const limitBytes = maxRequestBytes(path);
  const refused = refusalsOf(path, log);
  const saysWhoCalls = !PROVED_INSIDE.has(path);

  return (call, callback) => {
    const { request } = call;
    if (request.byteLength > limitBytes) {
      const actualBytes = String(request.byteLength);
      const facts = { limitBytes: String(limitBytes), actualBytes };
      callback(refused(new Refusal('FRAME_TOO_LARGE', facts)));
      return;
    }
    const caller = identify(call.getPeer());
    // The gate let it in, so the connection has gone since: nobody is there to be answered.
    if (caller?.known !== true) {
      callback(refused(new Refusal('CANCELLED')));
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
      .call(path, request, {
        timeoutMs,
        untrustedCaller: saysWhoCalls ? caller.untrusted : undefined,
        signal: cancel,
      })
      .then((answer) => {
        if (answer.byteLength > MAX_RESPONSE_BYTES)
          callback(refused(new RangeError('answer exceeds the limit')));
        else callback(null, answer);
      })
      .catch((error: unknown) => {
        // The one answer that needs no enclave: that there is none.
        if (path === METHODS.getStatus && error instanceof LinkClosed)
          callback(null, STATUS_WITHOUT_ENCLAVE);
        else callback(refused(error));
      });
  };
}
