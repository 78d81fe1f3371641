import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { clusterIdOf, genesisDigest } from '../../enclave/core/genesis-manifest.ts';
import { PlatformFailure } from '../../enclave/ports.ts';
import { concatBytes, fromHex, toHex, utf8 } from '../../enclave/wire/bytes.ts';
import type { Details, Reason } from '../../enclave/wire/error-code.ts';
import {
  GetEvidenceRequest,
  GetEvidenceResponse,
} from '../../enclave/wire/gen/sealwright/v1/attestation.ts';
import type { ProposeGenesisResponse } from '../../enclave/wire/gen/sealwright/v1/genesis.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { MAX_POLICY_WINDOW_MS, PROPOSAL_MS } from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { parseGenesisStatement } from '../../enclave/wire/policy/genesis-statement.ts';
import { armored } from '../../enclave/wire/sshsig.ts';
import { SshAdmin } from '../../src/simulator/ssh-admin.ts';
import { TEST_ADMIN, TEST_AUTHORITY } from '../support/fakes/callers.ts';
import { START_WALL_MS } from '../support/fakes/clock.ts';
import { manifestOf, World, type Running } from '../support/fakes/world.ts';
import { approvedBy, commitGenesis, proposeGenesis } from '../support/genesis.ts';
import '../support/matchers.ts';

const RINGS = { a: { algorithm: 'ES256' } } as const;
const MANIFEST = manifestOf(RINGS);
const NAMESPACE = 'sealwright-genesis';
const NO_NONCE = new Uint8Array(0);

const admin = (name: string): SshAdmin =>
  new SshAdmin(name, generateKeyPairSync('ed25519').privateKey);
const [alice, bob, carol] = [admin('alice'), admin('bob'), admin('carol')];
const TWO_OF_THREE = {
  admins: [alice, bob, carol].map(({ name, publicKey }) => ({ name, key: publicKey })),
  threshold: 2,
};

let world: World;
let running: Running;

beforeEach(async () => {
  world = new World('steps');
  running = await world.boot();
});

const propose = (manifest = MANIFEST): Promise<ProposeGenesisResponse> =>
  proposeGenesis((method, body) => running.call(method, body), manifest);

const commit = (clusterId: Uint8Array, ...approvals: readonly Uint8Array[]) =>
  commitGenesis((method, body) => running.call(method, body), clusterId, approvals);

interface Bundle {
  readonly claims: string;
  readonly genesis?: {
    readonly manifest: string;
    readonly clusterNonce: string;
    readonly statement: string;
    readonly approvals: readonly string[];
  };
}

const parsed = (bundle: Uint8Array): Bundle =>
  JSON.parse(new TextDecoder().decode(bundle)) as Bundle;

const proposalOf = (bundle: Uint8Array): Readonly<Record<string, string>> | undefined =>
  (JSON.parse(parsed(bundle).claims) as { proposal?: Readonly<Record<string, string>> }).proposal;

async function evidence(nonce = NO_NONCE): Promise<Uint8Array> {
  const body = GetEvidenceRequest.encode({ nonce, fresh: false }).finish();
  return GetEvidenceResponse.decode(await running.call(METHODS.getEvidence, body)).bundle;
}

function expectUntouched(): void {
  expect(world.tokens.device.initialised).toBe(false);
  expect(world.tokens.operations).not.toContain('initToken');
  expect(world.store.keys).toEqual([]);
}

