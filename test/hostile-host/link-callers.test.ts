/**
 * A host that lies about who calls. It is believed up to the rank that a ring accepts, and its word stands in the
 * leaf; beyond, it is refused by name (docs/spec/policy.md).
 */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Details, Reason } from '../../enclave/wire/error-code.ts';
import type { UntrustedCaller } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { MAX_CERTIFICATE_BYTES } from '../../enclave/wire/limits.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { parseLeaf, type LogLeaf } from '../../src/tlog/leaf.ts';
import { MTLS_CALLER, PEER_CALLER } from '../support/fakes/world.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import '../support/matchers.ts';

const theRig = attacked();

const mtls = (...certificates: readonly Uint8Array[]): UntrustedCaller => ({
  rank: 3,
  certificates,
  socket: '',
});
const peer = (socket: string): UntrustedCaller => ({ rank: 4, certificates: [], socket });

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
    ['with a chain of six', mtls(...Array<Uint8Array>(6).fill(utf8('certificate')))],
    ['with a certificate a byte too long', mtls(new Uint8Array(MAX_CERTIFICATE_BYTES + 1))],
    ['with a giant behind a small one', mtls(utf8('c'), new Uint8Array(1024 * 1024))],
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

describe('a rank that the host may claim', () => {
  test.each([
    ['peer on a ring of rank mtls', 'signer', PEER_CALLER, 'mtls', 'peer'],
    ['peer on a ring of rank signed', 'signed', PEER_CALLER, 'signed', 'peer'],
    ['peer on a ring of rank session', 'session', PEER_CALLER, 'session', 'peer'],
    ['mtls on a ring of rank signed', 'signed', MTLS_CALLER, 'signed', 'mtls'],
    ['mtls on a ring of rank session', 'session', MTLS_CALLER, 'session', 'mtls'],
  ])('%s is refused', async (_, ring, caller, expected, actual) => {
    const details = { ring, policyId: 'lowest-rank', expected, actual };
    await refused(ring, caller, 'SIGNING_POLICY_DENIED', details);
  });

  test('is not raised by claiming both: the rank decides, and a socket is no certificate', async () => {
    const both = { rank: 4, certificates: [utf8('certificate')], socket: 'local' };
    expect(await leafOf('peer', both)).toMatchObject({ caller: 'peer:local', rank: 'peer' });
    await refused('signer', both, 'SIGNING_POLICY_DENIED');
  });
});

describe('a forged caller of a ring that believes the host', () => {
  test('stands in the leaf by the hash of the forged certificate', async () => {
    const forged = utf8('no certificate at all');
    const hash = createHash('sha256').update(forged).digest('hex');
    const leaf = await leafOf('signer', mtls(forged));
    expect(leaf).toMatchObject({ caller: `mtls:${hash}`, rank: 'mtls', kind: 'signature' });
  });

  test('is the leaf certificate alone, whatever chain the host adds', async () => {
    const certificate = utf8('certificate');
    const alone = await leafOf('signer', mtls(certificate));
    const chained = await leafOf('signer', mtls(certificate, utf8('a'), utf8('b')));
    expect(chained).toMatchObject({ caller: (alone as { caller: string }).caller });
  });

  test('can’t get the answer to another caller’s request id', async () => {
    const rig = theRig();
    const requestId = new Uint8Array(16).fill(7);
    const [one, two] = [mtls(utf8('alice')), mtls(utf8('mallory'))];
    const first = await rig.sign('signer', { caller: one, requestId });
    const again = await rig.sign('signer', { caller: one, requestId });
    const stolen = await rig.sign('signer', { caller: two, requestId });
    expect(again.signature).toEqual(first.signature);
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
    await refused(ring, MTLS_CALLER, 'KEY_NOT_FOUND', { keyId });
  });
});
