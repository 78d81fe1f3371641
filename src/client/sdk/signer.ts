/** Signs with one ring, and believes nothing that was not checked: key, signature, receipt. */
import { randomBytes, type JsonWebKey } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlgorithmName, type AlgorithmName } from '../../../enclave/wire/algorithm.ts';
import {
  DEFAULT_DEADLINE_MS,
  MAX_DEADLINE_MS,
  MAX_MESSAGE_BYTES,
} from '../../../enclave/wire/limits.ts';
import { REQUEST_ID_BYTES } from '../../../enclave/wire/session/record-content.ts';
import type { SignResponse } from '../../gen/sealwright/v1/signing.ts';
import type { Receipt } from '../../tlog/receipt-file.ts';
import type { KeyStatement } from '../../verifier/index.ts';
import type { AttestedKey } from '../attested.ts';
import type { Checkpoints } from '../checkpoints.ts';
import type { SealwrightClient } from '../client.ts';
import { requireAll } from '../not-believed.ts';
import { Preparation, publicKeyOf, type PreparedRequest } from '../prepared.ts';
import type { EcdsaEncoding } from '../signature-check.ts';
import { checkSignedAnswer } from '../signed-answer.ts';
import { checkSignedBatch, type CheckedItem } from '../signed-batch.ts';
import { batchesOf } from './batches.ts';
import {
  explained,
  explaining,
  RequestError,
  UnavailableError,
  type SealwrightError,
} from './errors.ts';
import { pauses, persist } from './persist.ts';
import type { TrustedKeys } from './trusted-keys.ts';

/** One attempt at a batch: of 256 slow keys behind the batches of others. A retry meets items that are still being signed. */
const LONGEST_BATCH_MS = MAX_DEADLINE_MS / 2;

/** A message, whole or in chunks. A ring of payload `digest` takes any size: it is hashed here. */
export type Message = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface SignOptions {
  /** Of ECDSA signatures: `der` (RFC 3279 §2.2.3), the default, or `p1363` (RFC 7518 §3.4). */
  readonly encoding?: EcdsaEncoding;
  /** Over all attempts; 10 seconds for one signature, 60 for a batch. */
  readonly timeoutMs?: number;
}

/** A signature that was verified, with its receipt, which was verified too. */
export interface Signed {
  readonly signature: Uint8Array;
  readonly ring: string;
  readonly version: number;
  /** RFC 7638 thumbprint of the public key. */
  readonly kid: string;
  /** IANA JOSE name. */
  readonly alg: AlgorithmName;
  /** What proves that the signature is in the log; `encodeReceipt` makes a file of it. */
  readonly receipt: Receipt;
}

/** The attested public key of a ring. */
export interface RingKey {
  readonly ring: string;
  readonly version: number;
  readonly kid: string;
  readonly alg: AlgorithmName;
  readonly publicKey: JsonWebKey & { readonly kid: string; readonly alg: string };
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

/** Made by `Sealwright.signer`. All methods reject with SealwrightError. */
export class Signer {
  readonly ring: string;
  readonly #service: SealwrightClient;
  readonly #keys: TrustedKeys;
  readonly #checkpoints: Checkpoints;

  /** @internal */
  constructor(
    ring: string,
    service: SealwrightClient,
    keys: TrustedKeys,
    checkpoints: Checkpoints,
  ) {
    this.ring = ring;
    this.#service = service;
    this.#keys = keys;
    this.#checkpoints = checkpoints;
  }

