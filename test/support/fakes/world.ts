/** Everything around an enclave, in memory: what survives a restart is here, the enclave itself is not. */
import type { Ports } from '../../../enclave/ports.ts';
import { Enclave } from '../../../enclave/core/enclave.ts';
import { noAnchor } from '../../../enclave/core/no-anchor.ts';
import type { Anchor, OwnProcess } from '../../../enclave/ports.ts';
import type { SuiteNumber } from '../../../enclave/wire/session/suites.ts';
import type { AlgorithmName, Residency } from '../../../enclave/wire/algorithm.ts';
import type { CommitGenesisResponse } from '../../../enclave/wire/gen/sealwright/v1/genesis.ts';
import { ListKeysResponse, type Key } from '../../../enclave/wire/gen/sealwright/v1/keys.ts';
import {
  SignatureEncoding,
  SignBatchRequest,
  SignBatchResponse,
  SignRequest,
  SignResponse,
} from '../../../enclave/wire/gen/sealwright/v1/signing.ts';
import { GetStatusResponse } from '../../../enclave/wire/gen/sealwright/v1/status.ts';
import type { IncomingCall } from '../../../enclave/wire/link.ts';
import { METHODS } from '../../../enclave/wire/methods.ts';
import {
  canonicalize,
  type SignedJson,
  type SignedJsonObject,
} from '../../../enclave/wire/signed-json.ts';
import {
  CERTIFIED_CALLERS,
  MTLS_CALLER,
  PEER_CALLER,
  PEER_CALLERS,
  testPolicy,
} from './callers.ts';
import { bearCluster } from '../genesis.ts';
import { FakeClock, START_WALL_MS } from './clock.ts';
import { SeededEntropy } from './entropy.ts';
import { MemoryLogStore } from './memory-log-store.ts';
import { MemoryStore } from './memory-store.ts';
import { FakePlatform } from './platform.ts';
import { FakeTokenModule } from './token.ts';

export { MTLS_CALLER, PEER_CALLER };

export interface RingOptions {
  readonly algorithm: AlgorithmName;
  readonly residency?: Residency;
  readonly payload?: 'digest' | 'message';
  readonly lowestRank?: 'session' | 'signed' | 'mtls' | 'peer';
  /** Without: all of the policy that can reach its rank. */
  readonly callers?: readonly string[];
  readonly maxBytes?: number;
  readonly limits?: SignedJsonObject;
}

/** Member `rings` of a policy from a short form. */
export function ringsOf(rings: Readonly<Record<string, RingOptions>>): SignedJson[] {
  return Object.entries(rings).map(([name, options]) => {
    const lowestRank = options.lowestRank ?? 'mtls';
    const hostAsserted = lowestRank === 'mtls' || lowestRank === 'peer';
    return {
      name,
      algorithm: options.algorithm,
      residency: options.residency ?? 'enclave',
      payload: {
        kind: options.payload ?? 'message',
        ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
      },
      lowestRank,
      ...(hostAsserted ? { acceptHostAsserted: 'a test' } : {}),
      callers: options.callers ?? [
        ...CERTIFIED_CALLERS,
        ...(lowestRank === 'peer' ? PEER_CALLERS : []),
      ],
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    };
  });
}

export interface ManifestOptions {
  readonly token?: SignedJson;
  /** Around which the policy may be applied. */
  readonly nowMs?: number;
  /** Members of the policy. */
  readonly change?: SignedJsonObject;
}

export function manifestOf(
  rings: Readonly<Record<string, RingOptions>>,
  { token = { use: 'uninitialised' }, nowMs = START_WALL_MS, change = {} }: ManifestOptions = {},
): Uint8Array {
  return canonicalize({
    v: 1,
    kind: 'genesis',
    name: 'test',
    provisioning: 'init-token',
    token,
    policy: testPolicy(ringsOf(rings), nowMs, change),
  });
}

/** A call as the link hands it over. */
export function callOf(
  method: string,
  body: Uint8Array,
  more: Partial<IncomingCall> = {},
): IncomingCall {
  return {
    method,
    body,
    timeoutMs: 10_000,
    untrustedCaller: MTLS_CALLER,
    cancelled: false,
    ...more,
  };
}

