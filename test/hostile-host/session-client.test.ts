/**
 * A host against the client library in sessions: it diverts them, answers in the enclave's place, and offers weaker ways. The
 * library believes none of it, and never asks anything over a plain call that a session is for.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  connect,
  parseAppraisalPolicy,
  SealwrightError,
  SecurityError,
  type AppraisalPolicy,
  type ConnectOptions,
  type Sealwright,
} from '../../src/client/index.ts';
import {
  canonicalize,
  parseSignedJson,
  type SignedJsonObject,
} from '../../enclave/wire/signed-json.ts';
import {
  AttestationServiceService,
  type GetEvidenceResponse,
} from '../../src/gen/sealwright/v1/attestation.ts';
import { KeyServiceService } from '../../src/gen/sealwright/v1/keys.ts';
import {
  SessionServiceService,
  type CallSessionResponse,
} from '../../src/gen/sealwright/v1/session.ts';
import { SigningServiceService } from '../../src/gen/sealwright/v1/signing.ts';
import { Rig } from '../support/hostile-host/rig.ts';
import { SessionHost } from '../support/hostile-host/session-host.ts';
import { LyingHost, TrueHost } from '../support/lying-host.ts';
import { acceptIn, testIdentity } from '../support/session-caller.ts';
import { startStack, type Stack } from '../support/stack.ts';

const { getEvidence } = AttestationServiceService;
const { openSession, callSession, streamSession, callSigned } = SessionServiceService;
const { sign: plainSign, signBatch: plainBatch } = SigningServiceService;
/** What a session is for. */
const WEAKER = [
  callSigned,
  plainSign,
  plainBatch,
  KeyServiceService.getKey,
  KeyServiceService.listKeys,
];

const RING = 'session-enclave';
const IN_TIME = { timeoutMs: 5_000 };
const MESSAGE = Buffer.from('a message');
/** What takes several records each way. */
const MANY = Array.from({ length: 256 }, (_, i) => Buffer.alloc(1_000, i));

let stack: Stack;
let truth: TrueHost;
let host: LyingHost;
let options: ConnectOptions;
/** Another genuine enclave, of another cluster. */
let other: Rig;
let otherHost: SessionHost;
let before: GetEvidenceResponse;
const open: Sealwright[] = [];

beforeAll(async () => {
  stack = await startStack();
  truth = new TrueHost(stack.ready);
  host = await LyingHost.start(truth);
  const { cert, key } = stack.ready;
  const identity = { cert: readFileSync(cert), key: readFileSync(key) };
  options = { address: `unix:${host.socket}`, trust: trusted(), identity, timeoutMs: 5_000 };
  other = await Rig.serving();
  otherHost = new SessionHost(other);
  before = await truth.call(getEvidence, { nonce: new Uint8Array(32), fresh: false });
});
afterEach(() => {
  expect(WEAKER.map((method) => host.calls(method))).toEqual(WEAKER.map(() => 0));
  host.repent();
  for (const service of open.splice(0)) service.close();
});
afterAll(async () => {
  host.stop();
  truth.close();
  await Promise.all([stack.stop(), other.close()]);
});

/** The reference of the stack with some rules exchanged. */
function trusted(change: Record<string, unknown> = {}): AppraisalPolicy {
  const reference = readFileSync(join(stack.state, 'reference.json'), 'utf8');
  return parseAppraisalPolicy({ ...(JSON.parse(reference) as object), ...change });
}

async function connected(more: Partial<ConnectOptions> = {}): Promise<Sealwright> {
  const service = await connect({ ...options, ...more });
  open.push(service);
  return service;
}

const sign = (service: Sealwright): Promise<unknown> => service.signer(RING).sign(MESSAGE, IN_TIME);

async function failure(promise: Promise<unknown>): Promise<SealwrightError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SealwrightError);
  return error as SealwrightError;
}

/** Ids of the checks that failed. */
async function disbelieved(promise: Promise<unknown>): Promise<readonly string[]> {
  const error = await failure(promise);
  expect(error).toMatchObject({ advice: 'stop', reason: 'NOT_BELIEVED' });
  if (!(error instanceof SecurityError)) throw error;
  return error.checks.map(({ id }) => id);
}

function refusal(code: status): Error {
  return Object.assign(new Error('no'), { code, details: 'no', metadata: new Metadata() });
}

test('the truth, through the same socket', async () => {
  const service = await connected();
  await sign(service);
  const outcomes = await service.signer(RING).signBatch(MANY, IN_TIME);
  expect(outcomes.filter((outcome) => outcome instanceof Error)).toEqual([]);
  expect(host.calls(streamSession)).toBeGreaterThan(1);
});

