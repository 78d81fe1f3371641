/** policy diff, explain and the warnings of check: what they say, word for word. */
import { describe, expect, it } from 'vitest';
import type { Rule } from '../../enclave/wire/policy/decide.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { policyDiff } from '../../src/cli/policy/diff.ts';
import { explain, explanationText, type Question } from '../../src/cli/policy/explain.ts';
import { policyWarnings } from '../../src/cli/policy/warnings.ts';
import { certificateFingerprint, sshFingerprint } from '../../src/cli/fingerprints.ts';
import {
  parsedPolicy,
  policySource,
  ringSource,
  sessionRing,
  testAdmin,
} from '../support/policies.ts';

const NOW = Date.parse('2027-01-31T08:00:00Z');
const admins = [testAdmin('alice'), testAdmin('bob'), testAdmin('carol')];
const [alice, bob] = admins.map(({ line }) => line) as [string, string];
const carol = `carol (ssh-ed25519 ${admins.map(sshFingerprint)[2] ?? ''})`;
const stranger = testAdmin('x');

const withRings = (...rings: SignedJsonObject[]) =>
  parsedPolicy(policySource(admins, { threshold: 2, rings }));

describe('warnings', () => {
  const warnings = (change: SignedJsonObject) =>
    policyWarnings(
      parsedPolicy(policySource(admins, { validForSeconds: 60, threshold: 2, ...change })),
    ).map(({ place, warning }) => `${place} ${warning}`);
  const peerRing = ringSource('release');
  const oracle =
    '/rings/0 ring release: a signing oracle for the host: whoever is the host has any message signed, whatever callers say';

  it.each<readonly [string, SignedJsonObject, readonly string[]]>([
    ['a ring that rests on the host’s word', {}, [oracle]],
    [
      'one admin who decides',
      { threshold: 1 },
      ['/threshold one admin alone decides what is signed', oracle],
    ],
    [
      'no admin to spare',
      { threshold: 3, noSpareAdmin: true },
      ['/admins one lost key, and no policy can ever be applied again', oracle],
    ],
    [
      'a ring for nobody',
      { rings: [{ ...peerRing, callers: [] }] },
      [
        oracle,
        '/rings/0 ring release: nobody may sign with it',
        '/callers/0 caller ci: no ring names it',
      ],
    ],
    ['nothing', { rings: [], callers: [] }, []],
    [
      'a root without callers',
      { rings: [], callers: [], roots: [{ name: 'corp', kind: 'x509', certificates: ['30'] }] },
      ['/roots/0 root corp: no caller ends in it'],
    ],
  ])('%s', (_name, change, expected) => {
    expect(warnings(change)).toEqual(expected);
  });

  it('a policy without an end', () => {
    const found = policyWarnings(withRings()).map(({ place }) => place);
    expect(found).toContain('/validForSeconds');
  });
});

