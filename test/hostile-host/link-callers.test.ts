/**
 * A host that lies about who calls. That somebody proved a certificate's key is believed up to the rank that a ring
 * accepts; whom the certificate names is not the host's to say (docs/spec/policy.md, "Callers").
 */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Details, Reason } from '../../enclave/wire/error-code.ts';
import type { UntrustedCaller } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { MAX_CERTIFICATE_BYTES } from '../../enclave/wire/limits.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { parseLeaf, type LogLeaf } from '../../src/tlog/leaf.ts';
import { mintCertificate } from '../../src/simulator/x509.ts';
import {
  certified as mtls,
  MTLS_CALLER,
  PEER_CALLER,
  peer,
  SECOND_CALLER,
  spiffeId,
  STRANGER,
  TEST_AUTHORITY,
  TestAuthority,
} from '../support/fakes/callers.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import '../support/matchers.ts';

const theRig = attacked();

/** Signs, and returns what the log says of it. */
async function leafOf(ring: string, caller: UntrustedCaller): Promise<LogLeaf> {
  const { receipt } = await theRig().sign(ring, { caller });
  if (receipt === undefined) throw new Error('no receipt');
  return parseLeaf(receipt.leaf);
}

/** Refused, and no intent was written. */
async function refused(
  ring: string,
  caller: UntrustedCaller | undefined,
  reason: Reason,
  details?: Details,
): Promise<void> {
  const { ledger } = theRig().host;
  const before = ledger.intents;
  await expect(theRig().sign(ring, { caller })).toRefuseWith(reason, details);
  expect(ledger.intents).toBe(before);
}

describe('nobody is a caller', () => {
  test.each<readonly [string, UntrustedCaller | undefined]>([
    ['who is absent', undefined],
    ['of rank 0', { ...MTLS_CALLER, rank: 0 }],
    ['of rank session, which comes from inside only', { ...MTLS_CALLER, rank: 1 }],
    ['of rank signed, which comes from inside only', { ...MTLS_CALLER, rank: 2 }],
    ['of rank 5', { ...PEER_CALLER, rank: 5 }],
    ['of rank 2^32 - 1', { ...MTLS_CALLER, rank: 0xffff_ffff }],
    ['of rank mtls without a certificate', mtls()],
    ['of rank mtls that only names a socket', { ...PEER_CALLER, rank: 3 }],
    ['of rank peer without a socket', peer('')],
    ['of rank peer that only shows a certificate', { ...MTLS_CALLER, rank: 4 }],
    ['whose socket has a line feed', peer('local\n{"kind":"genesis"}')],
    ['whose socket has an escape', peer('\u001b[2J')],
    ['whose socket has a zero byte', peer('local\0')],
    ['whose socket has a space, as two names have', peer('local peer')],
    ['whose socket has a letter outside ASCII', peer('loc\u0430l')],
    ['whose socket is longer than a path', peer('x'.repeat(108))],
  ])('%s', async (_, caller) => {
    for (const ring of ['signer', 'peer', 'session']) {
      await refused(ring, caller, 'CALLER_UNAUTHENTICATED', {});
    }
  });
});

/** A certificate with the name of a caller that is in the policy. */
const forgedBy = (authority: TestAuthority): Uint8Array => authority.client(spiffeId('ci'));
const SAME_NAME = new TestAuthority('callers');
const [LEAF = new Uint8Array(0)] = MTLS_CALLER.certificates;
const HOUR_MS = 3_600_000;

/** Its own issuer. */
function selfSigned(): Uint8Array {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return mintCertificate({
    subject: TEST_AUTHORITY.name,
    publicKey,
    usage: { kind: 'client', names: [{ uri: spiffeId('ci') }] },
    notBefore: new Date(Date.now() - HOUR_MS),
    notAfter: new Date(Date.now() + HOUR_MS),
    issuer: { name: TEST_AUTHORITY.name, privateKey },
  });
}

/** A certificate of the true CA with the name changed, the signature left. */
function renamed(): Uint8Array {
  const other = TEST_AUTHORITY.client(spiffeId('xx'));
  const text = Buffer.from(other).toString('latin1');
  return Uint8Array.from(Buffer.from(text.replace(spiffeId('xx'), spiffeId('ci')), 'latin1'));
}

describe('a certificate that the host made or kept is nobody’s', () => {
  test.each<readonly [string, UntrustedCaller, string]>([
    ['signed by itself', mtls(selfSigned()), 'root'],
    ['of a CA with the name of the true one', mtls(forgedBy(SAME_NAME)), 'root'],
    ['of that CA, with the CA behind it', mtls(forgedBy(SAME_NAME), SAME_NAME.certificate), 'root'],
    [
      'of that CA, with the true CA behind it',
      mtls(forgedBy(SAME_NAME), TEST_AUTHORITY.certificate),
      'signature',
    ],
    ['of that CA, with the true leaf behind it', mtls(forgedBy(SAME_NAME), LEAF), 'ca'],
    ['true, behind another one', mtls(Uint8Array.of(0x30, 0), LEAF), 'decode'],
    ['true, with its name changed', mtls(renamed()), 'root'],
    [
      'true, of another trust domain',
      mtls(TEST_AUTHORITY.client('spiffe://other.example/ci')),
      'spiffe-id',
    ],
    [
      'true, that ended an hour ago',
      mtls(TEST_AUTHORITY.client(spiffeId('ci'), { notAfter: new Date(Date.now() - HOUR_MS) })),
      'validity',
    ],
    [
      'true, that begins in an hour',
      mtls(TEST_AUTHORITY.client(spiffeId('ci'), { notBefore: new Date(Date.now() + HOUR_MS) })),
      'validity',
    ],
    ['the CA’s own', mtls(TEST_AUTHORITY.certificate), 'ca'],
    ['one of six', mtls(...Array<Uint8Array>(6).fill(LEAF)), 'chain-length'],
    ['the same five times', mtls(...Array<Uint8Array>(5).fill(LEAF)), 'ca'],
    ['a byte too long', mtls(new Uint8Array(MAX_CERTIFICATE_BYTES + 1)), 'decode'],
    ['small, with a giant behind it', mtls(LEAF, new Uint8Array(1024 * 1024)), 'decode'],
    ['no certificate at all', mtls(utf8('no certificate at all')), 'decode'],
    ['cut in two', mtls(LEAF.subarray(0, 99), LEAF.subarray(99)), 'decode'],
  ])('%s', async (_, caller, actual) => {
    // That a true one is known by now opens nothing.
    await theRig().sign('signer');
    for (const ring of ['signer', 'peer', 'session']) {
      await refused(ring, caller, 'CALLER_UNAUTHENTICATED', { policyId: 'caller', actual });
    }
  });
});