describe('a proposal', () => {
  test('names one cluster, one manifest, one code, one token, and touches nothing', async () => {
    const { clusterId, statement, evidence: bundle } = await propose();
    const named = parseGenesisStatement(statement);
    expect(named).toEqual({
      clusterId,
      genesisDigest: genesisDigest(MANIFEST),
      measurements: world.platform.identity.measurements,
      tokenSerial: 'fake-0001',
    });
    const proposal = proposalOf(bundle);
    const [nonce, logKey] = ['clusterNonce', 'logKey'].map((name) =>
      fromHex(proposal?.[name] ?? ''),
    );
    const recomputed = clusterIdOf(
      world.platform.identity,
      genesisDigest(MANIFEST),
      nonce ?? NO_NONCE,
      logKey ?? NO_NONCE,
    );
    expect(toHex(recomputed)).toBe(toHex(clusterId));
    expect(proposal).toMatchObject({
      clusterId: toHex(clusterId),
      genesisDigest: toHex(genesisDigest(MANIFEST)),
      tokenSerial: 'fake-0001',
    });
    expectUntouched();
    expect((await running.status()).phase).toBe(Phase.PHASE_SETUP);
  });

  test('is in every setup evidence from then on, also in one that answers a nonce', async () => {
    expect(proposalOf(await evidence())).toBeUndefined();
    const { clusterId } = await propose();
    world.clock.advance(1000);
    const bundle = await evidence(new Uint8Array(32).fill(7));
    expect(proposalOf(bundle)).toMatchObject({ clusterId: toHex(clusterId) });
    expect(parsed(bundle).claims).toContain(`"nonce":"${'07'.repeat(32)}"`);
  });

  test('is drawn anew each time; the newest is the only one', async () => {
    const [first, second] = [await propose(), await propose()];
    expect(first.clusterId).not.toEqual(second.clusterId);
    await expect(commit(first.clusterId, ...approvedBy([TEST_ADMIN], first))).toRefuseWith(
      'GENESIS_NOT_PROPOSED',
      { actual: 'another' },
    );
    expectUntouched();
    const born = await commit(second.clusterId, ...approvedBy([TEST_ADMIN], second));
    expect(born.clusterId).toEqual(second.clusterId);
  });

  test('ends with the process', async () => {
    const proposal = await propose();
    running = await world.boot();
    await expect(commit(proposal.clusterId, ...approvedBy([TEST_ADMIN], proposal))).toRefuseWith(
      'GENESIS_NOT_PROPOSED',
      { actual: 'none' },
    );
    expectUntouched();
  });

  test.each([
    ['the last moment', PROPOSAL_MS - 1, undefined],
    ['24 hours', PROPOSAL_MS, 'too old'],
  ])('after %s', async (_, ms, refusal) => {
    const proposal = await propose();
    world.clock.advance(ms);
    const born = commit(proposal.clusterId, ...approvedBy([TEST_ADMIN], proposal));
    if (refusal === undefined) expect((await born).rings).toBe(1);
    else await expect(born).toRefuseWith('GENESIS_NOT_PROPOSED', { actual: refusal });
  });

  test('that is refused, or that the platform has no evidence for, leaves the older one', async () => {
    const proposal = await propose();
    await expect(propose(utf8('{}'))).toRefuseWith('MANIFEST_INVALID');
    world.platform.failure = new PlatformFailure('gone');
    await expect(propose()).toRefuseWith('PLATFORM_UNAVAILABLE');
    world.platform.failure = undefined;
    world.clock.advance(1000);
    expect(proposalOf(await evidence())?.['clusterId']).toBe(toHex(proposal.clusterId));
    await commit(proposal.clusterId, ...approvedBy([TEST_ADMIN], proposal));
  });

  test('is not made more often than the platform may be asked', async () => {
    await propose();
    const second = await propose();
    await expect(propose()).toRefuseWith('RATE_LIMITED', { limitPerSecond: '2' });
    await commit(second.clusterId, ...approvedBy([TEST_ADMIN], second));
  });

  const notAuthority = TEST_AUTHORITY.client('spiffe://test.example/ci');
  const root = { name: 'callers', kind: 'spiffe', trustDomain: 'test.example' };
  test.each([
    ['is no authority', notAuthority, 'ca'],
    ['is no certificate', Uint8Array.of(0x30, 0), 'decode'],
  ])('of a caller root that %s is refused', async (_, certificate, problem) => {
    const change = { roots: [{ ...root, certificates: [toHex(certificate)] }] };
    const place = '/policy/roots/0/certificates/0';
    await expect(propose(manifestOf(RINGS, { change }))).toRefuseWith('MANIFEST_INVALID', {
      field: place,
      expected: `${place}: ${problem}`,
    });
  });

  test('of a manifest that no evidence bundle could carry is refused', async () => {
    const ring = (i: number) => ({
      name: `ring-${String(i)}`,
      algorithm: 'ES256',
      residency: 'enclave',
      payload: { kind: 'message' },
      lowestRank: 'peer',
      acceptHostAsserted: '"'.repeat(200),
      callers: [],
    });
    const rings = Array.from({ length: 900 }, (_, i) => ring(i));
    const manifest = manifestOf({}, { change: { rings } });
    expect(manifest.byteLength).toBeLessThan(512 * 1024);
    await expect(propose(manifest)).toRefuseWith('MANIFEST_INVALID', {
      field: '',
      expected: '/: larger than 786432 as a string',
    });
  });
});

describe('the time of the first policy', () => {
  const [notBefore, notAfter] = [START_WALL_MS, START_WALL_MS + MAX_POLICY_WINDOW_MS];
  const manifest = manifestOf(RINGS, { change: { notBefore, notAfter } });

  test.each([
    ['before it', notBefore - 1, { field: 'notBefore', expected: String(notBefore) }],
    ['at its begin', notBefore, undefined],
    ['at its end', notAfter, undefined],
    ['after it', notAfter + 1, { field: 'notAfter', expected: String(notAfter) }],
  ] as const)('%s', async (_, nowMs, refusal) => {
    world.clock.setWall(nowMs);
    if (refusal === undefined) await propose(manifest);
    else {
      const details = { ...refusal, actual: String(nowMs) };
      await expect(propose(manifest)).toRefuseWith('POLICY_NOT_IN_TIME', details);
    }
  });

  test('may pass while admins think', async () => {
    const proposal = await propose(manifest);
    world.clock.setWall(notAfter + 1);
    await expect(commit(proposal.clusterId, ...approvedBy([TEST_ADMIN], proposal))).toRefuseWith(
      'POLICY_NOT_IN_TIME',
    );
    expectUntouched();
  });
});

