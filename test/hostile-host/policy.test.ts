/**
 * A host that meddles with what admins signed: old approvals, other clusters, one admin too few, statements again, half
 * of an application. Each is refused by name or without effect; the enclave goes by the old policy or the new one, whole
 * (docs/spec/policy.md "Applying", docs/spec/admin-statements.md).
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { KeyState, ListKeysResponse } from '../../enclave/wire/gen/sealwright/v1/keys.ts';
import { ApplyPolicyRequest } from '../../enclave/wire/gen/sealwright/v1/policy.ts';
import { policyDigestInput } from '../../enclave/wire/layouts.ts';
import { MAX_POLICY_BYTES, MAX_POLICY_REQUEST_BYTES } from '../../enclave/wire/limits.ts';
import { LOG_METHODS, METHODS, STORE_METHODS } from '../../enclave/wire/methods.ts';
import {
  canonicalize,
  parseSignedJson,
  type SignedJson,
  type SignedJsonObject,
} from '../../enclave/wire/signed-json.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import { SshAdmin } from '../../src/simulator/ssh-admin.ts';
import { STRANGER, TEST_ADMIN } from '../support/fakes/callers.ts';
import { ringsOf, type RingOptions } from '../support/fakes/world.ts';
import type { Call } from '../support/genesis.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { NOTHING, requestFrame } from '../support/hostile-host/frames.ts';
import { RINGS } from '../support/hostile-host/rig.ts';
import { without } from '../support/policies.ts';
import { lieInRecords } from '../support/hostile-host/store-lies.ts';
import {
  applyEmergency,
  applyPolicy,
  approvalsOf,
  emergency,
  emergencyDigest,
  getPolicy,
  nextPolicy,
} from '../support/statements.ts';
import '../support/matchers.ts';

const theRig = attacked();
const call: Call = (method, body) => theRig().host.call(method, body, { timeoutMs: 60_000 });

const person = (name: string): SshAdmin =>
  new SshAdmin(name, generateKeyPairSync('ed25519').privateKey);
const [bob, carol, mallory] = [person('bob'), person('carol'), person('mallory')];
const asAdmin = ({ name, publicKey }: SshAdmin) => ({ name, key: publicKey });
const TWO = [TEST_ADMIN, bob];
const approvedByTwo = (document: Uint8Array): Uint8Array[] => approvalsOf('policy', document, TWO);

type Options = Readonly<Record<string, RingOptions>>;
const ringsWith = (more: Options = {}): SignedJsonObject => ({
  rings: ringsOf({ ...RINGS, ...more }),
});
const NEW: Options = { extra: { algorithm: 'ES256', residency: 'hsm' } };

async function version(): Promise<number> {
  const { document } = await getPolicy(call);
  return (JSON.parse(Buffer.from(document).toString()) as { version: number }).version;
}

async function states(): Promise<string[]> {
  const { keys } = ListKeysResponse.decode(await call(METHODS.listKeys, NOTHING));
  return keys.map((key) => `${key.ring}/${String(key.version)}=${String(key.state)}`);
}

/** Two of three decide from here on. */
beforeAll(async () => {
  const admins = [TEST_ADMIN, bob, carol];
  const document = await nextPolicy(call, { admins: admins.map(asAdmin), threshold: 2 });
  // One of one decided until now, and had to say that there was none to spare.
  const two = canonicalize(without(parseSignedJson(document) as SignedJsonObject, 'noSpareAdmin'));
  await applyPolicy(call, two, approvalsOf('policy', two, admins));
});