describe('a caller that the policy does not name', () => {
  test.each([
    ['with a good chain', STRANGER],
    ['whose name begins like another', mtls(TEST_AUTHORITY.client(spiffeId('ci/admin')))],
    ['whose name is in capitals', mtls(TEST_AUTHORITY.client(spiffeId('CI')))],
    ['of a socket that is nobody’s', peer('root')],
    ['of a socket with the name of a certified caller', peer('ci')],
    ['of a socket with the identity of a certified caller', peer(spiffeId('ci'))],
  ])('%s is refused by every ring, and learns of none', async (_, caller) => {
    for (const ring of ['signer', 'peer', 'session', 'there-is-none']) {
      await refused(ring, caller, 'SIGNING_POLICY_DENIED', { policyId: 'caller', ring });
    }
  });
});

describe('a rank that the host may claim', () => {
  test.each([
    ['mtls on a ring of rank signed', 'signed', MTLS_CALLER, 'signed', 'mtls'],
    ['mtls on a ring of rank session', 'session', MTLS_CALLER, 'session', 'mtls'],
  ])('%s is refused', async (_, ring, caller, expected, actual) => {
    const details = { ring, policyId: 'lowest-rank', expected, actual };
    await refused(ring, caller, 'SIGNING_POLICY_DENIED', details);
  });

  test.each(['signer', 'signed', 'session', 'token'])(
    'peer on ring %s, which can’t name such a caller, is refused',
    async (ring) => {
      const details = { ring, policyId: 'ring-callers' };
      await refused(ring, PEER_CALLER, 'SIGNING_POLICY_DENIED', details);
    },
  );

  test('is not raised by claiming both: the rank decides, and a socket is no certificate', async () => {
    const both = { ...MTLS_CALLER, rank: 4, socket: 'local' };
    expect(await leafOf('peer', both)).toMatchObject({
      caller: 'local',
      callerId: 'peer:local',
      rank: 'peer',
    });
    await refused('signer', both, 'SIGNING_POLICY_DENIED');
  });
});

describe('a caller whose chain the host replays', () => {
  test('stands in the leaf by name and identity, which the host did not choose', async () => {
    const identity = { callerId: spiffeId('ci'), rank: 'mtls', kind: 'signature' };
    expect(await leafOf('signer', MTLS_CALLER)).toMatchObject({ caller: 'ci', ...identity });
    const labelled = { ...MTLS_CALLER, socket: 'local' };
    expect(await leafOf('signer', labelled)).toMatchObject({ caller: 'ci', ...identity });
    const withRoot = mtls(LEAF, TEST_AUTHORITY.certificate);
    expect(await leafOf('signer', withRoot)).toMatchObject({ caller: 'ci', ...identity });
  });

  test('is the same caller with a renewed certificate: its request ids live on', async () => {
    const rig = theRig();
    const requestId = new Uint8Array(16).fill(6);
    const first = await rig.sign('signer', { requestId });
    const renewed = mtls(TEST_AUTHORITY.client(spiffeId('ci')));
    const again = await rig.sign('signer', { caller: renewed, requestId });
    expect(again.signature).toEqual(first.signature);
  });

  test('can’t get the answer to another caller’s request id', async () => {
    const rig = theRig();
    const requestId = new Uint8Array(16).fill(7);
    const first = await rig.sign('signer', { requestId });
    const stolen = await rig.sign('signer', { caller: SECOND_CALLER, requestId });
    expect(stolen.receipt?.index).not.toBe(first.receipt?.index);
  });

  test('can’t reuse a request id for another message', async () => {
    const requestId = new Uint8Array(16).fill(8);
    await theRig().sign('signer', { requestId });
    const before = theRig().host.ledger.intents;
    const other = theRig().sign('signer', { requestId, message: utf8('another message') });
    await expect(other).toRefuseWith('REQUEST_ID_REUSED', {});
    expect(theRig().host.ledger.intents).toBe(before);
  });
});

describe('a ring', () => {
  test.each([
    ['that there is not', 'nobody', 'nobody'],
    ['with the name of another in capitals', 'SIGNER', 'SIGNER'],
    ['with a zero byte behind its name', 'signer\0', 'signer\0'],
    ['with no name', '', ''],
    ['with the name of every object', '__proto__', '__proto__'],
    ['with a name of 60,000 characters', 'x'.repeat(60_000), 'x'.repeat(64)],
  ])('%s is not found', async (_, ring, keyId) => {
    await refused(ring, MTLS_CALLER, 'KEY_NOT_FOUND', { policyId: 'ring', keyId });
  });
});
