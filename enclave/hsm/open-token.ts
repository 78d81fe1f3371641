/** Token over a pool: checks what goes in, and what comes out before it is released. */
import type { KeyObject } from 'node:crypto';
import {
  TokenFailure,
  type Token,
  type TokenInfo,
  type TokenKey,
  type TokenObject,
} from '../ports.ts';
import type { AlgorithmName } from '../wire/algorithm.ts';
import { toHex } from '../wire/bytes.ts';
import type {
  HsmRequest,
  ObjectAttributes,
  TokenInfo as WireTokenInfo,
  TokenOpened,
} from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import {
  CKF_TOKEN_INITIALIZED,
  CKF_USER_PIN_AT_RISK,
  CKO_PRIVATE_KEY,
  CKO_SECRET_KEY,
} from './cryptoki.ts';
import { firstMissingMechanism, signingPlan, type OfferedMechanism } from './mechanisms.ts';
import type { CompletePoolOptions } from './options.ts';
import { checkTokenSignature, parsePublicKey } from './verify-signature.ts';
import type { WorkerPool } from './worker-pool.ts';
import type { WorkerResult } from './pool-worker.ts';

const MAC_BYTES = 32;

/** The value of one kind of result. */
type ValueOf<Case extends WorkerResult['$case']> = Extract<WorkerResult, { $case: Case }>['value'];

export class OpenToken implements Token {
  readonly info: TokenInfo;
  readonly #pool: WorkerPool;
  readonly #options: CompletePoolOptions;
  readonly #offered: ReadonlyMap<number, OfferedMechanism>;
  readonly #publicKeys = new WeakMap<TokenKey, KeyObject>();

  constructor(pool: WorkerPool, opened: TokenOpened, options: CompletePoolOptions) {
    this.#pool = pool;
    this.#options = options;
    this.info = portTokenInfo(opened.token);
    this.#offered = offeredMechanisms(opened);
  }

  get broken(): Promise<TokenFailure> {
    return this.#pool.broken;
  }

  missingMechanism(algorithm: AlgorithmName): string | undefined {
    return firstMissingMechanism(algorithm, this.#offered);
  }

  workersReady(): number {
    return this.#pool.ready();
  }

  signedWrong(): boolean {
    return this.#pool.signedWrong;
  }

  async inventory(): Promise<readonly TokenObject[]> {
    const { objects } = await this.#long(
      'inventory',
      'inventory',
      { $case: 'inventory', value: {} },
      true,
    );
    return objects.map(portTokenObject);
  }

  async generateKeyPair(request: {
    readonly id: Uint8Array;
    readonly label: string;
    readonly algorithm: AlgorithmName;
  }): Promise<{ readonly publicKey: Uint8Array; readonly object: TokenObject }> {
    const { id, label, algorithm } = request;
    if (signingPlan(algorithm) === undefined)
      throw new TokenFailure('request-refused', 'generateKeyPair');
    const call = { $case: 'generateKeyPair', value: { id, label, algorithm } } as const;
    const { publicKey, attributes } = await this.#long('generateKeyPair', 'keyPair', call, false);
    try {
      parsePublicKey(algorithm, publicKey);
    } catch {
      throw new TokenFailure('object-altered', 'generateKeyPair');
    }
    return {
      publicKey: Uint8Array.from(publicKey),
      object: requireObject('generateKeyPair', attributes),
    };
  }

  async generateSecret(request: {
    readonly id: Uint8Array;
    readonly label: string;
  }): Promise<TokenObject> {
    const { id, label } = request;
    const call = { $case: 'generateSecret', value: { id, label } } as const;
    return requireObject(
      'generateSecret',
      await this.#long('generateSecret', 'attributes', call, false),
    );
  }

