import { describe, expect, test } from 'vitest';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { KeyState } from '../../enclave/wire/gen/sealwright/v1/keys.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import {
  GetEvidenceRequest,
  GetEvidenceResponse,
} from '../../enclave/wire/gen/sealwright/v1/attestation.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { PlatformFailure } from '../../enclave/ports.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import { SshAdmin } from '../../src/simulator/ssh-admin.ts';
import { generateKeyPairSync } from 'node:crypto';
import { SECOND_CALLER, TEST_ADMIN } from '../support/fakes/callers.ts';
import type { PutFault } from '../support/fakes/memory-store.ts';
import { ringsOf, World, type RingOptions, type Running } from '../support/fakes/world.ts';
import type { Call } from '../support/genesis.ts';
import { applyPolicy, approvalsOf, getPolicy, nextPolicy } from '../support/statements.ts';
import '../support/matchers.ts';

const RINGS: Record<string, RingOptions> = {
  a: { algorithm: 'ES256' },
  h: { algorithm: 'ES256', residency: 'hsm' },
};
const B: Record<string, RingOptions> = { b: { algorithm: 'EdDSA', residency: 'hsm' } };
const MESSAGE = { message: utf8('m') };

const callTo =
  (running: Running): Call =>
  (method, body) =>
    running.call(method, body);

async function keyWords(running: Running): Promise<string[]> {
  const words = new Map<number, string>(Object.entries(KeyState).map(([name, n]) => [n, name]));
  return (await running.keys()).map(
    ({ ring, version, state }) =>
      `${ring}/${String(version)} ${words.get(state)?.replace('KEY_STATE_', '').toLowerCase() ?? ''}`,
  );
}

async function claimsOf(running: Running): Promise<SignedJsonObject> {
  const body = GetEvidenceRequest.encode({ nonce: new Uint8Array(32), fresh: false }).finish();
  const { bundle } = GetEvidenceResponse.decode(await running.call(METHODS.getEvidence, body));
  const { claims } = JSON.parse(Buffer.from(bundle).toString()) as { claims: string };
  return JSON.parse(claims) as SignedJsonObject;
}

const rings = (options: Record<string, RingOptions>) => ({ rings: ringsOf(options) });

