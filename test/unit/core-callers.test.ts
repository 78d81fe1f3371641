/** Who calls: what the host asserts, and what of it is believed (docs/spec/policy.md, "Callers"). */
import { createHash, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Callers } from '../../enclave/core/callers.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import type { UntrustedCaller } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { MAX_KNOWN_CHAINS } from '../../enclave/wire/limits.ts';
import { CallerRoots } from '../../enclave/wire/policy/chain.ts';
import { parsePolicy, type Policy } from '../../enclave/wire/policy/document.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import {
  certified,
  MTLS_CALLER,
  PEER_CALLER,
  peer,
  SECOND_CALLER,
  spiffeId,
  STRANGER,
  TEST_AUTHORITY,
  TestAuthority,
  testPolicy,
} from '../support/fakes/callers.ts';
import { START_WALL_MS } from '../support/fakes/clock.ts';
import { identifiedChain } from '../support/identified-chain.ts';
import '../support/matchers.ts';

const NOW = START_WALL_MS;
const DAY_MS = 86_400_000;

const policyOf = (change: SignedJsonObject = {}): Policy =>
  parsePolicy(new ObjectReader(testPolicy([], NOW, change)));

const nameOf = (
  untrusted: UntrustedCaller | undefined,
  nowMs = NOW,
  callers = new Callers(policyOf()),
): { readonly rank: string; readonly identity: string } => callers.identify(untrusted, nowMs);

describe('a caller', () => {
  test('is the SPIFFE ID of a chain that ends in a root of the policy', () => {
    expect(nameOf(MTLS_CALLER)).toEqual({ rank: 'mtls', identity: spiffeId('ci') });
    const withRoot = certified(...MTLS_CALLER.certificates, TEST_AUTHORITY.certificate);
    expect(nameOf(withRoot)).toEqual({ rank: 'mtls', identity: spiffeId('ci') });
    expect(nameOf(STRANGER).identity).toBe(spiffeId('stranger'));
  });

  test('is the name of the socket, whatever certificates stand beside it', () => {
    expect(nameOf(PEER_CALLER)).toEqual({ rank: 'peer', identity: 'peer:local' });
    expect(nameOf({ ...MTLS_CALLER, rank: 4, socket: 'local' })).toEqual({
      rank: 'peer',
      identity: 'peer:local',
    });
  });

  test('is a key that the policy names, whoever certified it and when', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const publicKeyHash = createHash('sha256').update(spki).digest('hex');
    const callers = new Callers(
      policyOf({ callers: [{ name: 'box', kind: 'key', publicKey: publicKeyHash }] }),
    );
    const ended = { notBefore: new Date(0), notAfter: new Date(DAY_MS) };
    const own = new TestAuthority('its own').client('urn:box', ended, publicKey);
    const box = { rank: 'mtls', identity: `key:${publicKeyHash}` };
    expect(nameOf(certified(own), NOW, callers)).toEqual(box);
    expect(nameOf(certified(own), NOW, callers)).toEqual(box);
    await expect(() => nameOf(certified(own))).toRefuseWith('CALLER_UNAUTHENTICATED', {
      policyId: 'caller',
      actual: 'root',
    });
  });

  const foreign = new TestAuthority('callers');
  const tomorrow = { notBefore: new Date(NOW + DAY_MS), notAfter: new Date(NOW + 2 * DAY_MS) };
  const yesterday = { notBefore: new Date(NOW - 2 * DAY_MS), notAfter: new Date(NOW - DAY_MS) };
  const [leaf = new Uint8Array(0)] = MTLS_CALLER.certificates;
  const damaged = leaf.map((byte, i) => (i === leaf.byteLength - 1 ? byte ^ 1 : byte));

  test.each([
    ['a CA of the same name', foreign.client(spiffeId('ci')), 'root'],
    ['another trust domain', TEST_AUTHORITY.client('spiffe://other.example/ci'), 'spiffe-id'],
    ['a trust domain in capitals', TEST_AUTHORITY.client('spiffe://TEST.example/ci'), 'spiffe-id'],
    ['a path with dots', TEST_AUTHORITY.client('spiffe://test.example/../ci'), 'spiffe-id'],
    ['a trust domain alone', TEST_AUTHORITY.client('spiffe://test.example'), 'spiffe-id'],
    ['another scheme', TEST_AUTHORITY.client('https://test.example/ci'), 'spiffe-id'],
    [
      'a certificate that is not valid yet',
      TEST_AUTHORITY.client(spiffeId('ci'), tomorrow),
      'validity',
    ],
    ['a certificate that has ended', TEST_AUTHORITY.client(spiffeId('ci'), yesterday), 'validity'],
    ['a root itself', TEST_AUTHORITY.certificate, 'ca'],
    ['a certificate with a damaged signature', damaged, 'root'],
    ['bytes behind the certificate', Uint8Array.of(...leaf, 0), 'decode'],
    ['no certificate', Uint8Array.of(0x30, 0), 'decode'],
  ])('with %s is nobody', async (_, certificate, actual) => {
    await expect(() => nameOf(certified(certificate))).toRefuseWith('CALLER_UNAUTHENTICATED', {
      policyId: 'caller',
      actual,
    });
  });

  test('with a denied key anywhere in the chain is nobody', async () => {
    const denied = (certificates: readonly Uint8Array[]): Callers =>
      new Callers(policyOf({ deniedKeys: certificates.map(spkiHashOf) }));
    for (const one of [leaf, TEST_AUTHORITY.certificate]) {
      await expect(() => nameOf(MTLS_CALLER, NOW, denied([one]))).toRefuseWith(
        'CALLER_UNAUTHENTICATED',
        {
          policyId: 'caller',
          actual: 'denied-key',
        },
      );
    }
    expect(nameOf(SECOND_CALLER, NOW, denied([leaf])).identity).toBe(spiffeId('deploy'));
  });

  test('of whom the host says nothing that is believed is nobody', async () => {
    for (const untrusted of [
      undefined,
      certified(),
      { ...MTLS_CALLER, rank: 0 },
      { ...MTLS_CALLER, rank: 1 },
      { ...MTLS_CALLER, rank: 2 },
      { ...PEER_CALLER, rank: 5 },
      { ...MTLS_CALLER, rank: 4 },
      peer(''),
      peer('a b'),
      peer('x'.repeat(108)),
      peer('local\n'),
    ]) {
      await expect(() => nameOf(untrusted)).toRefuseWith('CALLER_UNAUTHENTICATED', {});
    }
  });
});