describe('a policy', () => {
  test('that was applied is not applied again, with the same approvals', async () => {
    const document = await nextPolicy(call);
    const approvals = approvedByTwo(document);
    await applyPolicy(call, document, approvals);
    const now = await version();
    await expect(applyPolicy(call, document, approvals)).toRefuseWith('POLICY_NOT_NEXT', {
      field: '/version',
      expected: String(now + 1),
      actual: String(now),
    });
  });

  test('of before does not come back: rollback takes the approvals of now', async () => {
    const before = await nextPolicy(call, ringsWith());
    const approvals = approvedByTwo(before);
    const instead = await nextPolicy(call);
    await applyPolicy(call, instead, approvedByTwo(instead));
    await expect(applyPolicy(call, before, approvals)).toRefuseWith('POLICY_NOT_NEXT');
  });

  test('built on one that was withdrawn does not follow the one that was not', async () => {
    const withdrawn = await nextPolicy(call, { validForSeconds: 3_600 });
    const applied = await nextPolicy(call, { validForSeconds: 86_400 });
    await applyPolicy(call, applied, approvedByTwo(applied));
    const digest = createHash('sha256').update(policyDigestInput(withdrawn)).digest('hex');
    const document = await nextPolicy(call, { replaces: digest });
    await expect(applyPolicy(call, document, approvedByTwo(document))).rejects.toMatchObject({
      reason: 'POLICY_NOT_NEXT',
      details: { field: '/replaces', actual: digest },
    });
  });

  test.each<[string, (now: SignedJsonObject) => SignedJsonObject, string]>([
    ['two versions ahead', (now) => ({ version: Number(now['version']) + 2 }), '/version'],
    ['of another cluster', () => ({ clusterId: 'ab'.repeat(32) }), '/clusterId'],
  ])('%s is refused, however many approved it', async (_, change, field) => {
    const document = await nextPolicy(call, change);
    const refused = applyPolicy(call, document, approvedByTwo(document));
    await expect(refused).rejects.toMatchObject({ reason: 'POLICY_NOT_NEXT', details: { field } });
  });

  test('whose time is over is refused', async () => {
    const past = Date.now() - 1_000;
    const document = await nextPolicy(call, { notBefore: past - 1_000, notAfter: past });
    const refused = applyPolicy(call, document, approvedByTwo(document));
    await expect(refused).rejects.toMatchObject({
      reason: 'POLICY_NOT_IN_TIME',
      details: { field: 'notAfter' },
    });
  });
});

