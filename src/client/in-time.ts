/** A result, or the error that says that none came in time. */
import { SignerError } from './signer-error.ts';

const GRPC_DEADLINE_EXCEEDED = 4;

/** Rejects with SignerError NO_ANSWER_IN_TIME after `timeoutMs`; what was begun goes on, and nobody waits for it. */
export function inTime<T>(timeoutMs: number, result: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new SignerError(`nothing came within ${String(Math.round(timeoutMs))} ms`, {
          reason: 'NO_ANSWER_IN_TIME',
          retryable: true,
          grpcStatus: GRPC_DEADLINE_EXCEEDED,
          metadata: {},
        }),
      );
    }, timeoutMs);
  });
  return Promise.race([result, late]).finally(() => {
    clearTimeout(timer);
  });
}