export interface SignOptions {
  readonly digest?: Uint8Array;
  readonly message?: Uint8Array;
  readonly algorithm?: SignRequest['algorithm'];
  readonly encoding?: SignatureEncoding;
  readonly requestId?: Uint8Array;
  readonly declineReceipt?: boolean;
  readonly call?: Partial<IncomingCall>;
}

export function signRequest(ring: string, options: SignOptions): Uint8Array {
  return SignRequest.encode(requestOf(ring, options)).finish();
}

/** The same, as an item of a batch. */
export function requestOf(ring: string, options: SignOptions): SignRequest {
  const { digest, message } = options;
  return {
    ring,
    payload:
      digest !== undefined
        ? { $case: 'digest', value: { digest } }
        : message !== undefined
          ? { $case: 'message', value: { message } }
          : undefined,
    algorithm: options.algorithm ?? 0,
    encoding: options.encoding ?? SignatureEncoding.SIGNATURE_ENCODING_UNSPECIFIED,
    requestId: options.requestId ?? new Uint8Array(0),
    declineReceipt: options.declineReceipt ?? false,
  };
}

/** The boot that a test asked for, as a caller sees it. */
export class Running {
  readonly enclave: Enclave;

  constructor(enclave: Enclave) {
    this.enclave = enclave;
  }

  async call(
    method: string,
    body: Uint8Array,
    more: Partial<IncomingCall> = {},
  ): Promise<Uint8Array> {
    return this.enclave.handle(callOf(method, body, more));
  }

  async status(): Promise<GetStatusResponse> {
    return GetStatusResponse.decode(await this.call(METHODS.getStatus, new Uint8Array(0)));
  }

  /** Both steps, with the admin of the tests' policies. */
  genesis(manifest: Uint8Array): Promise<CommitGenesisResponse> {
    return bearCluster((method, body) => this.call(method, body), manifest);
  }

  async sign(ring: string, options: SignOptions): Promise<SignResponse> {
    const request = signRequest(ring, options);
    return SignResponse.decode(await this.call(METHODS.sign, request, options.call));
  }

  async signBatch(
    items: readonly SignRequest[],
    more: Partial<IncomingCall> = {},
  ): Promise<SignBatchResponse> {
    const request = SignBatchRequest.encode({ items: [...items] }).finish();
    return SignBatchResponse.decode(await this.call(METHODS.signBatch, request, more));
  }

  async keys(): Promise<readonly Key[]> {
    const answer = await this.call(METHODS.listKeys, new Uint8Array(0));
    return ListKeysResponse.decode(answer).keys;
  }
}

export class World {
  readonly store = new MemoryStore();
  readonly logStore = new MemoryLogStore();
  readonly clock = new FakeClock();
  readonly tokens: FakeTokenModule;
  platform = new FakePlatform();
  process: OwnProcess = { fault: undefined, hardening: () => ['no-network', 'own-uid'] };
  anchor: Anchor = noAnchor;
  suite: SuiteNumber = 1;
  readonly entropy: SeededEntropy;

  constructor(seed = 'world', serials: readonly string[] = ['fake-0001']) {
    this.entropy = new SeededEntropy(seed);
    this.tokens = new FakeTokenModule(...serials);
  }

  get ports(): Ports {
    const { store, logStore, clock, tokens, platform, anchor, entropy, suite } = this;
    return {
      store,
      logStore,
      clock,
      tokens,
      anchor,
      entropy,
      suite,
      process: this.process,
      attester: platform,
      sealer: platform,
    };
  }

  /** A new process on what is there. */
  async boot(): Promise<Running> {
    const enclave = new Enclave(this.ports);
    await enclave.boot();
    return new Running(enclave);
  }

  /** Boots an empty world and commits a genesis. */
  async begin(
    rings: Readonly<Record<string, RingOptions>>,
    change: SignedJsonObject = {},
  ): Promise<Running> {
    const running = await this.boot();
    await running.genesis(manifestOf(rings, { nowMs: this.clock.wallMs(), change }));
    return running;
  }

  /** The process ends as by kill: nothing is told to anybody but the kernel, which closes the sessions. */
  async reboot(running: Running): Promise<Running> {
    await running.enclave.close();
    return this.boot();
  }
}