describe('a policy that widens', () => {
  const widened = () => nextPolicy(call, ringsWith(NEW));

  test.each<[string, (document: Uint8Array) => Uint8Array[], string, object]>([
    ['nobody', () => [], 'APPROVALS_MISSING', { actual: '0' }],
    [
      'one of two',
      (document) => approvalsOf('policy', document, [bob]),
      'APPROVALS_MISSING',
      { actual: '1' },
    ],
    [
      'one admin twice',
      (document) => approvalsOf('policy', document, [bob, bob]),
      'APPROVAL_INVALID',
      { field: 'approvals/1', actual: 'duplicate' },
    ],
    [
      'an admin and a stranger',
      (document) => approvalsOf('policy', document, [bob, mallory]),
      'APPROVAL_INVALID',
      { field: 'approvals/1', actual: 'not-an-admin' },
    ],
    [
      'admins who signed it as an emergency statement',
      (document) => approvalsOf('emergency', document, TWO),
      'APPROVAL_INVALID',
      { field: 'approvals/0', actual: 'namespace' },
    ],
    [
      'admins who signed it as a genesis',
      (document) => approvalsOf('genesis', document, TWO),
      'APPROVAL_INVALID',
      { field: 'approvals/0', actual: 'namespace' },
    ],
  ])('with approvals of %s changes nothing', async (_, approve, reason, details) => {
    const [document, before] = [await widened(), await states()];
    const refused = applyPolicy(call, document, approve(document));
    await expect(refused).rejects.toMatchObject({ reason, details });
    expect(await states()).toEqual(before);
    await expect(theRig().sign('extra')).toRefuseWith('KEY_NOT_FOUND');
  });

  test('with approvals of a narrower one is another document', async () => {
    const [document, narrower] = [await widened(), await nextPolicy(call)];
    await expect(applyPolicy(call, document, approvedByTwo(narrower))).toRefuseWith(
      'APPROVAL_INVALID',
      { field: 'approvals/0', actual: 'signature' },
    );
  });

  test('to an admin of the host’s own takes the old admins, whatever name that one bears', async () => {
    const own = new SshAdmin('alice', generateKeyPairSync('ed25519').privateKey);
    const admins = [own, bob, carol].map(asAdmin);
    const document = await nextPolicy(call, { admins });
    await expect(
      applyPolicy(call, document, approvalsOf('policy', document, [bob, own])),
    ).toRefuseWith('APPROVALS_MISSING', { expected: '2', actual: '1' });
  });

  test('to a ring’s scope is refused also when all admins approve', async () => {
    const document = await nextPolicy(
      call,
      ringsWith({ signer: { algorithm: 'ES256', lowestRank: 'peer' } }),
    );
    await expect(applyPolicy(call, document, approvedByTwo(document))).toRefuseWith(
      'SCOPE_IMMUTABLE',
      { ring: 'signer', field: 'lowestRank', expected: 'mtls', actual: 'peer' },
    );
  });

  test('lets nobody in before it is applied', async () => {
    await expect(theRig().sign('signer', { caller: STRANGER })).toRefuseWith(
      'SIGNING_POLICY_DENIED',
    );
  });

  test('larger than a policy may be is refused before it is read', async () => {
    const tooLong = new Uint8Array(MAX_POLICY_REQUEST_BYTES + 1);
    await expect(call(METHODS.applyPolicy, tooLong)).rejects.toMatchObject({
      reason: 'FRAME_TOO_LARGE',
    });
    const long = new Uint8Array(MAX_POLICY_BYTES + 1).fill(0x20);
    await expect(applyPolicy(call, long, [])).rejects.toMatchObject({
      reason: 'APPROVALS_MISSING',
    });
    await expect(applyPolicy(call, long, approvedByTwo(long))).rejects.toMatchObject({
      reason: 'POLICY_INVALID',
    });
  });
});