describe('policy diff', () => {
  const base = policySource(admins, { threshold: 2 });
  const changes = (change: SignedJsonObject, from: SignedJsonObject = base) =>
    policyDiff(parsedPolicy(from), parsedPolicy({ ...from, ...change })).map(
      ({ effect, text }) => `${effect}: ${text}`,
    );
  const ring = (change: SignedJsonObject) => ({ rings: [ringSource('release', change)] });
  const root = { name: 'corp', kind: 'x509', certificates: ['30'] };
  const two = [
    { name: 'ci', kind: 'peer', socket: 'ci' },
    { name: 'dev', kind: 'peer', socket: 'dev' },
  ];
  const key = 'ab'.repeat(32);
  const [DER_30, DER_31] = [0x30, 0x31].map((byte) =>
    certificateFingerprint(Uint8Array.of(byte)),
  ) as [string, string];

  it.each<readonly [string, SignedJsonObject, readonly string[]]>([
    ['nothing', {}, []],
    ['times alone', { notBefore: 1 }, []],
    [
      'a ring is born',
      { rings: [ringSource('release'), ringSource('nightly')] },
      [
        'widens: ring nightly is born: ES256, residency enclave, payload message of at most 61440 bytes, lowest rank peer (a Unix socket, by the word of the host), because "a test", for ci',
      ],
    ],
    ['a ring goes', { rings: [] }, ['narrows: ring release stops signing; its keys verify on']],
    [
      'a caller comes and may sign',
      { callers: two, ...ring({ callers: ['ci', 'dev'] }) },
      ['changes: caller dev is new: peer:dev', 'widens: ring release signs for dev too'],
    ],
    [
      'a caller may not sign any more',
      ring({ callers: [] }),
      ['narrows: ring release does not sign for ci any more'],
    ],
    [
      'a caller is somebody else',
      { callers: [{ name: 'ci', kind: 'peer', socket: 'other' }] },
      ['widens: caller ci is now peer:other, and was peer:ci'],
    ],
    [
      'a scope',
      ring({ algorithm: 'ES384' }),
      ["impossible: ring release: algorithm was set at its birth (ES256) and can't become ES384"],
    ],
    [
      'a limit',
      ring({ limits: { ringPerSecond: 5 } }),
      ['narrows: ring release: ringPerSecond 5, instead of without limit'],
    ],
    [
      'a reason',
      ring({ acceptHostAsserted: 'another' }),
      ['changes: ring release: the reason for its rank is now "another"'],
    ],
    ['fewer who decide', { threshold: 1 }, ['widens: 1 of 3 admins decide, instead of 2 of 3']],
    [
      'an admin leaves',
      {
        admins: [
          { name: 'alice', key: alice },
          { name: 'bob', key: bob },
        ],
        threshold: 1,
      },
      [`narrows: admin ${carol} leaves`, 'widens: 1 of 2 admins decide, instead of 2 of 3'],
    ],
    [
      'an admin has another key',
      {
        admins: [
          { name: 'alice', key: alice },
          { name: 'bob', key: bob },
          { name: 'carol', key: stranger.line },
        ],
      },
      [
        `widens: admin carol (ssh-ed25519 ${sshFingerprint(stranger)}) has another key, which must approve too, and had ${sshFingerprint(admins[2] ?? stranger)}`,
      ],
    ],
    [
      'a root',
      { roots: [root] },
      [`widens: root corp (x509; SHA-256 of its certificates ${DER_30}) is new`],
    ],
    [
      'an end',
      { validForSeconds: 60 },
      ['narrows: signing goes on for 60 s after it is applied, instead of without end'],
    ],
    ['a denied key', { deniedKeys: [key] }, [`narrows: key ${key} is denied`]],
  ])('%s', (_name, change, expected) => {
    expect(changes(change)).toEqual(expected);
  });

  it('the other way round says the opposite', () => {
    const from = { ...base, roots: [root], deniedKeys: [key], validForSeconds: 60 };
    expect(changes({ roots: [], deniedKeys: [], validForSeconds: 120 }, from)).toEqual([
      'widens: signing goes on for 120 s after it is applied, instead of for 60 s after it is applied',
      'narrows: root corp leaves: no chain that ends in it is good any more',
      `widens: key ${key} is not denied any more`,
    ]);
  });

  it('a root that speaks with other certificates, or for others', () => {
    const from = { ...base, roots: [root] };
    const other = { roots: [{ ...root, certificates: ['31'] }] };
    expect(changes(other, from)).toEqual([
      `widens: root corp has a new certificate, SHA-256 ${DER_31}`,
      `narrows: root corp has lost a certificate, SHA-256 ${DER_30}`,
    ]);
    const mesh = { ...root, kind: 'spiffe', trustDomain: 'example.org' };
    expect(changes({ roots: [mesh] }, from)).toEqual([
      'widens: root corp speaks for example.org, instead of x509',
    ]);
  });
});

