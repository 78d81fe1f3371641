/** Who approved what: counted by key, refused by name (docs/spec/admin-statements.md, "Counting"). */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { requireApprovals, type Demand } from '../../enclave/core/approvals.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import {
  emergencyThreshold,
  encodeEmergency,
  parseEmergency,
} from '../../enclave/wire/policy/emergency.ts';
import {
  encodeGenesisStatement,
  parseGenesisStatement,
} from '../../enclave/wire/policy/genesis-statement.ts';
import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { parseSshKeyLine } from '../../enclave/wire/ssh-key.ts';
import { armored } from '../../enclave/wire/sshsig.ts';
import { SshAdmin } from '../../src/simulator/ssh-admin.ts';

const DOCUMENT = utf8('{"kind":"policy"}');
const NAMESPACE = 'sealwright-policy';

const person = (name: string) => new SshAdmin(name, generateKeyPairSync('ed25519').privateKey);
const asAdmin = (admin: SshAdmin) => ({ name: admin.name, key: parseSshKeyLine(admin.publicKey) });

const [alice, bob, carol, dave] = [person('alice'), person('bob'), person('carol'), person('dave')];
const demand: Demand = {
  namespace: NAMESPACE,
  document: DOCUMENT,
  admins: [alice, bob, carol].map(asAdmin),
  threshold: 2,
};
const approve = (admin: SshAdmin) => admin.approve(NAMESPACE, DOCUMENT);

describe('approvals', () => {
  it('of M admins are enough, whoever they are, armored or not', async () => {
    expect(await requireApprovals([alice, carol].map(approve), demand)).toEqual(['alice', 'carol']);
    const texts = [bob, carol].map((admin) => utf8(armored(approve(admin))));
    expect(await requireApprovals(texts, demand)).toEqual(['bob', 'carol']);
    expect(await requireApprovals([carol, bob, alice].map(approve), demand)).toHaveLength(3);
  });

  it('of M - 1 admins are missing some', async () => {
    await expect(requireApprovals([approve(alice)], demand)).rejects.toMatchObject({
      reason: 'APPROVALS_MISSING',
      details: { expected: '2', actual: '1' },
    });
    await expect(requireApprovals([], demand)).rejects.toMatchObject({
      reason: 'APPROVALS_MISSING',
      details: { expected: '2', actual: '0' },
    });
  });

  it.each([
    ['two by one admin', () => [approve(alice), approve(alice)], 1, 'duplicate'],
    [
      'two by one admin in two forms',
      () => [approve(alice), utf8(armored(approve(alice)))],
      1,
      'duplicate',
    ],
    [
      'one by somebody else',
      () => [approve(alice), approve(bob), approve(dave)],
      2,
      'not-an-admin',
    ],
    [
      'one over another document',
      () => [alice.approve(NAMESPACE, utf8('{}')), approve(bob)],
      0,
      'signature',
    ],
    [
      'one of another namespace',
      () => [approve(bob), alice.approve('sealwright-emergency', DOCUMENT)],
      1,
      'namespace',
    ],
    ['one that is nothing', () => [approve(bob), approve(carol), new Uint8Array(0)], 2, 'magic'],
    ['one that was cut off', () => [approve(bob), approve(carol).subarray(0, -1)], 1, 'length'],
  ])('%s is an error, whatever the others are', async (_name, make, index, problem) => {
    await expect(requireApprovals(make(), demand)).rejects.toMatchObject({
      reason: 'APPROVAL_INVALID',
      details: { field: `approvals/${String(index)}`, actual: problem },
    });
  });

  it('of more than 64 are not looked at', async () => {
    const many = Array.from({ length: 65 }, () => approve(alice));
    await expect(requireApprovals(many, demand)).rejects.toMatchObject({
      reason: 'APPROVAL_INVALID',
      details: { expected: 'at most 64', actual: '65' },
    });
  });

  it('of newcomers are required and do not count', async () => {
    const withDave = { ...demand, newcomers: [asAdmin(dave)] };
    await expect(requireApprovals([alice, bob].map(approve), withDave)).rejects.toMatchObject({
      reason: 'APPROVALS_MISSING',
      details: { expected: 'dave' },
    });
    await expect(requireApprovals([alice, dave].map(approve), withDave)).rejects.toMatchObject({
      reason: 'APPROVALS_MISSING',
      details: { expected: '2', actual: '1' },
    });
    expect(await requireApprovals([dave, bob, alice].map(approve), withDave)).toHaveLength(3);
  });

  it('of a newcomer under the name of an admin do not count as that admin’s', async () => {
    const otherAlice = person('alice');
    const renewed = { ...demand, newcomers: [asAdmin(otherAlice)] };
    await expect(requireApprovals([bob, otherAlice].map(approve), renewed)).rejects.toMatchObject({
      reason: 'APPROVALS_MISSING',
      details: { expected: '2', actual: '1' },
    });
    await expect(requireApprovals([bob, alice].map(approve), renewed)).rejects.toMatchObject({
      reason: 'APPROVALS_MISSING',
      details: { expected: 'alice' },
    });
    const all = [bob, alice, otherAlice].map(approve);
    expect(await requireApprovals(all, renewed)).toEqual(['bob', 'alice', 'alice']);
  });
});