describe('an emergency statement', () => {
  const suspend = () => emergency(call, 'suspend', 'peer', Date.now());
  const byTwo = (statement: Uint8Array): Uint8Array[] => approvalsOf('emergency', statement, TWO);
  const peerState = async (): Promise<string | undefined> =>
    (await states()).find((one) => one.startsWith('peer/1'));
  const active = `peer/1=${String(KeyState.KEY_STATE_ACTIVE)}`;
  const suspended = `peer/1=${String(KeyState.KEY_STATE_SUSPENDED)}`;

  test('to resume is not used again after another suspend', async () => {
    await applyEmergency(call, await suspend());
    const resume = await emergency(call, 'resume', 'peer', Date.now());
    await applyEmergency(call, resume, byTwo(resume));
    await applyEmergency(call, await suspend());
    await expect(applyEmergency(call, resume, byTwo(resume))).toRefuseWith('STATEMENT_REPLAYED');
    // Nor after the enclave has forgotten all that it does not keep.
    await theRig().reboot();
    await expect(applyEmergency(call, resume, byTwo(resume))).toRefuseWith('STATEMENT_REPLAYED');
    expect(await peerState()).toBe(suspended);
    const again = await emergency(call, 'resume', 'peer', Date.now());
    await applyEmergency(call, again, byTwo(again));
    expect(await peerState()).toBe(active);
  });

  test('to resume, approved with a number that the host made up and kept back, is nothing after another suspend', async () => {
    const first = await suspend();
    await applyEmergency(call, first);
    const { adminSequence } = await getPolicy(call);
    // The host names a number far ahead; another last statement than the true one would make this one good never.
    const sequence = Number(adminSequence) + 900;
    const keptBack = await emergency(call, 'resume', 'peer', Date.now(), { sequence });
    const approvals = byTwo(keptBack);
    // It says that this one came to nothing, and tells the truth from now on.
    const resume = await emergency(call, 'resume', 'peer', Date.now());
    await applyEmergency(call, resume, byTwo(resume));
    const again = await suspend();
    await applyEmergency(call, again);
    await expect(applyEmergency(call, keptBack, approvals)).rejects.toMatchObject({
      reason: 'STATEMENT_REPLAYED',
      details: { field: '/previous', expected: emergencyDigest(again) },
    });
    await theRig().reboot();
    await expect(applyEmergency(call, keptBack, approvals)).toRefuseWith('STATEMENT_REPLAYED', {
      field: '/previous',
      expected: emergencyDigest(again),
      actual: emergencyDigest(first),
    });
    expect(await peerState()).toBe(suspended);
    const last = await emergency(call, 'resume', 'peer', Date.now());
    await applyEmergency(call, last, byTwo(last));
    expect(await peerState()).toBe(active);
  });

  test('that follows one which the host made up is good never', async () => {
    const statement = await emergency(call, 'suspend', 'peer', Date.now(), {
      previous: 'cd'.repeat(32),
    });
    await expect(applyEmergency(call, statement)).rejects.toMatchObject({
      reason: 'STATEMENT_REPLAYED',
      details: { field: '/previous', actual: 'cd'.repeat(32) },
    });
    expect(await peerState()).toBe(active);
  });

  test('to suspend, sent by the host a second time, does not suspend what was resumed', async () => {
    const statement = await suspend();
    await applyEmergency(call, statement);
    const resume = await emergency(call, 'resume', 'peer', Date.now());
    await applyEmergency(call, resume, byTwo(resume));
    await expect(applyEmergency(call, statement)).toRefuseWith('STATEMENT_REPLAYED');
    expect(await peerState()).toBe(active);
  });

  test('to resume takes M, and no policy’s approvals', async () => {
    await applyEmergency(call, await suspend());
    const resume = await emergency(call, 'resume', 'peer', Date.now());
    const one = approvalsOf('emergency', resume, [bob]);
    await expect(applyEmergency(call, resume, one)).toRefuseWith('APPROVALS_MISSING', {
      expected: '2',
      actual: '1',
    });
    await expect(applyEmergency(call, resume, approvedByTwo(resume))).toRefuseWith(
      'APPROVAL_INVALID',
      { field: 'approvals/0', actual: 'namespace' },
    );
    await applyEmergency(call, resume, byTwo(resume));
  });

  test('of another cluster, or without an admin, stops no key', async () => {
    const other = await emergency(call, 'suspend', 'peer', Date.now(), {
      clusterId: 'cd'.repeat(32),
    });
    await expect(applyEmergency(call, other)).rejects.toMatchObject({
      reason: 'STATEMENT_INVALID',
      details: { field: '/clusterId' },
    });
    const statement = await suspend();
    const stranger = approvalsOf('emergency', statement, [mallory]);
    await expect(applyEmergency(call, statement, stranger)).toRefuseWith('APPROVAL_INVALID');
    expect(await peerState()).toBe(active);
  });

  test('takes effect at once although the host keeps the log waiting', async () => {
    const rig = theRig();
    const statement = await suspend();
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    rig.host.lie(LOG_METHODS.append, async (_call, honest) => {
      await gate;
      return honest();
    });
    const startedMs = performance.now();
    const applying = applyEmergency(call, statement);
    let stoppedMs = Infinity;
    const asked: Promise<unknown>[] = [];
    while (stoppedMs === Infinity && performance.now() - startedMs < 10_000) {
      // Those that come before acceptance wait for the log, as honest callers do.
      const answer = rig.sign('peer', { timeoutMs: 30_000 }).catch((error: unknown) => {
        if (error instanceof Refusal && error.reason === 'KEY_STATE_FORBIDS_SIGNING') {
          stoppedMs = Math.min(stoppedMs, performance.now() - startedMs);
        }
      });
      asked.push(answer);
      await sleep(5);
    }
    expect(stoppedMs).toBeLessThan(1_000);
    release();
    await Promise.all([applying, ...asked]);
    const resume = await emergency(call, 'resume', 'peer', Date.now());
    await applyEmergency(call, resume, byTwo(resume));
  });

  test('is answered in under a second, with leaf, records and index durable', async () => {
    const statement = await suspend();
    const startedMs = performance.now();
    await applyEmergency(call, statement);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    await expect(theRig().sign('peer')).toRefuseWith('KEY_STATE_FORBIDS_SIGNING');
    const resume = await emergency(call, 'resume', 'peer', Date.now());
    await applyEmergency(call, resume, byTwo(resume));
  });
});

