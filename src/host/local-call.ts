/** Answers one unary method on the host itself: the same rules for callers and sizes as for forwarded ones. */
import { randomBytes } from 'node:crypto';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { maxRequestBytes } from '../../enclave/wire/methods.ts';
import type { LocalMethod } from './log-service.ts';
import { describeBug, type Log } from './log.ts';
import { rpcError, serviceOf, type RpcError } from './rpc-error.ts';

type Handler = handleUnaryCall<Buffer, Uint8Array>;

/** The gate has let the caller in. */
export function answerHere(method: LocalMethod, log: Log, path: string): Handler {
  const service = serviceOf(path);
  const limit = maxRequestBytes(path);

  const toRpcError = (error: unknown): RpcError => {
    if (error instanceof Refusal) {
      log({ event: 'call.refused', method: path, reason: error.reason });
      return rpcError(service, error.reason, error.details);
    }
    const requestId = randomBytes(8).toString('hex');
    log({ event: 'host.bug', where: path, error: describeBug(error), requestId });
    return rpcError(service, 'INTERNAL', { requestId });
  };

  return ({ request }, callback) => {
    if (request.byteLength > limit) {
      const [limitBytes, actualBytes] = [String(limit), String(request.byteLength)];
      callback(toRpcError(new Refusal('FRAME_TOO_LARGE', { limitBytes, actualBytes })));
      return;
    }
    method(request).then(
      (answer) => {
        callback(null, answer);
      },
      (error: unknown) => {
        callback(toRpcError(error));
      },
    );
  };
}