function spkiHashOf(certificate: Uint8Array): string {
  const { publicKey } = new X509Certificate(certificate);
  return toHex(
    createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest(),
  );
}

describe('chains that are known', () => {
  const identify = vi.spyOn(CallerRoots.prototype, 'identify');
  beforeEach(() => {
    identify.mockClear();
  });

  test('are followed once, and their validity is looked at each time', async () => {
    const [notBefore, notAfter] = [new Date(NOW), new Date(NOW + DAY_MS)];
    const short = certified(TEST_AUTHORITY.client(spiffeId('ci'), { notBefore, notAfter }));
    const callers = new Callers(policyOf());
    for (const at of [NOW, NOW + 1, NOW + DAY_MS]) {
      expect(callers.identify(short, at).identity).toBe(spiffeId('ci'));
    }
    expect(identify).toHaveBeenCalledTimes(1);
    for (const at of [NOW - 1, NOW + DAY_MS + 1]) {
      await expect(() => callers.identify(short, at)).toRefuseWith('CALLER_UNAUTHENTICATED', {
        policyId: 'caller',
        actual: 'validity',
      });
    }
  });

  test('are whole chains: a known leaf opens nothing for another one', async () => {
    const callers = new Callers(policyOf());
    callers.identify(MTLS_CALLER, NOW);
    const [leaf = new Uint8Array(0)] = MTLS_CALLER.certificates;
    for (const more of [new TestAuthority('callers').certificate, Uint8Array.of(0x30, 0), leaf]) {
      await expect(() => callers.identify(certified(leaf, more), NOW)).toRefuseWith(
        'CALLER_UNAUTHENTICATED',
      );
    }
    // The same bytes, cut elsewhere.
    const [head, tail] = [leaf.subarray(0, 100), leaf.subarray(100)];
    await expect(() => callers.identify(certified(head, tail), NOW)).toRefuseWith(
      'CALLER_UNAUTHENTICATED',
    );
  });

  test('are forgotten when there are too many, those that were not seen longest first', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    identify.mockImplementation(() => identifiedChain('key:00', publicKey));
    const callers = new Callers(policyOf());
    const chain = (n: number): UntrustedCaller =>
      certified(Uint8Array.of(n >> 16, (n >> 8) & 255, n & 255));
    const ask = (n: number): number => {
      identify.mockClear();
      callers.identify(chain(n), NOW);
      return identify.mock.calls.length;
    };
    for (let n = 0; n < MAX_KNOWN_CHAINS; n += 1) expect(ask(n)).toBe(1);
    expect(ask(0)).toBe(0);
    expect(ask(MAX_KNOWN_CHAINS)).toBe(1);
    expect([ask(0), ask(2), ask(1)]).toEqual([0, 0, 1]);
    identify.mockRestore();
  });
});

