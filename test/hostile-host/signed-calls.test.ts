/**
 * A host that carries signed calls again, changed, elsewhere, or under somebody else's name (docs/spec/signed-call.md). Each
 * is carried out once, by the enclave of its cluster, as its caller signed it; or refused, and nothing is signed.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Refusal, type Reason } from '../../enclave/wire/error-code.ts';
import type { CallSignedRequest } from '../../enclave/wire/gen/sealwright/v1/session.ts';
import { CallSignedResponse } from '../../enclave/wire/gen/sealwright/v1/session.ts';
import { SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { MAX_CERTIFICATE_BYTES, SIGNED_CALL_MS } from '../../enclave/wire/limits.ts';
import { END_SESSION, METHODS } from '../../enclave/wire/methods.ts';
import type { ClientIdentity } from '../../enclave/wire/session/client.ts';
import { certified, spiffeId, TEST_AUTHORITY, TestAuthority } from '../support/fakes/callers.ts';
import { signRequest } from '../support/fakes/world.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import type { AskOptions } from '../support/hostile-host/hostile-host.ts';
import { Rig } from '../support/hostile-host/rig.ts';
import {
  SessionHost,
  signedCall,
  signIn,
  encodeSigned,
} from '../support/hostile-host/session-host.ts';
import { identityOf, recordRequest, testIdentity } from '../support/session-caller.ts';

const theRig = attacked();
const NOTHING = new Uint8Array(0);
const ci = testIdentity('ci');
const MESSAGE = { message: Buffer.from('a message') };

const host = (): SessionHost => new SessionHost(theRig());
let clusterId: Uint8Array = NOTHING;
beforeAll(async () => {
  ({ clusterId } = await host().target());
  await readyForCalls(host());
});

type Options = Partial<Parameters<typeof signedCall>[0]>;

const call = (options: Options = {}): Promise<CallSignedRequest> =>
  signedCall({ identity: ci, clusterId, ...options });

/** In the first moments after a start not even the longest call outlives those of the process before. */
async function readyForCalls(at: SessionHost): Promise<void> {
  const { clusterId: cluster } = await at.target();
  for (;;) {
    try {
      await at.carry()(METHODS.callSigned, encodeSigned(await call({ clusterId: cluster })));
      return;
    } catch (error) {
      if (!(error instanceof Refusal) || error.reason !== 'ENCLAVE_NOT_READY') throw error;
      await sleep(10);
    }
  }
}

async function bring(made: CallSignedRequest, options?: AskOptions): Promise<Uint8Array> {
  const answer = await host().carry(options)(METHODS.callSigned, encodeSigned(made));
  return CallSignedResponse.decode(answer).response;
}

async function refused(made: CallSignedRequest, reason: Reason): Promise<void> {
  await host().expectNothing(() => expect(bring(made)).toRefuseWith(reason, {}));
}

describe('a signed call', () => {
  test('is carried out for whom it is from, whatever the host says', async () => {
    const other = certified(TEST_AUTHORITY.client(spiffeId('deploy')));
    for (const caller of [other, { rank: 2, certificates: [], socket: 'x' }, undefined]) {
      const made = await call();
      const leaves = await host().leavesOf(() => bring(made, { caller }));
      expect(leaves).toMatchObject([
        { kind: 'signature', caller: 'ci', callerId: spiffeId('ci'), rank: 'signed' },
      ]);
    }
  });

  test('brought again is refused, also many times at once', async () => {
    const made = await call();
    let outcomes: PromiseSettledResult<Uint8Array>[] = [];
    const leaves = await host().leavesOf(async () => {
      outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => bring(made)));
    });
    expect(leaves).toMatchObject([{ kind: 'signature' }]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await refused(made, 'REQUEST_ID_REUSED');
  });

  test('brought again with another chain of the same key, or in another form, is refused', async () => {
    const made = await call();
    await bring(made);
    const certificates = [...made.certificates, TEST_AUTHORITY.certificate];
    await refused({ ...made, certificates }, 'REQUEST_ID_REUSED');
    await host().expectNothing(() =>
      expect(
        host().carry()(
          METHODS.callSigned,
          // Fields again, in another order: another message, the same call.
          Uint8Array.from([...encodeSigned(made), ...encodeSigned({ ...made, certificates: [] })]),
        ),
      ).toRefuseWith('REQUEST_ID_REUSED'),
    );
  });

  test('brought again under another name that its key is certified for is refused', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const named = (name: string): Uint8Array =>
      TEST_AUTHORITY.client(spiffeId(name), {}, publicKey);
    const identity = identityOf([named('ci')], privateKey, publicKey);
    const made = await call({ identity });
    const leaves = await host().leavesOf(() => bring(made));
    expect(leaves).toMatchObject([{ caller: 'ci' }]);
    for (const certificates of [[named('deploy')], [named('ci')]]) {
      await refused({ ...made, certificates }, 'REQUEST_ID_REUSED');
    }
  });

  test('brought after a restart is refused, and so is one that was kept for it', async () => {
    const [brought, kept] = [await call(), await call()];
    await bring(brought);
    await theRig().reboot();
    await refused(brought, 'ENCLAVE_NOT_READY');
    await refused(kept, 'ENCLAVE_NOT_READY');
    await refused(await call({ notAfterMs: Date.now() + 50_000 }), 'ENCLAVE_NOT_READY');
    await readyForCalls(host());
  });

  test('that is void, or will be only after more than a minute, is refused', async () => {
    await refused(await call({ notAfterMs: Date.now() - 1_000 }), 'DEADLINE_EXCEEDED');
    await refused(await call({ notAfterMs: 0 }), 'DEADLINE_EXCEEDED');
    const far = Date.now() + SIGNED_CALL_MS + 5_000;
    await refused(await call({ notAfterMs: far }), 'REQUEST_MALFORMED');
    await refused(await call({ notAfterMs: Number.MAX_SAFE_INTEGER }), 'REQUEST_MALFORMED');
  });
});

