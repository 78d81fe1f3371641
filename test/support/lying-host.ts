/**
 * A host that lies: it stands between a command and a real stack, hands every call on, and changes what a test tells
 * it to change. It is what the operator of a host can be, so no command may believe it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Metadata, Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import type {
  handleBidiStreamingCall,
  MethodDefinition,
  ServiceDefinition,
  ServiceError,
  UntypedHandleCall,
  sendUnaryData,
} from '@grpc/grpc-js';
import { AttestationServiceService } from '../../src/gen/sealwright/v1/attestation.ts';
import { KeyServiceService } from '../../src/gen/sealwright/v1/keys.ts';
import { LogServiceService } from '../../src/gen/sealwright/v1/log.ts';
import { SessionServiceService } from '../../src/gen/sealwright/v1/session.ts';
import { SigningServiceService } from '../../src/gen/sealwright/v1/signing.ts';
import type { Ready } from './stack.ts';

/** The messages of one method, and how they are written. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (value: Response) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** Makes an answer of its own, with or without asking for the true one; `nth` counts calls of the method from 0. */
export type Lie<Request, Response> = (
  request: Request,
  truth: (request: Request) => Promise<Response>,
  nth: number,
) => Response | Promise<Response>;

type AnyLie = Lie<unknown, unknown>;

const SERVICES = [
  AttestationServiceService,
  KeyServiceService,
  LogServiceService,
  SessionServiceService,
  SigningServiceService,
];

const CALL_SESSION = SessionServiceService.callSession as unknown as Method<unknown, unknown>;

/** Calls a real stack as its client does. */
export class TrueHost {
  readonly #client: Client;

  constructor({ address, ca, cert, key }: Pick<Ready, 'address' | 'ca' | 'cert' | 'key'>) {
    const [caPem, certPem, keyPem] = [ca, cert, key].map((path) => readFileSync(path));
    this.#client = new Client(
      address,
      credentials.createSsl(caPem ?? null, keyPem ?? null, certPem ?? null),
    );
  }

  call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + 10_000 },
        (error: ServiceError | null, response) => {
          if (error !== null) reject(error);
          else if (response !== undefined) resolve(response);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

export class LyingHost {
  /** Path of the Unix socket. */
  readonly socket: string;
  readonly #folder: string;
  readonly #server = new Server();
  readonly #lies = new Map<string, AnyLie>();
  readonly #calls = new Map<string, number>();
  #truth: TrueHost;

  private constructor(truth: TrueHost) {
    this.#truth = truth;
    this.#folder = mkdtempSync(join(tmpdir(), 'sw-liar-'));
    this.socket = join(this.#folder, 'api.sock');
    for (const service of SERVICES) {
      const methods = Object.entries(service as ServiceDefinition);
      const handlers = methods.map(
        ([name, method]) =>
          [name, method.requestStream ? this.#piped(method) : this.#handler(method)] as const,
      );
      this.#server.addService(service, Object.fromEntries(handlers));
    }
  }

  static async start(truth: TrueHost): Promise<LyingHost> {
    const host = new LyingHost(truth);
    const insecure = ServerCredentials.createInsecure();
    await new Promise<void>((resolve, reject) => {
      host.#server.bindAsync(`unix:${host.socket}`, insecure, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    return host;
  }

  /** From now on this method answers with the lie. */
  lie<Request, Response>(method: Method<Request, Response>, lie: Lie<Request, Response>): void {
    this.#lies.set(method.path, lie as AnyLie);
  }

  /** From now on everything is true again, and every count is 0. */
  repent(): void {
    this.#lies.clear();
    this.#calls.clear();
  }

  /** How often a method was called since. */
  calls(method: Pick<Method<never, never>, 'path'>): number {
    return this.#calls.get(method.path) ?? 0;
  }

  stop(): void {
    this.#server.forceShutdown();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What becomes of one message: a lie about `asked`, told with the truth of `method`. */
  #answer(
    asked: Pick<Method<unknown, unknown>, 'path'>,
    method: Method<unknown, unknown>,
    message: unknown,
  ): Promise<unknown> {
    const nth = this.#calls.get(asked.path) ?? 0;
    this.#calls.set(asked.path, nth + 1);
    const truth = (request: unknown): Promise<unknown> => this.#truth.call(method, request);
    const lie = this.#lies.get(asked.path) ?? ((request) => truth(request));
    return Promise.resolve().then(() => lie(message, truth, nth));
  }

  /** StreamSession: which way a record comes makes no difference to the enclave, so each is brought by CallSession. */
  #piped(method: MethodDefinition<unknown, unknown>): handleBidiStreamingCall<unknown, unknown> {
    return (stream) => {
      const answerAll = async (): Promise<void> => {
        for await (const message of stream) {
          stream.write(await this.#answer(method, CALL_SESSION, message));
        }
        stream.end();
      };
      answerAll().catch((error: unknown) => {
        stream.emit('error', error);
      });
    };
  }

  #handler(method: Method<unknown, unknown>): UntypedHandleCall {
    return (call: { request: unknown }, answer: sendUnaryData<unknown>) => {
      this.#answer(method, method, call.request).then(
        (value) => {
          answer(null, value);
        },
        (error: unknown) => {
          answer(error as ServiceError);
        },
      );
    };
  }
}
