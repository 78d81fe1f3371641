/** How calls travel. What is asked and answered is the same over every transport; what the host sees of it is not. */
import type { MethodDefinition } from '@grpc/grpc-js';

export interface CallOptions {
  readonly timeoutMs?: number;
  /** Wait for a connection until the time-out instead of failing at the first refused one. */
  readonly waitForReady?: boolean;
  /** 16 bytes that a retry repeats, for transports that seal it with the call; drawn when absent. */
  readonly requestId?: Uint8Array;
}

export interface Transport {
  /** Rejects with SignerError for a call that brought no result. */
  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options?: CallOptions,
  ): Promise<Response>;
  /** Calls under way end with it. Never rejects. */
  close(): Promise<void>;
}