  sign(key: TokenKey, input: Uint8Array, message?: Uint8Array): Promise<Uint8Array> {
    const publicKey = this.#publicKeyOf(key);
    const inputBytes = signingPlan(key.algorithm)?.inputBytes;
    const wrongInput = inputBytes !== undefined && inputBytes !== input.length;
    if (publicKey === undefined || wrongInput)
      return Promise.reject(new TokenFailure('request-refused', 'sign'));
    return this.#pool.call({
      operation: 'sign',
      request: {
        call: {
          $case: 'sign',
          value: { id: key.id, algorithm: key.algorithm, input, publicKey: key.publicKey },
        },
      },
      deadlineMs: this.#options.operationDeadlineMs,
      idempotent: true,
      long: false,
      objectId: toHex(key.id),
      // Copied: decoded bytes are a view on the chunk that was read.
      accept: (result) =>
        result.$case === 'signature' ? Uint8Array.from(result.value) : undefined,
      check: (signature) =>
        checkTokenSignature(key.algorithm, publicKey, input, signature, message),
    });
  }

  hmac(id: Uint8Array, data: Uint8Array): Promise<Uint8Array> {
    return this.#pool.call({
      operation: 'hmac',
      request: { call: { $case: 'hmac', value: { id, data } } },
      deadlineMs: this.#options.operationDeadlineMs,
      idempotent: true,
      long: false,
      objectId: toHex(id),
      accept: (result) =>
        result.$case === 'mac' && result.value.length === MAC_BYTES
          ? Uint8Array.from(result.value)
          : undefined,
    });
  }

  async destroy(id: Uint8Array): Promise<void> {
    await this.#long('destroy', 'count', { $case: 'destroy', value: { id } }, true);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /** Parsed once per key object; undefined when it is no public key of its algorithm. */
  #publicKeyOf(key: TokenKey): KeyObject | undefined {
    let parsed = this.#publicKeys.get(key);
    if (parsed !== undefined) return parsed;
    try {
      parsed = parsePublicKey(key.algorithm, key.publicKey);
    } catch {
      return undefined;
    }
    this.#publicKeys.set(key, parsed);
    return parsed;
  }

  #long<Case extends WorkerResult['$case']>(
    operation: string,
    expected: Case,
    call: HsmRequest['call'],
    idempotent: boolean,
  ): Promise<ValueOf<Case>> {
    return this.#pool.call<ValueOf<Case>>({
      operation,
      request: { call },
      deadlineMs: this.#options.generateDeadlineMs,
      idempotent,
      long: true,
      accept: (result) => (result.$case === expected ? (result.value as ValueOf<Case>) : undefined),
    });
  }
}

export function offeredMechanisms({
  mechanisms,
}: TokenOpened): ReadonlyMap<number, OfferedMechanism> {
  return new Map(mechanisms.map((info) => [info.mechanism, info]));
}

export function portTokenInfo(info: WireTokenInfo | undefined): TokenInfo {
  const { label = '', manufacturer = '', model = '', serial = '', flags = 0 } = info ?? {};
  return {
    label,
    manufacturer,
    model,
    serial,
    initialised: (flags & CKF_TOKEN_INITIALIZED) !== 0,
    userPinAtRisk: (flags & CKF_USER_PIN_AT_RISK) !== 0,
  };
}

function requireObject(operation: string, attributes: ObjectAttributes | undefined): TokenObject {
  if (attributes === undefined) throw new TokenFailure('unavailable', operation);
  return portTokenObject(attributes);
}

function portTokenObject({
  objectClass,
  id,
  label,
  trueAttributes,
  falseAttributes,
}: ObjectAttributes): TokenObject {
  return {
    kind:
      objectClass === CKO_PRIVATE_KEY
        ? 'private-key'
        : objectClass === CKO_SECRET_KEY
          ? 'secret'
          : 'other',
    id: Uint8Array.from(id),
    label,
    attributes: Object.fromEntries([
      ...trueAttributes.map((name) => [name, true] as const),
      ...falseAttributes.map((name) => [name, false] as const),
    ]),
  };
}