describe('a session diverted to another genuine enclave', () => {
  test('by its evidence is not opened', async () => {
    host.lie(getEvidence, ({ nonce }) => otherHost.evidence(nonce));
    const failed = await disbelieved(connected());
    expect(failed).toEqual(expect.arrayContaining(['cluster', 'trust-anchor-accepted']));
    expect(host.calls(openSession)).toBe(0);
  });

  test('by its Accept is not opened', async () => {
    host.lie(openSession, async () => ({
      accept: acceptIn(await otherHost.bring(await otherHost.opening(testIdentity('ci')))),
    }));
    expect(await disbelieved(connected())).toEqual(['accept-hpke']);
  });

  test('by carrying the Open there is refused there, and that is no decision', async () => {
    let refused = 0;
    host.lie(openSession, async ({ open: message }) => {
      await expect(otherHost.bring(message)).toRefuseWith('SESSION_REFUSED', {});
      refused += 1;
      throw refusal(status.UNAUTHENTICATED);
    });
    const error = await failure(connected({ timeoutMs: 500 }));
    expect(error).toMatchObject({ advice: 'retry', reason: 'HOST_REFUSED' });
    expect(refused).toBeGreaterThan(0);
  });
});

/** Evidence with members of its claims exchanged, and the platform's word about the old ones. */
function restated({ bundle }: GetEvidenceResponse, claims: SignedJsonObject): GetEvidenceResponse {
  const evidence = parseSignedJson(bundle) as SignedJsonObject;
  const before_ = JSON.parse(evidence['claims'] as string) as SignedJsonObject;
  const text = new TextDecoder().decode(canonicalize({ ...before_, ...claims }));
  return { bundle: canonicalize({ ...evidence, claims: text }) };
}

describe('evidence that opens nothing', () => {
  test('simulated, where nobody accepted a simulation', async () => {
    const reference = JSON.parse(
      readFileSync(join(stack.state, 'reference.json'), 'utf8'),
    ) as SignedJsonObject;
    const rules = Object.entries(reference).filter(
      ([, value]) => (value as SignedJsonObject | null)?.['rule'] !== 'accept-simulated',
    );
    expect(rules.length).toBeLessThan(Object.keys(reference).length);
    // A policy that says nothing about it is none.
    expect(() => parseAppraisalPolicy(Object.fromEntries(rules))).toThrow();
    const trust = trusted({ simulated: { rule: 'refuse' } });
    expect(await disbelieved(connected({ trust }))).toContain('simulated');
    expect(host.calls(openSession)).toBe(0);
  });

  test('stale: made for another question', async () => {
    host.lie(getEvidence, () => before);
    expect(await disbelieved(connected())).toEqual(['nonce']);
    expect(host.calls(openSession)).toBe(0);
  });

  test.each<readonly [string, string, SignedJsonObject]>([
    ['with the host’s own HPKE key', 'report-data', { hpkeKey: '11'.repeat(32) }],
    ['with another suite', 'evidence-form', { suite: 'p256-hkdf-sha256-aes256gcm' }],
    ['with a longer life', 'report-data', { notAfter: Date.now() + 86_400_000 }],
  ])('%s', async (_, check, claims) => {
    host.lie(getEvidence, async (request, tell) => restated(await tell(request), claims));
    expect(await disbelieved(connected())).toContain(check);
    expect(host.calls(openSession)).toBe(0);
  });

  test('genuine, and made by the platform for a nonce of its own: it is believed, and nothing is under its name', async () => {
    host.lie(getEvidence, ({ nonce }, tell) => tell({ nonce, fresh: true }));
    const error = await failure(connected({ timeoutMs: 1_500 }));
    expect(error.advice).toBe('retry');
    expect(host.calls(openSession)).toBeGreaterThan(0);
    expect(host.calls(callSession)).toBe(0);
  });
});

describe('a weaker way', () => {
  test.each([
    ['that sessions are not implemented', status.UNIMPLEMENTED],
    ['that sessions are not allowed', status.PERMISSION_DENIED],
    ['that nobody is there', status.UNAVAILABLE],
    ['that the caller is unknown', status.UNAUTHENTICATED],
  ])('is not taken when the host says %s', async (_, code) => {
    host.lie(openSession, () => Promise.reject(refusal(code)));
    const error = await failure(connected({ timeoutMs: 400 }));
    expect(error.advice).toBe('retry');
    expect(host.calls(openSession)).toBeGreaterThan(0);
  });

  test('is not taken when a session that was open is denied', async () => {
    const service = await connected();
    await sign(service);
    host.repent();
    host.lie(callSession, () => Promise.reject(refusal(status.UNIMPLEMENTED)));
    host.lie(openSession, () => Promise.reject(refusal(status.UNIMPLEMENTED)));
    const error = await failure(service.signer(RING).sign(MESSAGE, { timeoutMs: 400 }));
    expect(error).toMatchObject({ advice: 'retry', reason: 'HOST_REFUSED' });
  });
});