function place(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SignedJsonError) return error.place;
    throw error;
  }
  return 'accepted';
}

describe('emergency statements', () => {
  const good = {
    call: 'suspend',
    clusterId: 'ab'.repeat(32),
    ring: 'release',
    version: 0,
    sequence: 1,
    previous: 'cd'.repeat(32),
    notAfter: 1,
    reason: 'a laptop was stolen',
  } as const;

  it('are read as they are written', () => {
    expect(parseEmergency(encodeEmergency(good))).toEqual({
      ...good,
      clusterId: new Uint8Array(32).fill(0xab),
      previous: new Uint8Array(32).fill(0xcd),
    });
  });

  it.each([
    ['/call', { call: 'destroy' }],
    ['/clusterId', { clusterId: 'ab' }],
    ['/ring', { ring: '../x' }],
    ['/version', { version: -1 }],
    ['/sequence', { sequence: 0 }],
    ['/previous', { previous: 'cd' }],
    ['/notAfter', { notAfter: -1 }],
    ['/reason', { reason: 'two\nlines' }],
    ['/reason', { reason: '' }],
    ['/extra', { extra: 1 }],
  ])('%s is refused', (expected, change) => {
    const statement = { ...good, ...change } as unknown as typeof good;
    expect(place(() => parseEmergency(encodeEmergency(statement)))).toBe(expected);
  });

  it.each([
    [1, [1, 1, 1]],
    [2, [1, 2, 2]],
    [3, [1, 2, 3]],
    [5, [1, 2, 5]],
  ])('with M = %i take the approvals of the page', (m, [suspend, compromised, resume]) => {
    expect(emergencyThreshold('suspend', m)).toBe(suspend);
    expect(emergencyThreshold('mark-compromised', m)).toBe(compromised);
    expect(emergencyThreshold('resume', m)).toBe(resume);
  });
});

describe('genesis statements', () => {
  const register = (byte: number) => new Uint8Array(48).fill(byte);
  const good = {
    clusterId: new Uint8Array(32).fill(1),
    genesisDigest: new Uint8Array(32).fill(2),
    measurements: [register(3), register(4), register(5)],
    tokenSerial: '',
  } as const;

  it('are read as they are written', () => {
    expect(parseGenesisStatement(encodeGenesisStatement(good))).toEqual(good);
  });

  it('of another spelling are refused', () => {
    const text = new TextDecoder().decode(encodeGenesisStatement(good));
    expect(place(() => parseGenesisStatement(utf8(` ${text}`)))).toBe('');
    expect(place(() => parseGenesisStatement(utf8(text.replace('"genesis"', '"policy"'))))).toBe(
      '/kind',
    );
    expect(place(() => parseGenesisStatement(utf8(text.replace('03', '3'))))).toBe('/mr0');
  });
});
