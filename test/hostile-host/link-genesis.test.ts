/**
 * A host that meddles with a genesis: another manifest, approvals of something else, two at once, half of one. It is refused
 * before the token is touched, or halts; there is never a second genesis over a first (docs/spec/genesis.md).
 */
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { clusterIdOf, genesisDigest } from '../../enclave/core/genesis-manifest.ts';
import { fromHex, toHex, u32, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { CommitGenesisRequest } from '../../enclave/wire/gen/sealwright/v1/genesis.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { LOG_METHODS, METHODS, STORE_METHODS } from '../../enclave/wire/methods.ts';
import { SshAdmin } from '../../src/simulator/ssh-admin.ts';
import { TEST_ADMIN } from '../support/fakes/callers.ts';
import { manifestOf } from '../support/fakes/world.ts';
import { approvedBy } from '../support/genesis.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { cancelFrame, NOTHING, requestFrame } from '../support/hostile-host/frames.ts';
import { Rig, RINGS } from '../support/hostile-host/rig.ts';
import { claimsOf } from '../support/log-audit.ts';
import '../support/matchers.ts';

const theRig = attacked(() => Rig.setup());

const nowMs = Date.now();
const MANIFEST = manifestOf({ signer: RINGS.signer }, { nowMs });
const manifestText = Buffer.from(MANIFEST).toString('utf8');
/** Tokens of SoftHSM are folders; an uninitialised one has none. */
const tokens = (): string[] => readdirSync(theRig().enclave.tokenFolder);

describe('before a genesis', () => {
  test.each([
    ['Sign', METHODS.sign],
    ['GetKey', METHODS.getKey],
    ['ListKeys', METHODS.listKeys],
    ['GetPolicy', METHODS.getPolicy],
  ])('%s finds no cluster', async (_, method) => {
    const call = theRig().host.call(method, NOTHING);
    await expect(call).toRefuseWith('ENCLAVE_NOT_READY', { actual: 'setup' });
  });

  test.each([
    ['nothing', '', ''],
    ['another kind of document', manifestText.replace('"genesis"', '"policy"'), '/kind'],
    ['white space', ` ${manifestText}`, ''],
    ['a member twice', manifestText.replace('"v":1}', '"v":1,"v":1}'), ''],
    ['a member too many', manifestText.replace('{"kind"', '{"force":true,"kind"'), '/force'],
    ['a token that is to be wiped', manifestText.replace('uninitialised', 'any'), '/token/use'],
    ['the way takeover', manifestText.replace('init-token', 'takeover'), '/provisioning'],
    [
      'a ring below signed that says not why',
      withoutReason(),
      '/policy/rings/0/acceptHostAsserted',
    ],
  ])('a manifest of %s is refused, and no token is touched', async (_, text, field) => {
    const refused = theRig().genesis(utf8(text));
    await expect(refused).toRefuseWith('MANIFEST_INVALID');
    const error: unknown = await refused.catch((caught: unknown) => caught);
    expect((error as Refusal).details.field).toBe(field);
    expect(tokens()).toEqual([]);
  });

  test('a log that another cluster left is not written over', async () => {
    const { host } = theRig();
    host.services.log.leaves = [utf8('{"kind":"genesis"}')];
    const refused = theRig().genesis(MANIFEST);
    await expect(refused).toRefuseWith('GENESIS_NOT_ALLOWED', { actual: 'log not empty' });
    expect(tokens()).toEqual([]);
    host.services.log.leaves = [];
  });

  test('a log that does not say what it has is waited for and given up', async () => {
    theRig().host.lie(LOG_METHODS.state, () => {
      throw new Refusal('LOG_STORE_FAILED');
    });
    await expect(theRig().genesis(MANIFEST)).toRefuseWith('LOG_UNAVAILABLE', {});
    expect(tokens()).toEqual([]);
  });
});

/** A proposal, and what its admin signed. */
async function approved(rig: Rig, manifest: Uint8Array) {
  const proposal = await rig.propose(manifest);
  return { clusterId: proposal.clusterId, approvals: approvedBy([TEST_ADMIN], proposal) };
}

describe('a genesis that its admins did not approve', () => {
  const mallory = new SshAdmin('mallory', generateKeyPairSync('ed25519').privateKey);
  const evil = manifestOf({ signer: { ...RINGS.signer, lowestRank: 'peer' } }, { nowMs });
  const bySignature = { field: 'approvals/0', actual: 'signature' };

  afterEach(() => {
    expect(tokens()).toEqual([]);
  });

  test('is not begun without any approval', async () => {
    const rig = theRig();
    const { clusterId } = await approved(rig, MANIFEST);
    await expect(rig.commit(clusterId, [])).toRefuseWith('APPROVALS_MISSING', {
      expected: '1',
      actual: '0',
    });
  });

  test('is not begun with the host’s own key', async () => {
    const rig = theRig();
    await rig.reboot();
    const proposal = await rig.propose(MANIFEST);
    const refused = rig.commit(proposal.clusterId, approvedBy([mallory], proposal));
    const details = { field: 'approvals/0', actual: 'not-an-admin' };
    await expect(refused).toRefuseWith('APPROVAL_INVALID', details);
  });

  test('is not begun with an approval of the manifest that the host replaced afterwards', async () => {
    const rig = theRig();
    await rig.reboot();
    const { clusterId, approvals } = await approved(rig, MANIFEST);
    const replaced = await rig.propose(evil);
    await expect(rig.commit(replaced.clusterId, approvals)).toRefuseWith(
      'APPROVAL_INVALID',
      bySignature,
    );
    await expect(rig.commit(clusterId, approvals)).toRefuseWith('GENESIS_NOT_PROPOSED', {
      actual: 'another',
    });
  });

  test('is not begun with an approval of another cluster of the same manifest', async () => {
    const rig = theRig();
    await rig.reboot();
    const { approvals } = await approved(rig, MANIFEST);
    const second = await rig.propose(MANIFEST);
    await expect(rig.commit(second.clusterId, approvals)).toRefuseWith(
      'APPROVAL_INVALID',
      bySignature,
    );
  });

  test('is not begun by a process that did not propose it', async () => {
    const rig = theRig();
    await rig.reboot();
    const { clusterId, approvals } = await approved(rig, MANIFEST);
    await rig.reboot();
    await expect(rig.commit(clusterId, approvals)).toRefuseWith('GENESIS_NOT_PROPOSED', {
      actual: 'none',
    });
  });

  test('is not begun with a signature that the admin gave for a policy', async () => {
    const rig = theRig();
    const proposal = await rig.propose(MANIFEST);
    const given = TEST_ADMIN.approve('sealwright-policy', proposal.statement);
    await expect(rig.commit(proposal.clusterId, [given])).toRefuseWith('APPROVAL_INVALID', {
      field: 'approvals/0',
      actual: 'namespace',
    });
  });
});

function withoutReason(): string {
  return manifestText.replace('"acceptHostAsserted":"a test",', '');
}

describe('a genesis', () => {
  test('that is committed twice at once is done once, and never again', async () => {
    const rig = theRig();
    const [first, second] = [rig.genesis(MANIFEST), rig.genesis(MANIFEST)];
    await expect(second).toRefuseWith('GENESIS_NOT_ALLOWED', { actual: 'in progress' });
    const { clusterId } = await first;
    expect(tokens()).toHaveLength(1);
    await expect(rig.genesis(MANIFEST)).toRefuseWith('GENESIS_NOT_ALLOWED', {});
    expect(tokens()).toHaveLength(1);
    expect((await rig.status()).clusterId).toEqual(clusterId);
  });

  test('of a manifest that the host put in place of another makes another cluster, and says so', async () => {
    const rig = theRig();
    await rig.startAnew();
    const replaced = manifestOf({ signer: { ...RINGS.signer, lowestRank: 'peer' } }, { nowMs });
    const { clusterId } = await rig.genesis(replaced);
    const claims = await claimsOf(rig.host);
    expect(claims['genesisDigest']).toBe(toHex(genesisDigest(replaced)));
    const [nonce, logKey] = [claims['clusterNonce'], claims['logKey']].map((hex) =>
      fromHex(hex as string),
    );
    const platform = { kindNumber: 0, simulated: true };
    const idOf = (manifest: Uint8Array): string =>
      toHex(clusterIdOf(platform, genesisDigest(manifest), nonce ?? NOTHING, logKey ?? NOTHING));
    expect(toHex(clusterId)).toBe(idOf(replaced));
    expect(toHex(clusterId)).not.toBe(idOf(MANIFEST));
  });

  test('whose caller hangs up and cancels is finished', async () => {
    const rig = theRig();
    await rig.startAnew();
    const { clusterId, approvals } = await approved(rig, MANIFEST);
    const id = rig.host.nextId();
    const body = CommitGenesisRequest.encode({ clusterId, approvals }).finish();
    rig.host.link.send(requestFrame(id, METHODS.commitGenesis, body, { timeoutMs: 1 }));
    rig.host.link.send(cancelFrame(id));
    while ((await rig.status()).phase !== Phase.PHASE_SERVING) await sleep(20);
    await rig.sign('signer');
  });

  test('whose link is cut at each of its writes is finished over the next one', async () => {
    const rig = theRig();
    await rig.startAnew();
    const { clusterId, approvals } = await approved(rig, MANIFEST);
    for (const method of [LOG_METHODS.state, LOG_METHODS.append, STORE_METHODS.put]) {
      rig.host.lie(method, ({ connection, nth }, honest) => {
        if (nth % 2 === 1) return honest();
        connection.send(u32(0));
        return undefined;
      });
    }
    await expect(rig.commit(clusterId, approvals)).rejects.toThrow();
    await rig.bootedOverManyLinks(Phase.PHASE_SERVING);
    rig.host.repent();
    await rig.sign('signer');
  });
});

/** What the host does with the n-th write of a genesis: its leaves, its records, its index. */
const WRITES = [
  ['its leaves are', LOG_METHODS.append, 0],
  ['its records are', STORE_METHODS.put, 0],
  ['its index is', STORE_METHODS.put, 1],
] as const;

describe('a genesis that is cut off', () => {
  /** Begins a genesis, and kills the enclave when it has sent this write. */
  async function killedAt(method: string, write: number, durable: boolean): Promise<void> {
    const rig = theRig();
    await rig.startAnew();
    const sent = new Promise<void>((resolve) => {
      rig.host.lie(method, async ({ nth }, honest) => {
        if (nth !== write) return honest();
        if (durable) await honest();
        resolve();
        return undefined;
      });
    });
    rig.genesis(MANIFEST).catch(() => undefined);
    await sent;
    rig.host.repent();
    await rig.enclave.kill();
  }

  test.each(WRITES)('before %s durable leaves a token without a state', async (_, method, n) => {
    await killedAt(method, n, false);
    await expect(theRig().boot()).toHaltWith('STATE_MISSING', { label: 'sealwright-test' });
    await theRig().expectHalted('STATE_MISSING', { label: 'sealwright-test' });
  });

  test('after its index is durable was a genesis', async () => {
    await killedAt(STORE_METHODS.put, 1, true);
    expect((await theRig().boot()).phase).toBe(Phase.PHASE_SERVING);
    await theRig().sign('signer');
  });

  test.each(WRITES)(
    'before %s durable, because the host refuses, halts',
    async (_, method, write) => {
      const rig = theRig();
      await rig.startAnew();
      rig.host.lie(method, ({ nth }, honest) => {
        if (nth < write) return honest();
        throw new Refusal('LOG_STORE_FAILED');
      });
      const haltReason = 'LOG_STORE_FAILED';
      await expect(rig.genesis(MANIFEST)).toRefuseWith('ENCLAVE_HALTED', { haltReason });
      await rig.expectHalted(haltReason, { refusal: 'LOG_STORE_FAILED' });
      rig.host.repent();
      await rig.expectHalt('STATE_MISSING', { label: 'sealwright-test' });
    },
  );

  test('by a host that acknowledges everything and keeps nothing is missed at the next boot', async () => {
    const rig = theRig();
    await rig.startAnew();
    rig.host.lie(STORE_METHODS.put, () => NOTHING);
    await rig.genesis(MANIFEST);
    await rig.sign('signer');
    rig.host.repent();
    await rig.expectHalt('STATE_MISSING', { label: 'sealwright-test' });
  });
});