describe('policy explain', () => {
  const policy = parsedPolicy(
    policySource(admins, {
      validForSeconds: 60,
      callers: [
        { name: 'ci', kind: 'peer', socket: 'ci' },
        { name: 'idle', kind: 'key', publicKey: 'ab'.repeat(32) },
      ],
      rings: [
        ringSource('release', { payload: { kind: 'message', maxBytes: 10 } }),
        ringSource('digests', { payload: { kind: 'digest' } }),
        ringSource('slow', { limits: { callerPerSecond: 2, ringPerSecond: 5 } }),
        sessionRing('sealed', ['idle']),
        ringSource('strict', { lowestRank: 'mtls', callers: ['idle'] }),
      ],
    }),
  );
  const good: Question = {
    presented: { identity: 'peer:ci', rank: 'peer' },
    ring: 'release',
    payload: { kind: 'message', byteLength: 10 },
    ageMs: 0,
    nowMs: NOW,
  };
  const said = (change: Partial<Question>) =>
    explanationText(explain(policy, { ...good, ...change }));

  it('says what is allowed', () => {
    expect(said({})).toBe(
      'allowed: caller ci (peer:ci) may have a message of 10 bytes signed with ring release\nno rate limit',
    );
  });

  it('names the limits, which it does not ask', () => {
    expect(said({ ring: 'slow' })).toContain(
      '\nat most 2 a second for this caller, 5 a second for the ring; none was taken now',
    );
  });

  it('quotes a host in printable ASCII', () => {
    const lies = { ...explain(policy, good), identity: 'peer:\u001b[2J\u202e' };
    expect(explanationText(lies)).toContain('(peer:\\u{1b}[2J\\u{202e}) may have');
  });

  it('says so when a newer service has a rule that is not known here', () => {
    const newer = { ...explain(policy, { ...good, ring: 'x' }), rule: 'moon', reason: 'MOON_FULL' };
    expect(explanationText(newer)).toBe(
      'denied by rule "moon" with MOON_FULL: a rule of a newer service',
    );
  });

  const idle = { identity: `key:${'ab'.repeat(32)}`, rank: 'peer' } as const;
  it.each<readonly [Rule, Partial<Question>, string]>([
    [
      'caller',
      { presented: { identity: 'peer:x', rank: 'peer' } },
      'SIGNING_POLICY_DENIED: peer:x is no caller of this policy',
    ],
    [
      'caller',
      { presented: { chain: [], rank: 'session' } },
      'CALLER_UNAUTHENTICATED: the certificates name nobody: there must be 1 to 5',
    ],
    ['ring', { ring: 'x' }, 'KEY_NOT_FOUND: there is no ring x in this policy'],
    [
      'ring-callers',
      { presented: idle },
      'SIGNING_POLICY_DENIED: ring release does not name caller idle',
    ],
    [
      'lowest-rank',
      { presented: idle, ring: 'strict' },
      'SIGNING_POLICY_DENIED: ring strict takes rank mtls (a certificate, by the word of the host) or better, and this caller is known by rank peer (a Unix socket, by the word of the host)',
    ],
    [
      'lowest-rank',
      { presented: { identity: idle.identity, rank: 'mtls' }, ring: 'sealed' },
      'SIGNING_POLICY_DENIED: ring sealed takes rank session (an attested session) or better, and this caller is known by rank mtls (a certificate, by the word of the host)',
    ],
    [
      'lowest-rank',
      { presented: { identity: idle.identity, rank: 'signed' }, ring: 'sealed' },
      'SIGNING_POLICY_DENIED: ring sealed takes rank session (an attested session) or better, and this caller is known by rank signed (a signature over the call)',
    ],
    [
      'payload-kind',
      { payload: { kind: 'digest', byteLength: 32 } },
      'PAYLOAD_KIND_MISMATCH: ring release signs a message, and this is a digest',
    ],
    [
      'payload-limit',
      { payload: { kind: 'message', byteLength: 11 } },
      'MESSAGE_TOO_LARGE: ring release signs at most 10 bytes, and these are 11',
    ],
    [
      'payload-limit',
      { ring: 'digests', payload: { kind: 'digest', byteLength: 31 } },
      'DIGEST_LENGTH_MISMATCH: ring digests signs digests of 32 bytes, and this one has 31',
    ],
    [
      'valid-for',
      { ageMs: 60_001 },
      'SIGNING_POLICY_DENIED: the policy was applied longer ago than its validForSeconds: a new one must be applied',
    ],
  ])('rule %s', (rule, change, expected) => {
    expect(said(change)).toBe(`denied by rule "${rule}" with ${expected}`);
  });
});
