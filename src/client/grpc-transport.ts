/** Plain gRPC: the host reads what travels, and its word is all there is to an answer's status. */
import { Client, Metadata, credentials } from '@grpc/grpc-js';
import type { CallOptions as GrpcOptions, MethodDefinition, ServiceError } from '@grpc/grpc-js';
import { DEFAULT_DEADLINE_MS, MAX_FRAME_BYTES } from '../../enclave/wire/limits.ts';
import { connectionClosed } from './sdk/errors.ts';
import { signerErrorFrom } from './signer-error.ts';
import type { CallOptions, Transport } from './transport.ts';

/** Where the service is and who we are: PEM bytes, not paths. */
export type Endpoint =
  | {
      readonly kind: 'tls';
      /** HOST:PORT. */
      readonly address: string;
      /** Absent: the authorities that Node trusts. */
      readonly ca?: Uint8Array;
      readonly cert: Uint8Array;
      readonly key: Uint8Array;
    }
  | { readonly kind: 'socket'; readonly path: string };

/** An answer in records is a little larger than the answer. */
const MAX_RECEIVE_BYTES = 2 * MAX_FRAME_BYTES;

export class GrpcTransport implements Transport {
  readonly #client: Client;
  readonly #underWay = new Set<{ cancel(): void }>();
  #closed = false;

  /** Opens no connection yet. Throws for PEM bytes that OpenSSL cannot read. */
  constructor(endpoint: Endpoint) {
    const options = {
      'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
      // grpc-js waits a second after the first refused connection; a killed host is back sooner.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      // https_proxy in the environment is not meant for this computer itself.
      ...(isHere(endpoint) ? { 'grpc.enable_http_proxy': 0 } : {}),
    };
    this.#client =
      endpoint.kind === 'socket'
        ? new Client(`unix:${endpoint.path}`, credentials.createInsecure(), options)
        : new Client(
            endpoint.address,
            credentials.createSsl(
              endpoint.ca === undefined ? null : Buffer.from(endpoint.ca),
              Buffer.from(endpoint.key),
              Buffer.from(endpoint.cert),
            ),
            options,
          );
  }

  /** Rejects with SignerError, and with RequestError after `close`; as `stream` does. */
  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options?: CallOptions,
  ): Promise<Response> {
    if (this.#closed) return Promise.reject(connectionClosed());
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadataOf(options),
        optionsOf(options),
        (error, response) => {
          this.#underWay.delete(call);
          if (error !== null) reject(signerErrorFrom(error));
          else if (response !== undefined) resolve(response);
        },
      );
      this.#underWay.add(call);
    });
  }

  /**
   * All requests in one stream. Resolves when `take` has returned true, or when the host has ended the stream. Rejects with
   * SignerError, and with what `take` throws.
   */
  stream<Request, Response>(
    method: MethodDefinition<Request, Response>,
    requests: readonly Request[],
    take: (response: Response) => boolean,
    options?: CallOptions,
  ): Promise<void> {
    if (this.#closed) return Promise.reject(connectionClosed());
    const call = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadataOf(options),
      optionsOf(options),
    );
    this.#underWay.add(call);
    return new Promise<void>((resolve, reject) => {
      call.on('data', (response: Response) => {
        try {
          if (take(response)) resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error('thrown', { cause: error }));
        }
      });
      // grpc-js emits an error of the status before `end`.
      call.on('error', (error) => {
        reject(signerErrorFrom(error as ServiceError));
      });
      call.on('end', resolve);
      for (const request of requests) call.write(request);
      call.end();
    }).finally(() => {
      this.#underWay.delete(call);
      // What else the host has to say is of no interest.
      call.cancel();
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#client.close();
    for (const call of this.#underWay) call.cancel();
    return Promise.resolve();
  }
}

function metadataOf({ waitForReady = false }: CallOptions = {}): Metadata {
  return new Metadata({ waitForReady });
}

function optionsOf({ timeoutMs = DEFAULT_DEADLINE_MS }: CallOptions = {}): GrpcOptions {
  return { deadline: Date.now() + timeoutMs };
}

function isHere(endpoint: Endpoint): boolean {
  return endpoint.kind === 'socket' || /^(localhost|127\.[\d.]+|\[::1\]):/.test(endpoint.address);
}