describe('a signed call changed on the way', () => {
  const deploy = testIdentity('deploy');
  test.each<readonly [string, (made: CallSignedRequest) => Partial<CallSignedRequest>]>([
    ['in its request', () => ({ request: signRequest('signed', { message: Buffer.from('x') }) })],
    ['in a bit of its request', ({ request }) => ({ request: flipped(request, 3) })],
    ['to another ring', () => ({ request: signRequest('token', MESSAGE) })],
    ['to no request', () => ({ request: NOTHING })],
    ['to another method', () => ({ method: METHODS.signBatch })],
    ['to a harmless method', () => ({ method: METHODS.getStatus })],
    ['in its id', () => ({ requestId: Uint8Array.from(randomBytes(16)) })],
    ['to live longer', ({ notAfterMs }) => ({ notAfterMs: notAfterMs + 1n })],
    ['to live less long', ({ notAfterMs }) => ({ notAfterMs: notAfterMs - 1n })],
    ['to another caller', () => ({ certificates: [...deploy.certificates] })],
    ['to another algorithm', () => ({ algorithm: 2 })],
    ['to no algorithm', () => ({ algorithm: 0 })],
    ['in its signature', ({ signature }) => ({ signature: flipped(signature, 9) })],
    ['by a byte behind its signature', ({ signature }) => ({ signature: padded(signature) })],
  ])('%s is refused', async (_, change) => {
    const made = await call();
    await refused({ ...made, ...change(made) }, 'CALLER_UNAUTHENTICATED');
    // Nobody used its id up.
    const response = SignResponse.decode(await bring(made));
    expect(response.ring).toBe('signed');
  });

  test.each<readonly [string, Partial<CallSignedRequest>, Reason]>([
    ['to no signature', { signature: NOTHING }, 'REQUEST_MALFORMED'],
    ['to a signature of 1,025 bytes', { signature: new Uint8Array(1025) }, 'REQUEST_MALFORMED'],
    ['to no id', { requestId: NOTHING }, 'REQUEST_MALFORMED'],
    ['to an id of 17 bytes', { requestId: new Uint8Array(17) }, 'REQUEST_MALFORMED'],
    ['to no certificates', { certificates: [] }, 'REQUEST_MALFORMED'],
    ['to six certificates', { certificates: many(6, 9) }, 'REQUEST_MALFORMED'],
    ['to an empty certificate', { certificates: many(1, 0) }, 'REQUEST_MALFORMED'],
    [
      'to a certificate that is too large',
      { certificates: many(1, MAX_CERTIFICATE_BYTES + 1) },
      'REQUEST_MALFORMED',
    ],
    ['to a certificate that is none', { certificates: many(1, 9) }, 'CALLER_UNAUTHENTICATED'],
    ['to a time that no clock has', { notAfterMs: 2n ** 63n }, 'REQUEST_MALFORMED'],
    ['to a word for a method', { method: 'store/put' }, 'REQUEST_MALFORMED'],
    ['to a method of the host’s', { method: '/a.b/C' }, 'METHOD_UNKNOWN'],
    ['to itself', { method: METHODS.callSigned }, 'METHOD_UNKNOWN'],
    ['to a record of a session', { method: METHODS.callSession }, 'METHOD_UNKNOWN'],
    ['to the end of a session', { method: END_SESSION }, 'METHOD_UNKNOWN'],
    ['to a policy', { method: METHODS.applyPolicy }, 'METHOD_UNKNOWN'],
    ['to a genesis', { method: METHODS.commitGenesis }, 'METHOD_UNKNOWN'],
  ])('%s is refused', async (_, change, reason) => {
    await refused({ ...(await call()), ...change }, reason);
  });
});

