/** What a call ends with when it fails: told to the caller in the words of the closed list, and to the log. */
import { randomBytes } from 'node:crypto';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { LinkClosed } from '../../enclave/wire/link.ts';
import { describeBug, type Log } from './log.ts';
import { rpcError, serviceOf, type RpcError } from './rpc-error.ts';

export type ToRpcError = (error: unknown) => RpcError;

/** Of one method. Anything but a refusal is a bug: the caller is told a number, and the log what it stands for. */
export function refusalsOf(path: string, log: Log): ToRpcError {
  const service = serviceOf(path);
  return (error) => {
    const refusal = error instanceof LinkClosed ? new Refusal('ENCLAVE_NOT_READY') : error;
    if (refusal instanceof Refusal && refusal.reason !== 'INTERNAL') {
      const { reason, details } = refusal;
      log({ event: 'call.refused', method: path, reason });
      return rpcError(service, reason, details);
    }
    const requestId = randomBytes(8).toString('hex');
    log({ event: 'host.bug', where: path, error: describeBug(error), requestId });
    return rpcError(service, 'INTERNAL', { requestId });
  };
}
