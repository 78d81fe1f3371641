/** Answers one unary method on the host itself: the same rules for callers and sizes as for forwarded ones. */
import type { handleUnaryCall } from '@grpc/grpc-js';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { maxRequestBytes } from '../../enclave/wire/methods.ts';
import type { LocalMethod } from './log-service.ts';
import type { Log } from './log.ts';
import { refusalsOf } from './refusals.ts';

type Handler = handleUnaryCall<Buffer, Uint8Array>;

/** The gate has let the caller in. */
export function answerHere(method: LocalMethod, log: Log, path: string): Handler {
  const limit = maxRequestBytes(path);
  const refused = refusalsOf(path, log);

  return ({ request }, callback) => {
    if (request.byteLength > limit) {
      const [limitBytes, actualBytes] = [String(limit), String(request.byteLength)];
      callback(refused(new Refusal('FRAME_TOO_LARGE', { limitBytes, actualBytes })));
      return;
    }
    method(request).then(
      (answer) => {
        callback(null, answer);
      },
      (error: unknown) => {
        callback(refused(error));
      },
    );
  };
}
