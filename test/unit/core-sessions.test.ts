/** Sessions and signed calls through the whole enclave, in this process (docs/spec/session.md, docs/spec/signed-call.md). */
import { hash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { GetPolicyResponse } from '../../enclave/wire/gen/sealwright/v1/policy.ts';
import {
  CallSignedRequest,
  CallSignedResponse,
} from '../../enclave/wire/gen/sealwright/v1/session.ts';
import {
  SignBatchRequest,
  SignBatchResponse,
  SignResponse,
} from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { CallerRank } from '../../enclave/wire/gen/sealwright/v1/keys.ts';
import { ExplainRequest, ExplainResponse } from '../../enclave/wire/gen/sealwright/v1/policy.ts';
import { MAX_PARTS_BYTES_OF_SESSION, SIGNED_CALL_MS } from '../../enclave/wire/limits.ts';
import { END_SESSION, METHODS } from '../../enclave/wire/methods.ts';
import { signedCallInput } from '../../enclave/wire/signed-call.ts';
import type { ClientIdentity } from '../../enclave/wire/session/client.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import { requestOf, ringsOf, signRequest, World, type Running } from '../support/fakes/world.ts';
import { receiptOf } from '../support/log-audit.ts';
import { applyPolicy, nextPolicy } from '../support/statements.ts';
import {
  SessionCaller,
  targetOf,
  testIdentity,
  type OpenOptions,
} from '../support/session-caller.ts';
import '../support/matchers.ts';

const RINGS = {
  end: { algorithm: 'ES256', lowestRank: 'session' },
  signed: { algorithm: 'ES256', lowestRank: 'signed' },
  wide: { algorithm: 'ES256' },
} as const;
const MESSAGE = { message: utf8('a message') };
const NOTHING = new Uint8Array(0);

let world: World;
let running: Running;

beforeAll(async () => {
  world = new World('sessions');
  running = await world.begin(RINGS);
});

const carry = (method: string, body: Uint8Array): Promise<Uint8Array> => running.call(method, body);

async function opened(more: Partial<OpenOptions> = {}): Promise<SessionCaller> {
  const identity = testIdentity('ci');
  return SessionCaller.open(carry, { target: await targetOf(running), identity, ...more });
}

async function signedIn(caller: SessionCaller, ring: string): Promise<SignResponse> {
  return SignResponse.decode(await caller.unary(METHODS.sign, signRequest(ring, MESSAGE)));
}

describe('a session', () => {
  test('signs with a ring that takes nothing less, and the leaf says so', async () => {
    await expect(running.sign('end', MESSAGE)).toRefuseWith('SIGNING_POLICY_DENIED', {
      policyId: 'lowest-rank',
      ring: 'end',
      expected: 'session',
      actual: 'mtls',
    });
    const before = world.logStore.leaves.length;
    const caller = await opened();
    expect(caller.facts.principal).toBe('spiffe://test.example/ci');
    expect(world.logStore.leaves).toHaveLength(before);
    const answer = await signedIn(caller, 'end');
    expect(parseLeaf(receiptOf(answer).leaf)).toMatchObject({
      kind: 'signature',
      rank: 'session',
      caller: 'ci',
    });
    // It counts, and gets its leaf, with its first record.
    const leaves = world.logStore.leaves.slice(before).map((leaf) => parseLeaf(leaf));
    expect(leaves).toMatchObject([
      { kind: 'session', caller: 'ci', callerId: 'spiffe://test.example/ci', policyVersion: 1 },
      { kind: 'signature' },
    ]);
    await signedIn(caller, 'signed');
    await signedIn(caller, 'wide');
    expect(world.logStore.leaves).toHaveLength(before + 4);
  });

  test('refuses inside what a plain call is refused outside', async () => {
    const caller = await opened();
    await expect(signedIn(caller, 'none')).toRefuseWith('KEY_NOT_FOUND', {
      policyId: 'ring',
      keyId: 'none',
    });
    await expect(caller.unary('/a.b/C', NOTHING)).toRefuseWith('METHOD_UNKNOWN');
    await expect(caller.unary(METHODS.proposeGenesis, NOTHING)).toRefuseWith('METHOD_UNKNOWN');
    await expect(caller.unary(METHODS.openSession, NOTHING)).toRefuseWith('METHOD_UNKNOWN');
    await expect(caller.unary(METHODS.sign, utf8('no message'))).toRefuseWith('REQUEST_MALFORMED');
  });

  test('is ended by its caller, and what is under way is still answered', async () => {
    const caller = await opened();
    const { records } = caller;
    const signing = caller.send(
      records.unary(caller.request(METHODS.sign), signRequest('end', MESSAGE)).record,
    );
    expect(await caller.unary(END_SESSION, NOTHING)).toEqual(NOTHING);
    const [answer = NOTHING] = await signing;
    expect(SignResponse.decode(records.receive(answer).body).ring).toBe('end');
    await expect(signedIn(caller, 'end')).toRefuseWith('SESSION_REFUSED');
  });

  test('a Sign without an id has that of its record: a retry gets the same answer', async () => {
    const caller = await opened();
    const request = caller.request(METHODS.sign);
    const sign = async (): Promise<Uint8Array> => {
      const { record } = caller.records.unary(request, signRequest('end', MESSAGE));
      const [answer = NOTHING] = await caller.send(record);
      return caller.records.receive(answer).body;
    };
    const first = SignResponse.decode(await sign());
    expect(parseLeaf(receiptOf(first).leaf)).toMatchObject({
      requestId: Buffer.from(request.requestId).toString('hex'),
    });
    expect(SignResponse.decode(await sign())).toEqual(first);
  });

  test('is explained as what it is', async () => {
    const request = ExplainRequest.encode({
      ring: 'end',
      payloadKind: 2,
      payloadBytes: 1n,
    }).finish();
    const answer = ExplainResponse.decode(await (await opened()).unary(METHODS.explain, request));
    expect(answer.rank).toBe(CallerRank.CALLER_RANK_SESSION);
    expect(answer.caller).toBe('ci');
  });

  test('is not begun after its deadline', async () => {
    const caller = await opened();
    await signedIn(caller, 'end');
    const leaves = world.logStore.leaves.length;
    const { record } = caller.records.unary(
      caller.request(METHODS.sign, 5),
      signRequest('end', MESSAGE),
    );
    world.clock.advance(6);
    const [answer] = await caller.send(record);
    expect(caller.records.receive(answer ?? NOTHING).status.code).toBe(104);
    expect(world.logStore.leaves).toHaveLength(leaves);
  });

  test('carries what does not fit into one record as a stream', async () => {
    const caller = await opened();
    const items = Array.from({ length: 256 }, () => requestOf('end', MESSAGE));
    const body = SignBatchRequest.encode({ items }).finish();
    await expect(caller.unary(METHODS.signBatch, body)).toRefuseWith('FRAME_TOO_LARGE');
    const answer = SignBatchResponse.decode(await caller.stream(METHODS.signBatch, body));
    expect(answer.results.filter(({ outcome }) => outcome?.$case === 'signed')).toHaveLength(256);
    const large = Array.from({ length: 200 }, () =>
      requestOf('end', { message: new Uint8Array(5000).fill(1) }),
    );
    const whole = SignBatchRequest.encode({ items: large }).finish();
    expect(whole.byteLength).toBeGreaterThan(900_000);
    const { results } = SignBatchResponse.decode(await caller.stream(METHODS.signBatch, whole));
    expect(results).toHaveLength(200);
    await expect(caller.stream(METHODS.sign, new Uint8Array(65_537))).toRefuseWith(
      'FRAME_TOO_LARGE',
    );
  });

  test('keeps a bounded part of streams that do not end, and frees it at their deadline', async () => {
    const caller = await opened();
    const part = new Uint8Array(60_000);
    const most = Math.floor(MAX_PARTS_BYTES_OF_SESSION / part.byteLength);
    let sent = 0;
    let refusal: unknown;
    for (let stream = 0; refusal === undefined; stream += 1) {
      const request = caller.request(METHODS.applyPolicy, 30_000);
      const { channel, record } = caller.records.begin(request, part);
      let [answer] = await caller.send(record);
      for (let i = 0; i < 20 && answer === undefined; i += 1) {
        sent += 1;
        [answer] = await caller.send(caller.records.next(channel, part, false).record);
      }
      if (answer !== undefined) refusal = caller.records.receive(answer).status.code;
      else expect(stream).toBeLessThan(10);
    }
    expect(refusal).toBe(302);
    expect(sent).toBeLessThanOrEqual(most + 10);
    world.clock.advance(31_000);
    await running.enclave.tick();
    expect((await signedIn(caller, 'end')).ring).toBe('end');
  });

  test('ends when the policy no longer has its caller, and its key with it', async () => {
    const own = new World('removed');
    const served = await own.begin(RINGS);
    const over = (method: string, body: Uint8Array): Promise<Uint8Array> =>
      served.call(method, body);
    const target = await targetOf(served);
    const ci = await SessionCaller.open(over, { target, identity: testIdentity('ci') });
    const deploy = await SessionCaller.open(over, { target, identity: testIdentity('deploy') });
    const sign = async (by: SessionCaller): Promise<string> =>
      SignResponse.decode(await by.unary(METHODS.sign, signRequest('end', MESSAGE))).ring;
    expect(await sign(ci)).toBe('end');
    const callers = [{ name: 'deploy', kind: 'spiffe', id: 'spiffe://test.example/deploy' }];
    const only = { callers: ['deploy'] };
    const rings = ringsOf({
      end: { ...RINGS.end, ...only },
      signed: { ...RINGS.signed, ...only },
      wide: { ...RINGS.wide, ...only },
    });
    await applyPolicy(over, await nextPolicy(over, { callers, rings }));
    await expect(sign(ci)).toRefuseWith('SESSION_REFUSED');
    expect(await sign(deploy)).toBe('end');
    const fresh = await targetOf(served);
    await expect(
      SessionCaller.open(over, { target: fresh, identity: testIdentity('ci') }),
    ).toRefuseWith('SESSION_REFUSED');
  });

  test('opens under the evidence before for two minutes more', async () => {
    const own = new World('renewed');
    const served = await own.begin(RINGS);
    const over = (method: string, body: Uint8Array): Promise<Uint8Array> =>
      served.call(method, body);
    const target = await targetOf(served);
    own.clock.advance(30 * 60_000);
    await served.enclave.tick();
    expect((await targetOf(served)).evidenceDigest).not.toEqual(target.evidenceDigest);
    const identity = testIdentity('ci');
    await SessionCaller.open(over, { target, identity });
    own.clock.advance(120_000);
    await expect(SessionCaller.open(over, { target, identity })).toRefuseWith('SESSION_REFUSED');
  });
});

describe('the last checkpoint of a caller', () => {
  test('is taken when the log goes on from it', async () => {
    const first = await opened();
    await signedIn(first, 'end');
    const second = await opened({ lastCheckpoint: first.facts.checkpoint });
    expect((await signedIn(second, 'end')).ring).toBe('end');
  });

  test('of another log opens nothing', async () => {
    const other = new World('another log');
    const served = await other.begin(RINGS);
    const there = await SessionCaller.open((method, body) => served.call(method, body), {
      target: await targetOf(served),
      identity: testIdentity('ci'),
    });
    await expect(opened({ lastCheckpoint: there.facts.checkpoint })).toRefuseWith(
      'SESSION_REFUSED',
    );
  });

  test('with a second line of the log’s name opens nothing', async () => {
    const { checkpoint } = (await opened()).facts;
    const note = new TextDecoder().decode(checkpoint);
    const line = note.slice(note.lastIndexOf('\u2014'));
    const lastCheckpoint = utf8(note + line);
    await expect(opened({ lastCheckpoint })).toRefuseWith('SESSION_REFUSED');
  });

  test('that is larger than the log halts the enclave', async () => {
    const own = new World('rolled back');
    const served = await own.begin(RINGS);
    const over = (enclave: Running) => (method: string, body: Uint8Array) =>
      enclave.call(method, body);
    const [records, log] = [own.store.snapshot(), own.logStore.snapshot()];
    const before = await SessionCaller.open(over(served), {
      target: await targetOf(served),
      identity: testIdentity('ci'),
    });
    const answer = await before.unary(METHODS.sign, signRequest('end', MESSAGE));
    const { checkpoint } = receiptOf(SignResponse.decode(answer));
    own.store.restore(records);
    own.logStore.restore(log);
    const again = await own.reboot(served);
    await expect(
      SessionCaller.open(over(again), {
        target: await targetOf(again),
        identity: testIdentity('ci'),
        lastCheckpoint: utf8(checkpoint),
      }),
    ).toRefuseWith('ENCLAVE_HALTED', { haltReason: 'ROLLBACK_DETECTED' });
    expect((await again.status()).haltReason).toBe('ROLLBACK_DETECTED');
  });
});

/** A call that `identity` signed. */
async function signedCall(
  identity: ClientIdentity,
  method: string,
  request: Uint8Array,
): Promise<Uint8Array> {
  const { clusterId } = await targetOf(running);
  const requestId = crypto.getRandomValues(new Uint8Array(16));
  const notAfterMs = world.clock.wallMs() + 50_000;
  const input = signedCallInput(
    clusterId,
    { method, requestId, notAfterMs },
    hash('sha256', request, 'buffer'),
  );
  return CallSignedRequest.encode({
    method,
    request,
    requestId,
    notAfterMs: BigInt(notAfterMs),
    certificates: [...identity.certificates],
    algorithm: identity.algorithm as CallSignedRequest['algorithm'],
    signature: await identity.sign(input),
  }).finish();
}

describe('a signed call', () => {
  test('signs with a ring of its rank, once; and not with one of rank session', async () => {
    world.clock.advance(SIGNED_CALL_MS);
    const identity = testIdentity('ci');
    const call = await signedCall(identity, METHODS.sign, signRequest('signed', MESSAGE));
    const { response } = CallSignedResponse.decode(await carry(METHODS.callSigned, call));
    const answer = SignResponse.decode(response);
    expect(parseLeaf(receiptOf(answer).leaf)).toMatchObject({ rank: 'signed', caller: 'ci' });
    await expect(carry(METHODS.callSigned, call)).toRefuseWith('REQUEST_ID_REUSED');
    const above = await signedCall(identity, METHODS.sign, signRequest('end', MESSAGE));
    await expect(carry(METHODS.callSigned, above)).toRefuseWith('SIGNING_POLICY_DENIED', {
      policyId: 'lowest-rank',
      ring: 'end',
      expected: 'session',
      actual: 'signed',
    });
  });

  test('does not carry sessions, genesis or what admins approve', async () => {
    world.clock.advance(SIGNED_CALL_MS);
    const identity = testIdentity('ci');
    for (const method of [METHODS.callSigned, METHODS.openSession, METHODS.applyPolicy]) {
      const call = await signedCall(identity, method, NOTHING);
      await expect(carry(METHODS.callSigned, call)).toRefuseWith('METHOD_UNKNOWN');
    }
    const call = await signedCall(identity, METHODS.getPolicy, NOTHING);
    const { response } = CallSignedResponse.decode(await carry(METHODS.callSigned, call));
    const plain = await carry(METHODS.getPolicy, NOTHING);
    expect(GetPolicyResponse.decode(response)).toEqual(GetPolicyResponse.decode(plain));
  });
});