  /** The version that signs now. Rings rotate: ask again rather than keep it for long. */
  async key(): Promise<RingKey> {
    const { key } = await explaining(() => this.#current(DEFAULT_DEADLINE_MS));
    const { ring, version, kid, publicKey: spki } = key;
    const alg = algorithmOf(key);
    const jwk = publicKeyOf(key).export({ format: 'jwk' });
    return { ring, version, kid, alg, publicKey: { ...jwk, kid, alg }, spki };
  }

  sign(message: Message, options: SignOptions = {}): Promise<Signed> {
    const { timeoutMs = DEFAULT_DEADLINE_MS } = options;
    return explaining(async () => {
      const attested = await this.#current(timeoutMs);
      const prepared = await prepare(attested.key, message, options);
      const { requestId } = prepared.request;
      const answer = await persist(timeoutMs, (attemptMs) => {
        const patient = { timeoutMs: attemptMs, waitForReady: true, requestId };
        return this.#service.sign(prepared.request, patient);
      });
      const by = await this.#signedBy(attested, answer);
      const { holds, ...request } = prepared;
      const asked = { ...request, ...by };
      const checked = await checkSignedAnswer(answer, asked, holds(answer.signature, by.key));
      requireAll(checked.checks);
      return this.#signed(answer, by.key, checked.receipt);
    });
  }

  /**
   * Many messages in as few calls as they fit in. What came of each stands in its place: a signature, or why there is
   * none. Rejects when an answer as a whole can't be believed or none came.
   */
  signBatch(
    messages: readonly Uint8Array[],
    options: SignOptions = {},
  ): Promise<readonly (Signed | SealwrightError)[]> {
    const { timeoutMs = MAX_DEADLINE_MS } = options;
    return explaining(async () => {
      const attested = await this.#current(timeoutMs);
      const prepared: PreparedRequest[] = [];
      for (const message of messages) prepared.push(await prepare(attested.key, message, options));
      const outcomes: (Signed | SealwrightError)[] = [];
      for (const batch of batchesOf(prepared))
        outcomes.push(...(await this.#signItems(attested, batch, timeoutMs)));
      return outcomes;
    });
  }

  /** Items that may succeed later are asked for again, under their request ids, while there is time. */
  async #signItems(
    attested: AttestedKey,
    batch: readonly PreparedRequest[],
    timeoutMs: number,
  ): Promise<readonly (Signed | SealwrightError)[]> {
    const end = performance.now() + timeoutMs;
    let outcomes = await this.#signBatch(attested, batch, timeoutMs);
    for (const pause of pauses()) {
      const open = batch.filter((_, i) => outcomes[i] instanceof UnavailableError);
      const left = end - performance.now() - pause;
      if (open.length === 0 || left <= 0) break;
      await sleep(pause);
      try {
        const again = (await this.#signBatch(attested, open, left)).values();
        outcomes = outcomes.map((outcome) =>
          outcome instanceof UnavailableError ? (again.next().value ?? outcome) : outcome,
        );
      } catch (error) {
        // What was signed is signed, and what was not can be asked for later.
        if (!(explained(error) instanceof UnavailableError)) throw error;
        break;
      }
    }
    return outcomes;
  }

  async #signBatch(
    attested: AttestedKey,
    batch: readonly PreparedRequest[],
    timeoutMs: number,
  ): Promise<(Signed | SealwrightError)[]> {
    const requests = batch.map(({ request }) => request);
    const requestId = Uint8Array.from(randomBytes(REQUEST_ID_BYTES));
    const response = await persist(
      timeoutMs,
      (attemptMs) => {
        const patient = { timeoutMs: attemptMs, waitForReady: true, requestId };
        return this.#service.signBatch(requests, patient);
      },
      LONGEST_BATCH_MS,
    );
    const answers = response.results.flatMap(({ outcome }) =>
      outcome?.$case === 'signed' ? [outcome.value] : [],
    );
    // A batch is signed by one version, unless the ring rotated within it: then its latest is asked for.
    const latest = answers.toSorted((a, b) => b.version - a.version)[0];
    const by = latest === undefined ? attested : await this.#signedBy(attested, latest);
    const asked = batch.map(({ holds, ...request }, i) => {
      const outcome = response.results[i]?.outcome;
      const old = outcome?.$case === 'signed' && outcome.value.version === attested.key.version;
      const key = old ? attested : by;
      return {
        ...request,
        ...key,
        signatureHolds: (signature: Uint8Array) => holds(signature, key.key),
      };
    });
    const { checks, items } = await checkSignedBatch(response, asked);
    requireAll(checks);
    return items.map((item, i) => this.#outcomeOf(item, asked[i]?.key ?? by.key));
  }

  #outcomeOf(item: CheckedItem, key: KeyStatement): Signed | SealwrightError {
    if (item.kind === 'refused') return explained(item.error) as SealwrightError;
    requireAll(item.checks);
    return this.#signed(item.answer, key, item.receipt);
  }

  /** The checkpoint of a receipt that was verified is one more that the caller has seen. */
  #signed(
    { signature, version }: SignResponse,
    key: KeyStatement,
    receipt: Receipt | undefined,
  ): Signed {
    if (receipt === undefined) throw new Error('an answer without a receipt passed its checks');
    this.#checkpoints.saw(receipt.checkpoint);
    const { ring, kid } = key;
    return { signature, ring, version, kid, alg: algorithmOf(key), receipt };
  }

  #current(timeoutMs: number): Promise<AttestedKey> {
    return persist(timeoutMs, () => this.#keys.current(this.ring));
  }

  /** A ring may rotate between two calls: that is no lie when the enclave vouches for the new version. */
  async #signedBy(attested: AttestedKey, answer: SignResponse): Promise<AttestedKey> {
    if (answer.ring !== this.ring || answer.version <= attested.key.version) return attested;
    const current = await this.#keys.renewed(this.ring);
    return current.key.version >= answer.version ? current : attested;
  }
}

async function prepare(
  key: KeyStatement,
  message: Message,
  { encoding }: SignOptions,
): Promise<PreparedRequest> {
  const preparation = new Preparation(key, algorithmOf(key), encoding);
  const chunks = message instanceof Uint8Array ? [message] : message;
  for await (const chunk of chunks) {
    if (preparation.take(chunk)) continue;
    const limit = `at most ${String(MAX_MESSAGE_BYTES)} bytes`;
    throw new RequestError(
      'MESSAGE_TOO_LARGE',
      `ring ${key.ring} signs messages of ${limit}; a ring of payload digest signs any size`,
      { ring: key.ring, limitBytes: String(MAX_MESSAGE_BYTES) },
    );
  }
  return preparation.finish();
}

/** Throws RequestError for an algorithm of a later release. */
function algorithmOf({ ring, alg }: Pick<KeyStatement, 'ring' | 'alg'>): AlgorithmName {
  if (isAlgorithmName(alg)) return alg;
  const problem = `this release does not know ${alg}, the algorithm of ring ${ring}`;
  throw new RequestError('ALGORITHM_MISMATCH', problem, { ring, actual: alg });
}