type Response = CallSessionResponse;

/** Keeps the answers of one session for another. */
async function answersOf(service: Sealwright): Promise<readonly Response[]> {
  const kept: Response[] = [];
  host.lie(callSession, async (request, tell) => {
    const answer = await tell(request);
    kept.push(answer);
    return answer;
  });
  await sign(service);
  host.repent();
  return kept;
}

describe('an answer put in the place of another', () => {
  test('of another session with the same enclave, of the same caller, is not believed', async () => {
    const [mine, another] = [await connected(), await connected()];
    const [answer] = (await answersOf(another)).slice(-1);
    await sign(mine);
    host.lie(callSession, () => answer ?? { records: [] });
    expect(await disbelieved(sign(mine))).toEqual(['record-session']);
  });

  test('that is the request itself is not believed', async () => {
    const service = await connected();
    await sign(service);
    host.lie(callSession, ({ record }) => ({ records: [record] }));
    expect(await disbelieved(sign(service))).toEqual(['record-direction']);
  });

  test('of another call of the session is not believed', async () => {
    const service = await connected();
    await sign(service);
    const held: ((answer: Response) => void)[] = [];
    const answers: Response[] = [];
    host.lie(callSession, async (request, tell) => {
      const mine = answers.push(await tell(request)) - 1;
      if (mine % 2 === 1) {
        held.pop()?.(answers[mine] ?? { records: [] });
        return answers[mine - 1] ?? { records: [] };
      }
      return new Promise<Response>((resolve) => held.push(resolve));
    });
    const both = await Promise.all([disbelieved(sign(service)), disbelieved(sign(service))]);
    expect(both).toEqual([['record-in-reply-to'], ['record-in-reply-to']]);
  });

  test('with the true one behind it is not believed', async () => {
    const service = await connected();
    const earlier = await answersOf(service);
    host.lie(callSession, async (request, tell) => {
      const { records } = await tell(request);
      return { records: [...(earlier.at(-1)?.records ?? []), ...records] };
    });
    expect(await disbelieved(sign(service))).toEqual(['record-replayed']);
  });

  test('that is the enclave’s answer to a plain call is not believed', async () => {
    const service = await connected();
    await sign(service);
    host.lie(callSession, () => ({ records: [new Uint8Array(300).fill(8)] }));
    expect(await disbelieved(sign(service))).toEqual(['record-version']);
  });
});

describe('a stream of answers that the host changes', () => {
  type Change = (records: readonly Uint8Array[]) => Uint8Array[];
  test.each<readonly [string, string, Change]>([
    ['by leaving out its end', 'record-truncated', (records) => records.slice(0, -1)],
    ['by leaving out its beginning', 'record-stream-order', (records) => records.slice(1)],
    ['by another order', 'record-stream-order', (records) => records.toReversed()],
    ['by a part twice', 'record-replayed', ([first, ...rest]) => twice(first, rest)],
    ['by leaving out everything', 'record-truncated', () => []],
  ])('%s is not believed', async (_, check, change) => {
    const service = await connected();
    await sign(service);
    let most = 0;
    host.lie(streamSession, async (request, tell) => {
      const { records } = await tell(request);
      most = Math.max(most, records.length);
      return { records: records.length === 0 ? [] : change(records) };
    });
    expect(await disbelieved(service.signer(RING).signBatch(MANY, IN_TIME))).toEqual([check]);
    expect(most).toBeGreaterThan(1);
  });

  test('by leaving out a part of each request is carried out by nobody', async () => {
    const service = await connected();
    await sign(service);
    const answers: number[] = [];
    host.lie(streamSession, async (request, tell) => {
      // The first part of all gets through, and the last ones, which are smaller.
      if (answers.length > 0 && request.record.byteLength > 60_000) return { records: [] };
      const { records } = await tell(request);
      answers.push(records.length);
      return { records };
    });
    const error = await failure(service.signer(RING).signBatch(MANY, { timeoutMs: 1_000 }));
    expect(error.advice).toBe('retry');
    expect(answers).not.toEqual([]);
    expect(answers.filter((records) => records > 0)).toEqual([]);
  });
});

function twice(first: Uint8Array | undefined, rest: readonly Uint8Array[]): Uint8Array[] {
  return first === undefined ? [...rest] : [first, first, ...rest];
}
