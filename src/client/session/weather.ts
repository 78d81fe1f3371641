/**
 * What the host of a session says on its own account: never a decision, only a reason to try again. It could make every
 * word of it up (docs/spec/session.md, "What a receiver checks").
 */
import { status, type MethodDefinition } from '@grpc/grpc-js';
import { printable } from '../../../enclave/wire/printable.ts';
import { SignerError, type SignerReason } from '../signer-error.ts';
import type { CallOptions, Transport } from '../transport.ts';

const NO_ANSWER: readonly SignerReason[] = ['SERVICE_UNREACHABLE', 'NO_ANSWER_IN_TIME'];

/** The same error as a session may pass it on: what the host said is a fact, not a reason. */
function weather({ reason, message, grpcStatus }: SignerError): SignerError {
  return new SignerError(`no answer of the enclave came; the host says: ${printable(message)}`, {
    reason: NO_ANSWER.includes(reason) ? reason : 'HOST_REFUSED',
    retryable: true,
    grpcStatus,
    metadata: { hostSays: printable(reason === 'NOT_EXPLAINED' ? nameOf(grpcStatus) : reason) },
  });
}

function nameOf(code: number): string {
  return status[code] ?? String(code);
}

/** Runs a call to the host. */
export async function throughHost<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof SignerError ? weather(error) : error;
  }
}

/** That there is no such session, or that none is opened so: from the enclave, or made up. */
export function saysThatSessionIsGone(error: unknown): boolean {
  return error instanceof SignerError && error.metadata['hostSays'] === 'SESSION_REFUSED';
}

/** Calls whose answers prove themselves: evidence, and what the host's copy of the log holds. */
export class HostTransport implements Transport {
  readonly #way: Transport;

  constructor(way: Transport) {
    this.#way = way;
  }

  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options?: CallOptions,
  ): Promise<Response> {
    return throughHost(() => this.#way.call(method, request, options));
  }

  close(): Promise<void> {
    return this.#way.close();
  }
}
