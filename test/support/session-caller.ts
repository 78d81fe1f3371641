/**
 * A caller's end of a session, over whatever carries its bytes: an enclave in this process, a link, a gRPC channel. It
 * believes the claims that it is given; what verifies them is tested elsewhere.
 */
import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { ALGORITHMS } from '../../enclave/wire/algorithm.ts';
import { fromHex } from '../../enclave/wire/bytes.ts';
import { callerAlgorithm } from '../../enclave/wire/caller-key.ts';
import { reasonOf, Refusal } from '../../enclave/wire/error-code.ts';
import {
  CallSessionRequest,
  CallSessionResponse,
  OpenSessionRequest,
  OpenSessionResponse,
} from '../../enclave/wire/gen/sealwright/v1/session.ts';
import { evidenceDigestInput } from '../../enclave/wire/layouts.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { ClientRecords } from '../../enclave/wire/session/client-records.ts';
import { openSession, type ClientIdentity } from '../../enclave/wire/session/client.ts';
import { nodeAead } from '../../enclave/wire/session/node-aead.ts';
import type { Call, ResponseContent } from '../../enclave/wire/session/record-content.ts';
import type { SessionFacts } from '../../enclave/wire/session/accept-message.ts';
import { SUITES, type SuiteNumber } from '../../enclave/wire/session/suites.ts';
import { canonicalize, type SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { sha256 } from '../../enclave/core/kdf.ts';
import { spiffeId, TEST_AUTHORITY } from './fakes/callers.ts';
import { claimsOf, type Answering } from './log-audit.ts';
import { signWith } from './session-world.ts';

/** Whatever takes a call's bytes to an enclave, or to whoever stands in its place. */
export type Carry = (method: string, body: Uint8Array) => Promise<Uint8Array>;

/** A chain and the key of its leaf. */
export function identityOf(
  certificates: readonly Uint8Array[],
  privateKey: KeyObject,
  publicKey: KeyObject,
): ClientIdentity {
  const name = callerAlgorithm(publicKey);
  return {
    certificates,
    algorithm: name === undefined ? 0 : ALGORITHMS[name].wire,
    sign: (input) => Promise.resolve(signWith(privateKey, input)),
  };
}

/** A caller of the tests' policies (fakes/callers.ts), with a key that its certificate is for. */
export function testIdentity(name: string): ClientIdentity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = TEST_AUTHORITY.client(spiffeId(name), {}, publicKey);
  return identityOf([certificate], privateKey, publicKey);
}

/** What a caller takes from evidence. */
export interface OpenTarget {
  readonly suite: SuiteNumber;
  readonly clusterId: Uint8Array;
  readonly evidenceDigest: Uint8Array;
  readonly hpkeKey: Uint8Array;
}

export function targetFrom(claims: SignedJsonObject): OpenTarget {
  const text = (name: string): string => {
    const value = claims[name];
    if (typeof value !== 'string') throw new RangeError(`${name} is no text`);
    return value;
  };
  const suite = ([1, 2, 3] as const).find((number) => SUITES[number].word === text('suite'));
  if (suite === undefined) throw new RangeError('no suite');
  return {
    suite,
    clusterId: fromHex(text('clusterId')),
    evidenceDigest: sha256(evidenceDigestInput(canonicalize(claims))),
    hpkeKey: fromHex(text('hpkeKey')),
  };
}

/** Of the evidence as it is served now. */
export async function targetOf(answering: Answering): Promise<OpenTarget> {
  return targetFrom(await claimsOf(answering));
}

export const openRequest = (open: Uint8Array): Uint8Array =>
  OpenSessionRequest.encode({ open }).finish();
export const acceptIn = (answer: Uint8Array): Uint8Array =>
  Uint8Array.from(OpenSessionResponse.decode(answer).accept);
export const recordRequest = (record: Uint8Array): Uint8Array =>
  CallSessionRequest.encode({ record }).finish();
export const recordsIn = (answer: Uint8Array): readonly Uint8Array[] =>
  CallSessionResponse.decode(answer).records.map((record) => Uint8Array.from(record));

/** Bytes of a body that fit beside the other fields of a record. */
const PART_BYTES = 60 * 1024;

export interface OpenOptions {
  readonly target: OpenTarget;
  readonly identity: ClientIdentity;
  readonly lastCheckpoint?: Uint8Array;
}

/** An Open for a target, and what finishes it. */
export function openingFor({ target, identity, lastCheckpoint }: OpenOptions) {
  const { hpkeKey, ...rest } = target;
  return openSession({
    target: rest,
    hpkeKey,
    identity,
    clientTimeMs: Date.now(),
    lastCheckpoint: lastCheckpoint ?? new Uint8Array(0),
  });
}

export class SessionCaller {
  readonly facts: SessionFacts;
  readonly records: ClientRecords;
  readonly #carry: Carry;

  constructor(facts: SessionFacts, records: ClientRecords, carry: Carry) {
    this.facts = facts;
    this.records = records;
    this.#carry = carry;
  }

  /** Rejects with what `carry` rejects with, and with AcceptRefused. */
  static async open(carry: Carry, options: OpenOptions): Promise<SessionCaller> {
    const opening = await openingFor(options);
    const answer = await carry(METHODS.openSession, openRequest(opening.message));
    const { facts, keys } = await opening.finish(acceptIn(answer));
    const { suite } = options.target;
    const records = new ClientRecords({
      ...facts,
      toEnclave: nodeAead(suite, keys.toEnclave),
      toClient: nodeAead(suite, keys.toClient),
    });
    return new SessionCaller(facts, records, carry);
  }

  /** A request as records name it. */
  request(method: string, deadlineMs = 3_600_000): Call {
    return { method, requestId: Uint8Array.from(randomBytes(16)), deadlineMs };
  }

  /** Sends a record as it is; resolves with the records that come back. */
  async send(record: Uint8Array): Promise<readonly Uint8Array[]> {
    return recordsIn(await this.#carry(METHODS.callSession, recordRequest(record)));
  }

  /** One record each way. Rejects with the Refusal that stands inside. */
  async unary(method: string, body: Uint8Array, deadlineMs?: number): Promise<Uint8Array> {
    const { record } = this.records.unary(this.request(method, deadlineMs), body);
    const [answer, ...more] = await this.send(record);
    if (answer === undefined || more.length > 0) throw new RangeError('not one record');
    return bodyOf(this.records.receive(answer));
  }

  /** As many records each way as it takes. */
  async stream(method: string, body: Uint8Array): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let at = 0; at === 0 || at < body.byteLength; at += PART_BYTES) {
      parts.push(body.subarray(at, at + PART_BYTES));
    }
    const [head = body, ...rest] = parts;
    const first = this.records.begin(this.request(method), head, rest.length === 0);
    let answers = await this.send(first.record);
    for (const [i, part] of rest.entries()) {
      const { record } = this.records.next(first.channel, part, i === rest.length - 1);
      answers = await this.send(record);
    }
    const bodies = answers.map((answer) => bodyOf(this.records.receive(answer)));
    this.records.transportEnded(first.call);
    return Uint8Array.from(Buffer.concat(bodies));
  }
}

/** Throws the Refusal that a response carries. */
export function bodyOf({ status, body }: ResponseContent): Uint8Array {
  if (status.code === 0) return Uint8Array.from(body);
  const reason = reasonOf(status.code);
  if (reason === undefined) throw new RangeError(`no reason has the number ${String(status.code)}`);
  const details = Object.fromEntries(status.details.map(({ key, value }) => [key, value]));
  throw new Refusal(reason, details);
}