describe('half of an application', () => {
  test.each([
    ['a store that refuses', STORE_METHODS.put, 'STORE_UNAVAILABLE', 'LOG_STORE_FULL'],
    ['a log whose disk failed', LOG_METHODS.append, 'LOG_STORE_FAILED', 'LOG_STORE_FAILED'],
  ] as const)(
    'by %s halts, and the next boot has the old policy',
    async (_, method, halt, answer) => {
      const rig = theRig();
      const [before, keys] = [await version(), await states()];
      const document = await nextPolicy(call, ringsWith(NEW));
      rig.host.lie(method, () => {
        throw new Refusal(answer);
      });
      await expect(applyPolicy(call, document, approvedByTwo(document))).toRefuseWith(
        'ENCLAVE_HALTED',
        { haltReason: halt },
      );
      rig.host.repent();
      await rig.reboot();
      expect([await version(), await states()]).toEqual([before, keys]);
      await rig.sign('signer');
    },
  );

  test('by kills at any moment leaves the old policy or the new one, and no key is lost', async () => {
    const rig = theRig();
    const found = new Set<string>();
    for (const [n, waitMs] of [0, 10, 25, 50, 90, 150, 300, 2_000].entries()) {
      const [before, keys] = [await version(), await states()];
      const ring = `kill-${String(n)}`;
      const document = await nextPolicy(call, (now) => ({
        rings: [
          ...(now['rings'] as SignedJson[]),
          ...ringsOf({ [ring]: { algorithm: 'ES256', residency: 'hsm' } }),
        ],
      }));
      const body = ApplyPolicyRequest.encode({
        document,
        approvals: approvedByTwo(document),
      }).finish();
      rig.host.link.send(requestFrame(rig.host.nextId(), METHODS.applyPolicy, body, {}));
      // From before the first birth to long after the answer.
      await sleep(waitMs);
      await rig.reboot();
      const after = await version();
      expect([before, before + 1]).toContain(after);
      found.add(after === before ? 'old' : 'new');
      const now = await states();
      const born = `${ring}/1=${String(KeyState.KEY_STATE_ACTIVE)}`;
      expect(now).toEqual(after === before ? keys : [...keys, born].sort());
      await rig.sign('signer');
      await rig.sign('token');
      if (after === before) await applyPolicy(call, document, approvedByTwo(document));
      await rig.sign(ring);
    }
    expect([...found].sort()).toEqual(['new', 'old']);
    const log = rig.host.services.log.leaves.map((leaf) => parseLeaf(leaf));
    const versions = log.flatMap((leaf) => (leaf.kind === 'policy' ? [leaf.policyVersion] : []));
    expect([...versions].sort((a, b) => a - b)).toEqual(versions);
  });

  test('by a host that gives the old policy to the new index is found at boot', async () => {
    const rig = theRig();
    const key = rig.host.services.store.keys.find((one) => one.startsWith('policy.')) ?? '';
    const old = rig.host.services.store.peek(key);
    const document = await nextPolicy(call, { validForSeconds: 3_600 });
    await applyPolicy(call, document, approvedByTwo(document));
    const nextKey = rig.host.services.store.keys.find((one) => one.startsWith('policy.')) ?? '';
    lieInRecords(rig.host, { [nextKey]: () => old });
    await rig.expectHalt('STATE_DAMAGED', { record: 'policy' });
    rig.host.repent();
    await rig.reboot();
    expect((await getPolicy(call)).document).toEqual(document);
  });
});