describe('a chain that was identified under an earlier policy', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sha256 = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex');
  const spkiHash = (key: KeyObject): string => sha256(key.export({ type: 'spki', format: 'der' }));
  const leaf = TEST_AUTHORITY.client(spiffeId('ci'), {}, publicKey);
  const rootKey = new X509Certificate(TEST_AUTHORITY.certificate).publicKey;
  const named = { name: 'named', kind: 'key', publicKey: spkiHash(publicKey) };
  const x509 = (name: string): SignedJsonObject => ({
    roots: [{ name, kind: 'x509', certificates: [toHex(TEST_AUTHORITY.certificate)] }],
    callers: [],
  });
  const mesh = (trustDomain: string, authority: TestAuthority): SignedJsonObject => ({
    roots: [
      {
        name: 'callers',
        kind: 'spiffe',
        trustDomain,
        certificates: [toHex(authority.certificate)],
      },
    ],
    callers: [],
  });

  test.each<readonly [string, boolean, SignedJsonObject, SignedJsonObject]>([
    ['by the same', true, {}, {}],
    [
      'by one that renamed its SPIFFE root',
      true,
      {},
      {
        roots: [
          {
            ...(mesh('test.example', TEST_AUTHORITY)['roots'] as SignedJsonObject[])[0],
            name: 'other',
          },
        ],
      },
    ],
    ['not by one that denies its key', false, {}, { deniedKeys: [spkiHash(publicKey)] }],
    ['not by one that denies the key of its root', false, {}, { deniedKeys: [spkiHash(rootKey)] }],
    ['not by one with another root', false, {}, mesh('test.example', new TestAuthority('callers'))],
    [
      'not by one whose root is of another trust domain',
      false,
      {},
      mesh('other.example', TEST_AUTHORITY),
    ],
    ['not by one whose root names subjects', false, {}, x509('test.example')],
    ['by one with the same root of subjects', true, x509('a'), x509('a')],
    ['not by one whose root of subjects has another name', false, x509('a'), x509('b')],
    ['not by one that names the key itself', false, {}, { callers: [named] }],
    [
      'by one that still names its key',
      true,
      { callers: [named] },
      { callers: [named], roots: [] },
    ],
    ['not by one that no longer names its key', false, { callers: [named] }, {}],
    [
      'not by one that names its key and denies it',
      false,
      { callers: [named] },
      {
        callers: [named],
        deniedKeys: [spkiHash(publicKey)],
      },
    ],
  ])('is named %s', (_name, still, before, after) => {
    const chain = new Callers(policyOf(before)).holderOf([leaf], NOW);
    expect(new Callers(policyOf(after)).stillNames(chain)).toBe(still);
  });
});
