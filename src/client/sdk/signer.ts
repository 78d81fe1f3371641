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
import { believesHost, peerRefusal } from '../plain-calls.ts';
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
import { Deadline } from './deadline.ts';
import { pauses } from './persist.ts';
import type { TrustedKeys } from './trusted-keys.ts';

/** One attempt at a batch: of 256 slow keys behind the batches of others. A retry meets items that are still being signed. */
const LONGEST_BATCH_MS = MAX_DEADLINE_MS / 2;

/** A message, whole or in chunks. A ring of payload `digest` takes any size: it is hashed here. */
export type Message = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface SignOptions {
  /** Of ECDSA signatures: `der` (RFC 3279 §2.2.3), the default, or `p1363` (RFC 7518 §3.4). */
  readonly encoding?: EcdsaEncoding;
  /**
   * For all that is asked of the service until the call is answered; 10 seconds for one signature, 60 for a batch, however
   * many messages that has. The time in which a message is read and hashed here does not count.
   */
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

/** @internal */
export interface SigningWay {
  readonly service: SealwrightClient;
  readonly keys: TrustedKeys;
  readonly checkpoints: Checkpoints;
  /** The host reads what is asked. */
  readonly plain: boolean;
}

/** Made by `Sealwright.signer`. All methods reject with SealwrightError. */
export class Signer {
  readonly ring: string;
  readonly #way: SigningWay;

  /** @internal */
  constructor(ring: string, way: SigningWay) {
    this.ring = ring;
    this.#way = way;
  }

  /** The version that signs now. Rings rotate: ask again rather than keep it for long. */
  async key(options: Pick<SignOptions, 'timeoutMs'> = {}): Promise<RingKey> {
    const { timeoutMs = DEFAULT_DEADLINE_MS } = options;
    const { key } = await explaining(() => this.#current(new Deadline(timeoutMs)));
    const { ring, version, kid, publicKey: spki } = key;
    const alg = algorithmOf(key);
    const jwk = publicKeyOf(key).export({ format: 'jwk' });
    return { ring, version, kid, alg, publicKey: { ...jwk, kid, alg }, spki };
  }

  sign(message: Message, options: SignOptions = {}): Promise<Signed> {
    const { timeoutMs = DEFAULT_DEADLINE_MS } = options;
    return explaining(async () => {
      const deadline = new Deadline(timeoutMs);
      const attested = await this.#signing(deadline);
      const prepared = await deadline.aside(() => prepare(attested.key, message, options));
      const { requestId } = prepared.request;
      const answer = await deadline.ask((attemptMs) => {
        const patient = { timeoutMs: attemptMs, waitForReady: true, requestId };
        return this.#way.service.sign(prepared.request, patient);
      });
      const by = await this.#signedBy(attested, answer, deadline);
      const { holds, ...request } = prepared;
      const asked = { ...request, ...by };
      const checked = await checkSignedAnswer(answer, asked, holds(answer.signature, by.key));
      requireAll(checked.checks);
      return this.#signed(answer, by.key, checked.receipt);
    });
  }

  /**
   * Many messages in as few calls as they fit in. What came of each stands in its place: a signature, or why there is
   * none. Rejects when an answer as a whole can't be believed, or when none came to the first call.
   */
  signBatch(
    messages: readonly Uint8Array[],
    options: SignOptions = {},
  ): Promise<readonly (Signed | SealwrightError)[]> {
    const { timeoutMs = MAX_DEADLINE_MS } = options;
    return explaining(async () => {
      const deadline = new Deadline(timeoutMs);
      const attested = await this.#signing(deadline);
      const prepared: PreparedRequest[] = [];
      await deadline.aside(async () => {
        for (const message of messages)
          prepared.push(await prepare(attested.key, message, options));
      });
      const outcomes: (Signed | SealwrightError)[] = [];
      for (const batch of batchesOf(prepared)) {
        try {
          outcomes.push(...(await this.#signItems(attested, batch, deadline)));
        } catch (error) {
          const late = explained(error);
          // What was signed is signed.
          if (outcomes.length === 0 || !(late instanceof UnavailableError)) throw error;
          outcomes.push(...batch.map(() => late));
        }
      }
      return outcomes;
    });
  }

  /** Items that may succeed later are asked for again, under their request ids, while there is time. */
  async #signItems(
    attested: AttestedKey,
    batch: readonly PreparedRequest[],
    deadline: Deadline,
  ): Promise<readonly (Signed | SealwrightError)[]> {
    let outcomes = await this.#signBatch(attested, batch, deadline);
    for (const pause of pauses()) {
      const open = batch.filter((_, i) => outcomes[i] instanceof UnavailableError);
      if (open.length === 0 || deadline.leftMs <= pause) break;
      await sleep(pause);
      try {
        const again = (await this.#signBatch(attested, open, deadline)).values();
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
    deadline: Deadline,
  ): Promise<(Signed | SealwrightError)[]> {
    const requests = batch.map(({ request }) => request);
    const requestId = Uint8Array.from(randomBytes(REQUEST_ID_BYTES));
    const response = await deadline.ask((attemptMs) => {
      const patient = { timeoutMs: attemptMs, waitForReady: true, requestId };
      return this.#way.service.signBatch(requests, patient);
    }, LONGEST_BATCH_MS);
    // A batch is signed by one version, unless the ring rotated within it.
    const signers = new Map<number, AttestedKey>();
    for (const { outcome } of response.results) {
      if (outcome?.$case !== 'signed' || signers.has(outcome.value.version)) continue;
      const by = await this.#signedBy(attested, outcome.value, deadline);
      signers.set(outcome.value.version, by);
    }
    const asked = batch.map(({ holds, ...request }, i) => {
      const outcome = response.results[i]?.outcome;
      const by = outcome?.$case === 'signed' ? signers.get(outcome.value.version) : undefined;
      const key = by ?? attested;
      return {
        ...request,
        ...key,
        signatureHolds: (signature: Uint8Array) => holds(signature, key.key),
      };
    });
    const { checks, items } = await checkSignedBatch(response, asked);
    requireAll(checks);
    return items.map((item, i) => this.#outcomeOf(item, asked[i]?.key ?? attested.key));
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
    this.#way.checkpoints.saw(receipt.checkpoint);
    const { ring, kid } = key;
    return { signature, ring, version, kid, alg: algorithmOf(key), receipt };
  }

  #current(deadline: Deadline): Promise<AttestedKey> {
    return deadline.ask(() => this.#way.keys.current(this.ring));
  }

  /** The current one, when what it signs may be asked for in this way. */
  async #signing(deadline: Deadline): Promise<AttestedKey> {
    const attested = await this.#current(deadline);
    if (this.#way.plain && !believesHost(attested.key)) throw peerRefusal(attested.key);
    return attested;
  }

  /** A ring may rotate between two calls: that is no lie when the enclave vouches for the version that signed. */
  async #signedBy(
    attested: AttestedKey,
    { ring, version }: SignResponse,
    deadline: Deadline,
  ): Promise<AttestedKey> {
    if (ring !== this.ring || version <= attested.key.version) return attested;
    return deadline.ask(() => this.#way.keys.version(ring, version));
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