describe('a commit', () => {
  const manifest = manifestOf(RINGS, { change: TWO_OF_THREE });

  type Approvals = (proposal: ProposeGenesisResponse) => Uint8Array[];
  test.each<[string, Approvals, Reason, Details]>([
    ['nobody', () => [], 'APPROVALS_MISSING', { expected: '2', actual: '0' }],
    [
      'one of two',
      (p) => approvedBy([alice], p),
      'APPROVALS_MISSING',
      { expected: '2', actual: '1' },
    ],
    [
      'one admin twice',
      (p) => approvedBy([alice, alice], p),
      'APPROVAL_INVALID',
      { field: 'approvals/1', actual: 'duplicate' },
    ],
    [
      'two admins and a stranger',
      (p) => approvedBy([alice, bob, TEST_ADMIN], p),
      'APPROVAL_INVALID',
      { field: 'approvals/2', actual: 'not-an-admin' },
    ],
    [
      'admins who signed the manifest instead',
      () => [alice, bob].map((one) => one.approve(NAMESPACE, manifest)),
      'APPROVAL_INVALID',
      { field: 'approvals/0', actual: 'signature' },
    ],
    [
      'admins who signed it as a policy',
      (p) => [alice, bob].map((one) => one.approve('sealwright-policy', p.statement)),
      'APPROVAL_INVALID',
      { field: 'approvals/0', actual: 'namespace' },
    ],
    [
      'an approval with a byte more',
      (p) => approvedBy([alice, bob], p).map((one) => concatBytes(one, Uint8Array.of(0))),
      'APPROVAL_INVALID',
      { field: 'approvals/0', actual: 'length' },
    ],
    [
      '65 approvals',
      (p) => Array.from({ length: 65 }, () => alice.approve(NAMESPACE, p.statement)),
      'APPROVAL_INVALID',
      { field: 'approvals', expected: 'at most 64', actual: '65' },
    ],
  ])('approved by %s touches nothing', async (_, approvals, reason, details) => {
    const proposal = await propose(manifest);
    await expect(commit(proposal.clusterId, ...approvals(proposal))).toRefuseWith(reason, details);
    expectUntouched();
    // The proposal stands: a wrong approval costs nobody a second ceremony.
    const born = await commit(proposal.clusterId, ...approvedBy([carol, alice], proposal));
    expect(born.clusterId).toEqual(proposal.clusterId);
  });

  test('of approvals over an older proposal of the same manifest is refused', async () => {
    const older = await propose(manifest);
    const proposal = await propose(manifest);
    await expect(commit(proposal.clusterId, ...approvedBy([alice, bob], older))).toRefuseWith(
      'APPROVAL_INVALID',
      { field: 'approvals/0', actual: 'signature' },
    );
    expectUntouched();
  });

  test.each([
    ['an empty cluster id', NO_NONCE],
    ['a shorter one', new Uint8Array(31)],
    ['another', new Uint8Array(32)],
  ])('of %s is refused', async (_, clusterId) => {
    const proposal = await propose();
    await expect(commit(clusterId, ...approvedBy([TEST_ADMIN], proposal))).toRefuseWith(
      'GENESIS_NOT_PROPOSED',
      { actual: 'another' },
    );
  });

  test('over another token than the one that admins approved is refused', async () => {
    const proposal = await propose();
    world.tokens.device.serial = 'fake-0002';
    await expect(commit(proposal.clusterId, ...approvedBy([TEST_ADMIN], proposal))).toRefuseWith(
      'TOKEN_UNAVAILABLE',
      { token: 'another', expected: 'fake-0001' },
    );
    expectUntouched();
  });

  test('over a token that is exchanged after the last look at it halts', async () => {
    const proposal = await propose();
    const initToken = world.tokens.initToken.bind(world.tokens);
    world.tokens.initToken = async (request) => ({
      ...(await initToken(request)),
      serial: 'fake-0002',
    });
    await expect(commit(proposal.clusterId, ...approvedBy([TEST_ADMIN], proposal))).toRefuseWith(
      'ENCLAVE_HALTED',
      { haltReason: 'TOKEN_MISSING' },
    );
  });

  test('keeps the certificate, byte for byte and over boots; armor is taken off', async () => {
    const proposal = await propose(manifest);
    const approvals = approvedBy([bob, carol], proposal);
    await commit(proposal.clusterId, ...approvals.map((one) => utf8(armored(one))));
    const born = parsed(await evidence()).genesis;
    expect(born).toMatchObject({
      manifest: new TextDecoder().decode(manifest),
      statement: new TextDecoder().decode(proposal.statement),
      approvals: approvals.map(toHex),
    });
    running = await world.reboot(running);
    expect(parsed(await evidence()).genesis).toEqual(born);
  });

  test('and a proposal are refused when there is a cluster', async () => {
    const proposal = await propose();
    const approvals = approvedBy([TEST_ADMIN], proposal);
    await commit(proposal.clusterId, ...approvals);
    await expect(propose()).toRefuseWith('GENESIS_NOT_ALLOWED', {});
    await expect(commit(proposal.clusterId, ...approvals)).toRefuseWith('GENESIS_NOT_ALLOWED', {});
  });
});