describe('a policy that follows', () => {
  test('bears the rings that are new, and deactivates those that are gone', async () => {
    const world = new World('reconcile');
    const running = await world.begin(RINGS);
    const call = callTo(running);
    const before = await running.keys();
    const document = await nextPolicy(call, rings({ a: { algorithm: 'ES256' }, ...B }));
    const answer = await applyPolicy(call, document);
    expect(answer.version).toBe(2n);
    expect(answer.changes).toEqual([
      { ring: 'b', version: 1, from: 0, to: KeyState.KEY_STATE_ACTIVE },
      {
        ring: 'h',
        version: 1,
        from: KeyState.KEY_STATE_ACTIVE,
        to: KeyState.KEY_STATE_DEACTIVATED,
      },
    ]);
    expect(await keyWords(running)).toEqual(['a/1 active', 'b/1 active', 'h/1 deactivated']);
    expect((await running.keys()).find(({ ring }) => ring === 'a')?.kid).toBe(before[0]?.kid);
    expect((await running.sign('b', MESSAGE)).ring).toBe('b');
    await expect(running.sign('h', MESSAGE)).toRefuseWith('KEY_NOT_FOUND');
    expect((await getPolicy(call)).document).toEqual(document);
    expect(await claimsOf(running)).toMatchObject({
      policyVersion: 2,
      policyDigest: toHex(answer.policyDigest),
    });
    const kinds = world.logStore.leaves.map((leaf) => parseLeaf(leaf));
    expect(kinds.map(({ kind }) => kind).slice(-4)).toEqual([
      'policy',
      'key-birth',
      'key-state',
      'signature',
    ]);
    expect(kinds.at(-1)).toMatchObject({ ring: 'b', policyVersion: 2 });
    expect(kinds.at(-2)).toMatchObject({
      ring: 'h',
      from: 'active',
      to: 'deactivated',
      reason: 'policy 2',
    });
  });

  test('is there after a reboot, with keys of every state', async () => {
    const world = new World('reboot');
    let running = await world.begin(RINGS);
    const document = await nextPolicy(callTo(running), rings({ a: { algorithm: 'ES256' }, ...B }));
    await applyPolicy(callTo(running), document);
    const [keys, words] = [await running.keys(), await keyWords(running)];
    running = await world.reboot(running);
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
    expect(await keyWords(running)).toEqual(words);
    expect((await running.keys()).map(({ kid }) => kid)).toEqual(keys.map(({ kid }) => kid));
    expect((await getPolicy(callTo(running))).document).toEqual(document);
    expect((await running.sign('b', MESSAGE)).ring).toBe('b');
    // It is not asked of the token: what can't sign again is wanted for its public half only.
    world.tokens.device.remove(world.tokens.device.object('sealwright/key/a/1'));
    await expect(await world.reboot(running)).toHaltWith('TOKEN_INVENTORY_MISMATCH');
  });

  test('gives a ring that comes back another version, with the same scope or not at all', async () => {
    const running = await new World('back').begin(RINGS);
    const call = callTo(running);
    await applyPolicy(call, await nextPolicy(call, rings({})));
    expect(await keyWords(running)).toEqual(['a/1 deactivated', 'h/1 deactivated']);
    const other = await nextPolicy(call, rings({ a: { algorithm: 'ES384' } }));
    await expect(applyPolicy(call, other)).toRefuseWith('SCOPE_IMMUTABLE', {
      ring: 'a',
      field: 'algorithm',
      expected: 'ES256',
      actual: 'ES384',
    });
    await applyPolicy(call, await nextPolicy(call, rings(RINGS)));
    expect(await keyWords(running)).toEqual([
      'a/1 deactivated',
      'a/2 active',
      'h/1 deactivated',
      'h/2 active',
    ]);
    expect((await running.sign('a', MESSAGE)).version).toBe(2);
  });

  test('takes callers out and in from one request to the next', async () => {
    const running = await new World('callers').begin({
      a: { algorithm: 'ES256', callers: ['ci'] },
    });
    const call = callTo(running);
    const deploy = { ...MESSAGE, call: { untrustedCaller: SECOND_CALLER } };
    await expect(running.sign('a', deploy)).toRefuseWith('SIGNING_POLICY_DENIED');
    const swapped = rings({ a: { algorithm: 'ES256', callers: ['deploy'] } });
    await applyPolicy(call, await nextPolicy(call, swapped));
    expect((await running.sign('a', deploy)).version).toBe(1);
    await expect(running.sign('a', MESSAGE)).toRefuseWith('SIGNING_POLICY_DENIED');
  });

  test('takes effect without the platform; evidence follows when that is back', async () => {
    const world = new World('platform away');
    const running = await world.begin(RINGS);
    const call = callTo(running);
    world.platform.failure = new PlatformFailure('silent');
    expect((await applyPolicy(call, await nextPolicy(call, rings(B)))).version).toBe(2n);
    expect((await running.sign('b', MESSAGE)).ring).toBe('b');
    // Evidence of another policy is none.
    await expect(claimsOf(running)).toRefuseWith('EVIDENCE_STALE');
    world.platform.failure = undefined;
    await running.enclave.tick();
    expect(await claimsOf(running)).toMatchObject({ policyVersion: 2 });
  });
});

