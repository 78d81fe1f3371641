/** The policy document: what is accepted, and each refusal with its place (docs/spec/policy.md). */
import { describe, expect, it } from 'vitest';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { parsePolicy } from '../../enclave/wire/policy/document.ts';
import { scopeDifference } from '../../enclave/wire/policy/ring.ts';
import { SignedJsonError, type SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { parsedPolicy, policySource, ringSource, testAdmin, without } from '../support/policies.ts';

const admins = [testAdmin('alice'), testAdmin('bob'), testAdmin('carol')];
const [alice] = admins;
const HEX32 = 'ab'.repeat(32);
const SPIFFE_ROOT = {
  name: 'mesh',
  kind: 'spiffe',
  trustDomain: 'example.org',
  certificates: ['30'],
};
const X509_ROOT = { name: 'corp', kind: 'x509', certificates: ['30', '31'] };

const source = (change: SignedJsonObject = {}) => policySource(admins, change);
const withRing = (change: SignedJsonObject) => source({ rings: [ringSource('release', change)] });
const withCaller = (change: SignedJsonObject) =>
  source({ roots: [SPIFFE_ROOT, X509_ROOT], callers: [{ name: 'ci', ...change }] });

function problem(change: SignedJsonObject): string {
  try {
    parsedPolicy(change);
  } catch (error) {
    if (error instanceof SignedJsonError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('a policy that is accepted', () => {
  it('says what it says', () => {
    const policy = parsedPolicy(source({ validForSeconds: 60 }));
    expect(policy).toMatchObject({
      version: 1,
      clusterId: undefined,
      replaces: undefined,
      notBefore: 0,
      notAfter: 86_400_000,
      validForSeconds: 60,
      threshold: 1,
    });
    expect(policy.admins.map(({ name }) => name)).toEqual(['alice', 'bob', 'carol']);
    expect(policy.rings[0]).toMatchObject({ payloadKind: 'message', maxBytes: 61_440 });
    expect([...(policy.rings[0]?.callers ?? [])]).toEqual(['ci']);
  });

  it('gives a ring rank session when nothing is said', () => {
    const ring = without(ringSource('release'), 'lowestRank', 'acceptHostAsserted');
    const { rings } = parsedPolicy(source({ rings: [{ ...ring, callers: [] }] }));
    expect(rings[0]?.lowestRank).toBe('session');
  });

  it.each([
    [
      'spiffe',
      { kind: 'spiffe', id: 'spiffe://example.org/ns/prod/api' },
      'spiffe://example.org/ns/prod/api',
    ],
    [
      'x509',
      { kind: 'x509', root: 'corp', subject: ['O=Example', 'CN=api'] },
      'x509:corp:["O=Example","CN=api"]',
    ],
    ['key', { kind: 'key', publicKey: HEX32 }, `key:${HEX32}`],
    ['peer', { kind: 'peer', socket: 'ci' }, 'peer:ci'],
  ])('maps a caller of kind %s to one identity', (_kind, caller, identity) => {
    expect(parsedPolicy(withCaller(caller)).callers[0]?.identity).toBe(identity);
  });
});

describe('a policy that is refused', () => {
  const cases: readonly (readonly [string, SignedJsonObject, string])[] = [
    ['another kind', source({ kind: 'genesis' }), '/kind: expected one of policy'],
    ['another version of this page', source({ v: 2 }), '/v: expected an integer from 1 to 1'],
    ['an unknown member', source({ extra: true }), '/extra: unknown member'],
    ['version 0', source({ version: 0 }), '/version: expected an integer'],
    ['a cluster in version 1', source({ clusterId: HEX32 }), '/clusterId: not in version 1'],
    ['a predecessor in version 1', source({ replaces: HEX32 }), '/replaces: not in version 1'],
    [
      'version 2 without a cluster',
      source({ version: 2, replaces: HEX32 }),
      '/clusterId: expected 32 bytes',
    ],
    [
      'version 2 without a predecessor',
      source({ version: 2, clusterId: HEX32 }),
      '/replaces: expected 32 bytes',
    ],
    [
      'an end before its beginning',
      source({ notBefore: 5, notAfter: 5 }),
      '/notAfter: not after notBefore',
    ],
    [
      'a window of more than 90 days',
      source({ notAfter: 90 * 86_400_000 + 1 }),
      '/notAfter: more than 90 days',
    ],
    ['no time', source({ notAfter: '2027' }), '/notAfter: expected an integer'],
    [
      'validForSeconds 59',
      source({ validForSeconds: 59 }),
      '/validForSeconds: expected an integer from 60',
    ],
    ['nobody who decides', source({ admins: [] }), '/threshold: more than the 0 admins'],
    ['threshold 0', source({ threshold: 0 }), '/threshold: expected an integer from 1'],
    ['more approvals than admins', source({ threshold: 4 }), '/threshold: more than the 3 admins'],
    [
      'no spare admin, unsaid',
      source({ threshold: 3 }),
      '/noSpareAdmin: required when every admin',
    ],
    [
      'no spare admin, said of a spare one',
      source({ noSpareAdmin: true }),
      '/noSpareAdmin: required when every admin',
    ],
    ['noSpareAdmin false', source({ noSpareAdmin: false }), '/noSpareAdmin: true, or left away'],
    [
      'two admins of one name',
      source({ admins: admins.map(({ line }) => ({ name: 'a', key: line })) }),
      '/admins/1/name: a stands twice',
    ],
    [
      'two admins of one key',
      source({ admins: ['a', 'b'].map((name) => ({ name, key: alice?.line ?? '' })) }),
      '/admins/1/key: stands twice',
    ],
    [
      'an admin key with a comment',
      source({ admins: [{ name: 'a', key: `${alice?.line ?? ''} a@b` }] }),
      '/admins/0/key: not an SSH key that an admin may have (text)',
    ],
    [
      'an RSA admin key',
      source({ admins: [{ name: 'a', key: 'ssh-rsa AAAAB3NzaC1yc2EAAAABAw==' }] }),
      '/admins/0/key: not an SSH key that an admin may have (key-type)',
    ],
    [
      'two rings of one name',
      source({ rings: [ringSource('a'), ringSource('a')] }),
      '/rings/1/name: a stands twice',
    ],
    ['a ring with capitals', source({ rings: [ringSource('A')] }), '/rings/0/name: expected'],
    [
      'an unknown algorithm',
      withRing({ algorithm: 'HS256' }),
      '/rings/0/algorithm: not a known algorithm',
    ],
    [
      'ML-DSA in the HSM',
      withRing({ algorithm: 'ML-DSA-44', residency: 'hsm' }),
      '/rings/0/residency: ML-DSA-44 has residency enclave only',
    ],
    [
      'a digest under EdDSA',
      withRing({ algorithm: 'EdDSA', payload: { kind: 'digest' } }),
      '/rings/0/payload/kind: EdDSA signs messages',
    ],
    [
      'a limit of a digest',
      withRing({ payload: { kind: 'digest', maxBytes: 5 } }),
      '/rings/0/payload/maxBytes: unknown member',
    ],
    [
      'messages of 0 bytes',
      withRing({ payload: { kind: 'message', maxBytes: 0 } }),
      '/rings/0/payload/maxBytes: expected an integer from 1',
    ],
    [
      'messages of more than 60 KiB',
      withRing({ payload: { kind: 'message', maxBytes: 61_441 } }),
      '/rings/0/payload/maxBytes: expected an integer from 1',
    ],
    [
      'a rank without its reason',
      source({ rings: [{ ...ringSource('a'), acceptHostAsserted: '' }] }),
      '/rings/0/acceptHostAsserted: expected',
    ],
    [
      'a reason without the rank',
      withRing({ lowestRank: 'session', callers: [] }),
      '/rings/0/acceptHostAsserted: required for ranks mtls and peer',
    ],
    [
      'a caller that does not exist',
      withRing({ callers: ['nobody'] }),
      '/rings/0/callers: nobody is not a caller',
    ],
    ['a caller twice', withRing({ callers: ['ci', 'ci'] }), '/rings/0/callers: one stands twice'],
    [
      'a socket for a ring of rank mtls',
      withRing({ lowestRank: 'mtls' }),
      '/rings/0/callers: ci reaches rings of rank peer only',
    ],
    [
      'a rate of 0',
      withRing({ limits: { ringPerSecond: 0 } }),
      '/rings/0/limits/ringPerSecond: expected an integer from 1',
    ],
    [
      'an unknown limit',
      withRing({ limits: { perHour: 1 } }),
      '/rings/0/limits/perHour: unknown member',
    ],
    ['a denied key that is not one', source({ deniedKeys: ['ab'] }), '/deniedKeys/0: expected'],
    ['a denied key twice', source({ deniedKeys: [HEX32, HEX32] }), '/deniedKeys: one stands twice'],
    [
      'a root without certificates',
      source({ roots: [{ ...X509_ROOT, certificates: [] }] }),
      '/roots/0/certificates: a root has a certificate',
    ],
    [
      'a trust domain of a plain root',
      source({ roots: [{ ...X509_ROOT, trustDomain: 'x' }] }),
      '/roots/0/trustDomain: unknown member',
    ],
    [
      'two roots of one trust domain',
      source({ roots: [SPIFFE_ROOT, { ...SPIFFE_ROOT, name: 'other' }] }),
      '/roots/1/trustDomain: example.org stands twice',
    ],
    [
      'a SPIFFE ID of another trust domain',
      withCaller({ kind: 'spiffe', id: 'spiffe://example.com/a' }),
      '/callers/0/id: no root of trust domain example.com',
    ],
    [
      'a SPIFFE ID without a path',
      withCaller({ kind: 'spiffe', id: 'spiffe://example.org' }),
      '/callers/0/id: not the SPIFFE ID of a workload',
    ],
    [
      'a SPIFFE ID with an empty segment',
      withCaller({ kind: 'spiffe', id: 'spiffe://example.org/a//b' }),
      '/callers/0/id: not the SPIFFE ID',
    ],
    [
      'a SPIFFE ID that goes up',
      withCaller({ kind: 'spiffe', id: 'spiffe://example.org/a/../b' }),
      '/callers/0/id: not the SPIFFE ID',
    ],
    [
      'a SPIFFE ID with a port',
      withCaller({ kind: 'spiffe', id: 'spiffe://example.org:80/a' }),
      '/callers/0/id: not the SPIFFE ID',
    ],
    [
      'a SPIFFE ID with a query',
      withCaller({ kind: 'spiffe', id: 'spiffe://example.org/a?b' }),
      '/callers/0/id: not the SPIFFE ID',
    ],
    [
      'a subject under a root of SPIFFE',
      withCaller({ kind: 'x509', root: 'mesh', subject: ['CN=a'] }),
      '/callers/0/root: not a root of kind x509',
    ],
    [
      'an empty subject',
      withCaller({ kind: 'x509', root: 'corp', subject: [] }),
      '/callers/0/subject: a subject has a name',
    ],
    [
      'a subject that is not RDNs',
      withCaller({ kind: 'x509', root: 'corp', subject: ['api'] }),
      '/callers/0/subject/0: expected',
    ],
    ...[0x9b, 0x00ad, 0x200b, 0x202e, 0x2028, 0x2029, 0xfeff, 0xe0041].map(
      (code): [string, SignedJsonObject, string] => [
        `a subject with U+${code.toString(16).padStart(4, '0')}, which nobody sees`,
        withCaller({ kind: 'x509', root: 'corp', subject: [`CN=a${String.fromCodePoint(code)}`] }),
        '/callers/0/subject/0: expected',
      ],
    ),
    [
      'two callers of one identity',
      source({ callers: ['a', 'ci'].map((name) => ({ name, kind: 'peer', socket: 'ci' })) }),
      '/callers/1/kind: peer:ci stands twice',
    ],
    [
      'a socket with a space',
      withCaller({ kind: 'peer', socket: 'a b' }),
      '/callers/0/socket: expected',
    ],
  ];
  it.each(cases)('%s', (_name, change, expected) => {
    expect(problem(change)).toContain(expected);
  });

  it('tells all problems to a reader that collects them', () => {
    const collected: SignedJsonError[] = [];
    const change = source({ threshold: 9, callers: {}, rings: [ringSource('A', { oops: 1 })] });
    parsePolicy(new ObjectReader(change, '', collected));
    expect(collected.map(({ place }) => place)).toEqual([
      '/threshold',
      '/callers',
      '/rings/0/name',
      '/rings/0/oops',
      '/rings/0/callers',
    ]);
  });

  it.each([
    'admins',
    'threshold',
    'roots',
    'deniedKeys',
    'callers',
    'rings',
    'notBefore',
    'notAfter',
    'v',
    'kind',
    'version',
  ])('one without %s', (member) => {
    expect(problem(without(source(), member))).toMatch(new RegExp(`^/${member}: expected`));
  });
});

describe('scope', () => {
  const [ring] = parsedPolicy(source()).rings;
  it.each([
    ['algorithm', { algorithm: 'ES384' }],
    ['residency', { residency: 'hsm' }],
    ['payloadKind', { payload: { kind: 'digest' } }],
    ['maxBytes', { payload: { kind: 'message', maxBytes: 100 } }],
    ['lowestRank', { lowestRank: 'mtls', callers: [] }],
  ])('%s is part of it', (member, change) => {
    const [other] = parsedPolicy(withRing(change)).rings;
    if (ring === undefined || other === undefined) throw new Error('a ring is missing');
    expect(scopeDifference(ring, other)).toBe(member);
  });

  it('callers, limits and the reason are not', () => {
    const [other] = parsedPolicy(
      withRing({ callers: [], limits: { ringPerSecond: 1 }, acceptHostAsserted: 'another' }),
    ).rings;
    if (ring === undefined || other === undefined) throw new Error('a ring is missing');
    expect(scopeDifference(ring, other)).toBeUndefined();
  });
});