describe('a signed call for something else', () => {
  let other: Rig;
  beforeAll(async () => {
    other = await Rig.serving();
    await readyForCalls(new SessionHost(other));
  });
  afterAll(() => other.close());

  test('for another cluster that trusts the same authority is refused here, and ours there', async () => {
    const there = new SessionHost(other);
    const theirs = (await there.target()).clusterId;
    expect(theirs).not.toEqual(clusterId);
    await refused(await call({ clusterId: theirs }), 'CALLER_UNAUTHENTICATED');
    const ours = await call();
    await there.expectNothing(() =>
      expect(there.carry()(METHODS.callSigned, encodeSigned(ours))).toRefuseWith(
        'CALLER_UNAUTHENTICATED',
        {},
      ),
    );
    await bring(ours);
  });

  test('is not raised to rank session by anything', async () => {
    const made = await call({ request: signRequest('session', MESSAGE) });
    await host().expectNothing(() =>
      expect(bring(made, { caller: { ...certified(...ci.certificates), rank: 1 } })).toRefuseWith(
        'SIGNING_POLICY_DENIED',
        { policyId: 'lowest-rank', ring: 'session', expected: 'session', actual: 'signed' },
      ),
    );
  });

  test('signed for an opening of a session is no signed call, and the other way round', async () => {
    const inputs: Uint8Array[] = [];
    const keeping: ClientIdentity = {
      ...ci,
      sign: (input) => {
        inputs.push(input);
        return ci.sign(input);
      },
    };
    await host().opening(keeping);
    const signature = await ci.sign(inputs[0] ?? NOTHING);
    await refused({ ...(await call()), signature }, 'CALLER_UNAUTHENTICATED');
    const { signature: ofCall } = await call();
    const opening = await host().opening({ ...ci, sign: () => Promise.resolve(ofCall) });
    await host().expectNothing(() =>
      expect(host().bring(opening)).toRefuseWith('SESSION_REFUSED', {}),
    );
  });

  test('brought as a record, an Open or a plain call is none', async () => {
    // Which is no message in the place where a plain call has one.
    const requestId = new Uint8Array(16).fill(0xff);
    const body = encodeSigned(await call({ requestId }));
    const carry = host().carry({ caller: certified(...ci.certificates) });
    await host().expectNothing(async () => {
      const record = carry(METHODS.callSession, recordRequest(body));
      await expect(record).toRefuseWith('SESSION_REFUSED', {});
      await expect(carry(METHODS.callSession, body)).toRefuseWith('SESSION_REFUSED', {});
      await expect(carry(METHODS.openSession, body)).toRefuseWith('SESSION_REFUSED', {});
      await expect(carry(METHODS.sign, body)).toRefuseWith('REQUEST_MALFORMED');
    });
  });

  test('around a request that was signed before gives the same signature, and to no other rank', async () => {
    const options = { ...MESSAGE, requestId: Uint8Array.from(randomBytes(16)) };
    const request = signRequest('signed', options);
    const [first, again] = [
      await bring(await call({ request })),
      await bring(await call({ request })),
    ];
    const { signature } = SignResponse.decode(first);
    expect(SignResponse.decode(again).signature).toEqual(signature);
    // Else the host could ask in its caller's name for what a session was answered.
    const inside = await signIn(await host().open(ci), 'signed', options);
    expect(inside.signature).not.toEqual(signature);
    const outside = theRig().sign('signed', { ...options, caller: certified(...ci.certificates) });
    await expect(outside).toRefuseWith('SIGNING_POLICY_DENIED');
  });
});

describe('a signed call of the host’s own', () => {
  test.each<readonly [string, () => ClientIdentity]>([
    ['with a key of the host', () => ({ ...testIdentity('ci'), certificates: ci.certificates })],
    ['of a caller that no policy names', () => testIdentity('stranger')],
    ['of an authority with the name of the true one', () => forged(new TestAuthority('callers'))],
  ])('%s is refused', async (_, identity) => {
    await refused(await call({ identity: identity() }), 'CALLER_UNAUTHENTICATED');
  });
});

function forged(authority: TestAuthority): ClientIdentity {
  return { ...ci, certificates: [authority.client(spiffeId('ci'))] };
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
}

function padded(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes, 0]);
}

function many(count: number, length: number): Uint8Array[] {
  return Array.from({ length: count }, () => new Uint8Array(length));
}