describe('a policy that does not follow', () => {
  const bob = new SshAdmin('bob', generateKeyPairSync('ed25519').privateKey);
  const asAdmin = ({ name, publicKey }: SshAdmin) => ({ name, key: publicKey });

  test.each<[string, SignedJsonObject, string, string]>([
    ['of the version in force', { version: 1 }, 'POLICY_INVALID', '/clusterId'],
    ['two versions ahead', { version: 3 }, 'POLICY_NOT_NEXT', '/version'],
    ['of another cluster', { clusterId: '00'.repeat(32) }, 'POLICY_NOT_NEXT', '/clusterId'],
    ['built on another policy', { replaces: '00'.repeat(32) }, 'POLICY_NOT_NEXT', '/replaces'],
    ['whose time is over', { notBefore: 0, notAfter: 1 }, 'POLICY_NOT_IN_TIME', 'notAfter'],
    ['with a member too many', { more: 1 }, 'POLICY_INVALID', '/more'],
    ['with a ring of nothing', { rings: [{}] }, 'POLICY_INVALID', '/rings/0/name'],
  ])('%s changes nothing', async (_name, change, reason, field) => {
    const world = new World('not next');
    const running = await world.begin(RINGS);
    const call = callTo(running);
    const [leaves, puts] = [world.logStore.leaves.length, world.store.puts];
    const document = await nextPolicy(call, change);
    await expect(applyPolicy(call, document)).rejects.toMatchObject({ reason, details: { field } });
    expect([world.logStore.leaves.length, world.store.puts]).toEqual([leaves, puts]);
    expect((await running.sign('a', MESSAGE)).version).toBe(1);
  });

  test('needs M of those who are admins now, and all who are new', async () => {
    const running = await new World('admins').begin(RINGS);
    const call = callTo(running);
    const both = { admins: [TEST_ADMIN, bob].map(asAdmin), threshold: 2 };
    const document = await nextPolicy(call, both);
    const approvals = (...admins: SshAdmin[]) => approvalsOf('policy', document, admins);
    await expect(applyPolicy(call, document, approvals())).toRefuseWith('APPROVALS_MISSING', {
      expected: '1',
      actual: '0',
    });
    await expect(applyPolicy(call, document, approvals(bob))).toRefuseWith('APPROVALS_MISSING', {
      expected: '1',
      actual: '0',
    });
    await expect(applyPolicy(call, document, approvals(TEST_ADMIN))).toRefuseWith(
      'APPROVALS_MISSING',
      { expected: 'bob' },
    );
    await applyPolicy(call, document, approvals(bob, TEST_ADMIN));
    // From now on it takes two.
    const next = await nextPolicy(call);
    await expect(applyPolicy(call, next, approvalsOf('policy', next))).toRefuseWith(
      'APPROVALS_MISSING',
      { expected: '2', actual: '1' },
    );
    await applyPolicy(call, next, approvalsOf('policy', next, [TEST_ADMIN, bob]));
    expect((await getPolicy(call)).document).toEqual(next);
  });

  test('is not even read when no admin of now has approved it', async () => {
    const running = await new World('unread').begin(RINGS);
    const [call, noise] = [callTo(running), utf8('no policy at all')];
    const missing = { expected: '1', actual: '0' };
    await expect(applyPolicy(call, noise, [])).toRefuseWith('APPROVALS_MISSING', missing);
    const strange = approvalsOf('policy', noise, [bob]);
    await expect(applyPolicy(call, noise, strange)).toRefuseWith('APPROVALS_MISSING', missing);
    const other = approvalsOf('policy', utf8('another'));
    await expect(applyPolicy(call, noise, other)).toRefuseWith('APPROVAL_INVALID', {
      field: 'approvals/0',
      actual: 'signature',
    });
    await expect(applyPolicy(call, noise)).toRefuseWith('POLICY_INVALID');
  });

  test('for want of a mechanism touches no key', async () => {
    const world = new World('mechanism');
    const running = await world.begin(RINGS);
    world.tokens.device.missing.set('EdDSA', 'CKM_EDDSA');
    const call = callTo(running);
    const [document, objects] = [
      await nextPolicy(call, rings(B)),
      world.tokens.device.objects.length,
    ];
    await expect(applyPolicy(call, document)).toRefuseWith('MECHANISM_UNSUPPORTED', {
      ring: 'b',
      mechanism: 'CKM_EDDSA',
      token: 'Fake project Fake v1',
    });
    expect(world.tokens.device.objects).toHaveLength(objects);
    expect(await keyWords(running)).toEqual(['a/1 active', 'h/1 active']);
  });

  test('is refused before there is a cluster, and taken as long as something signs', async () => {
    const world = new World('phases');
    const running = await world.begin(RINGS);
    const document = await nextPolicy(callTo(running), rings(B));
    const empty = await new World('empty').boot();
    await expect(applyPolicy(callTo(empty), document)).toRefuseWith('ENCLAVE_NOT_READY');
    running.enclave.startDraining();
    expect((await applyPolicy(callTo(running), document)).version).toBe(2n);
  });
});

