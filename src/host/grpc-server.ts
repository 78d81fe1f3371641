/** One grpc-js server per listener, all with the same services: what differs is how a caller is known. */
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Duplex } from 'node:stream';
import { MAX_GRPC_RECEIVE_BYTES, MAX_RESPONSE_BYTES } from '../../enclave/wire/limits.ts';
import type { CallGate, Identify } from './call-gate.ts';
import type { EnclaveLink } from './enclave-link.ts';
import { forwardTo } from './forward.ts';
import { answerHere } from './local-call.ts';
import {
  CONNECTION_IDLE_MS,
  KEEPALIVE_TIME_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_SESSION_MEMORY_MB,
  MAX_STREAMS_PER_CONNECTION,
} from './limits.ts';
import type { LocalMethod } from './log-service.ts';
import type { Log } from './log.ts';
import { reflectionService } from './reflection.ts';
import { forwardRecords } from './session-stream.ts';
import { LOCAL_SERVICE_NAME, SERVICE_NAMES, SERVICES, type MethodShape } from './services.ts';

const OPTIONS = {
  'grpc.max_receive_message_length': MAX_GRPC_RECEIVE_BYTES,
  'grpc.max_send_message_length': MAX_RESPONSE_BYTES,
  'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.max_connection_idle_ms': CONNECTION_IDLE_MS,
  'grpc-node.max_session_memory': MAX_SESSION_MEMORY_MB,
  // It keeps books on every call that nothing here reads; /metrics does.
  'grpc.enable_channelz': 0,
};

type RawHandler = UntypedServiceImplementation[string];

export interface GrpcListener {
  /** Takes over a connection that is ready for HTTP/2. */
  readonly inject: (connection: Duplex) => void;
  /** Says goodbye to every connection; resolves when the last call has ended. */
  readonly shutdown: () => Promise<void>;
}

/** The parts that all listeners share. */
export class GrpcServices {
  readonly #link: EnclaveLink;
  readonly #gate: CallGate;
  readonly #log: Log;
  readonly #local: ReadonlyMap<string, LocalMethod>;
  readonly #health = new HealthImplementation();
  readonly #reflection = reflectionService();
  #serving: boolean | undefined;

  /** `local`: the methods that are answered here, by their paths. */
  constructor(
    link: EnclaveLink,
    gate: CallGate,
    log: Log,
    local: ReadonlyMap<string, LocalMethod>,
  ) {
    this.#link = link;
    this.#gate = gate;
    this.#log = log;
    this.#local = local;
    this.setServing(false);
    this.#health.setStatus(LOCAL_SERVICE_NAME, 'SERVING');
  }

  /** Health of every service that needs the enclave: of all at once. */
  setServing(serving: boolean): void {
    // Watchers are told of every call of setStatus, so there must be none without a change.
    if (serving === this.#serving) return;
    this.#serving = serving;
    for (const name of ['', ...SERVICE_NAMES]) {
      this.#health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    }
  }

  #handler({ path, requestStream }: MethodShape, identify: Identify): RawHandler {
    const local = this.#local.get(path);
    if (local !== undefined) return answerHere(local, this.#log, path);
    return requestStream
      ? forwardRecords(this.#link, this.#log, identify)
      : forwardTo(this.#link, this.#log, path, identify);
  }

  /** A server whose callers are known by `identify`. */
  listener(identify: Identify): GrpcListener {
    const server = new Server({ ...OPTIONS, interceptors: [this.#gate.interceptor(identify)] });
    for (const service of SERVICES) {
      const definition: Record<string, MethodShape & typeof RAW> = {};
      const handlers: UntypedServiceImplementation = {};
      for (const [name, method] of Object.entries(service)) {
        definition[name] = { ...method, ...RAW };
        handlers[name] = this.#handler(method, identify);
      }
      server.addService(definition, handlers);
    }
    this.#health.addToServer(server);
    this.#reflection.addToServer(server);
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    return {
      inject: (connection) => {
        injector.injectConnection(connection);
      },
      shutdown: () =>
        new Promise((resolve) => {
          server.tryShutdown(() => {
            resolve();
          });
        }),
    };
  }
}

const identity = (bytes: Buffer): Buffer => bytes;

/** grpc-js copies an answer with Buffer's own method, so a plain Uint8Array gets a Buffer's face. */
const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const RAW = {
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: asBuffer,
  responseDeserialize: identity,
};