describe('two at once', () => {
  test('have their turns: the second does not follow any more', async () => {
    const running = await new World('twice').begin(RINGS);
    const call = callTo(running);
    const [one, two] = [await nextPolicy(call, rings(B)), await nextPolicy(call, rings(RINGS))];
    const [first, second] = await Promise.allSettled([
      applyPolicy(call, one),
      applyPolicy(call, two),
    ]);
    expect(first).toMatchObject({ status: 'fulfilled', value: { version: 2n } });
    expect(second).toMatchObject({ status: 'rejected', reason: { reason: 'POLICY_NOT_NEXT' } });
  });

  test('a head of the log that is due waits for its turn', async () => {
    const world = new World('head');
    const running = await world.begin(RINGS);
    const call = callTo(running);
    const document = await nextPolicy(call, rings({ ...RINGS, ...B }));
    const applying = applyPolicy(call, document);
    await running.sign('a', MESSAGE);
    world.clock.advance(61_000);
    await Promise.all([running.enclave.tick(), running.enclave.writeLogHead(), applying]);
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
    expect((await (await world.reboot(running)).status()).phase).toBe(Phase.PHASE_SERVING);
  });
});

describe.each<PutFault>(['refused', 'lost', 'done'])('a put that is %s', (fault) => {
  test('while a policy is applied leaves the old one or the new one, whole', async () => {
    const seen = new Set<string>();
    for (let n = 1; ; n += 1) {
      const world = new World(`apply ${fault} ${String(n)}`);
      const running = await world.begin(RINGS);
      const before = await running.keys();
      const document = await nextPolicy(
        callTo(running),
        rings({ a: { algorithm: 'ES256' }, ...B }),
      );
      const puts = world.store.puts;
      world.store.failPut(n, fault);
      const applied = await applyPolicy(callTo(running), document).then(
        () => true,
        () => false,
      );
      if (applied) {
        expect(n).toBeGreaterThan(2);
        break;
      }
      expect(world.store.puts).toBe(puts + n);
      await expect(running).toHaltWith('INVARIANT_BROKEN');
      await expect(running.sign('a', MESSAGE)).toRefuseWith('ENCLAVE_HALTED');
      const again = await world.boot();
      expect((await again.status()).phase).toBe(Phase.PHASE_SERVING);
      const words = (await keyWords(again)).join(', ');
      seen.add(words);
      // Nothing that was published is lost, and no object is left over.
      const kids = (await again.keys()).map(({ kid }) => kid);
      expect(kids).toEqual(expect.arrayContaining(before.map(({ kid }) => kid)));
      expect(world.tokens.device.objects).toHaveLength(1 + kids.length);
      if (words.includes('b/1')) await again.sign('b', MESSAGE);
      else {
        await again.sign('h', MESSAGE);
        await applyPolicy(callTo(again), document);
        await again.sign('b', MESSAGE);
      }
    }
    const old = 'a/1 active, h/1 active';
    const whole = 'a/1 active, b/1 active, h/1 deactivated';
    expect([...seen].sort()).toEqual(fault === 'done' ? [old, whole].sort() : [old]);
  });
});

describe('a birth that fails', () => {
  test('halts; the next boot has the old policy and none of the new keys', async () => {
    const world = new World('birth');
    const running = await world.begin(RINGS);
    const call = callTo(running);
    const document = await nextPolicy(call, rings({ ...RINGS, ...B, c: { algorithm: 'ES256' } }));
    world.tokens.fault = (operation) => (operation === 'sign' ? new Error('gone') : undefined);
    await expect(applyPolicy(call, document)).toRefuseWith('ENCLAVE_HALTED', {
      haltReason: 'INVARIANT_BROKEN',
    });
    world.tokens.fault = undefined;
    const again = await world.boot();
    expect(await keyWords(again)).toEqual(['a/1 active', 'h/1 active']);
    expect(world.tokens.device.objects).toHaveLength(3);
    expect((await applyPolicy(callTo(again), document)).version).toBe(2n);
  });
});
