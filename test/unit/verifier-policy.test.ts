import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AppraisalPolicyError, parseAppraisalPolicy } from '../../src/verifier/index.ts';
import {
  changed,
  makePolicy,
  type Changes,
  type Json,
  type JsonObject,
} from '../support/evidence-maker.ts';
import { ed25519Key } from '../../scripts/ssh-maker.ts';
import { matchesSchema } from '../support/json-schema.ts';

const schema = JSON.parse(
  readFileSync(new URL('../../docs/schema/appraisal-policy.schema.json', import.meta.url), 'utf8'),
) as JsonObject;

/** JSON pointers of all problems; empty when the policy is accepted. */
function pointers(document: unknown): string[] {
  try {
    parseAppraisalPolicy(document);
    return [];
  } catch (error) {
    if (!(error instanceof AppraisalPolicyError)) throw error;
    return error.problems.map(({ pointer }) => pointer);
  }
}

const good = makePolicy();
const registers = good['registers'] as JsonObject;
const anchors = good['trustAnchors'] as JsonObject;
const [anchor = {}] = anchors['anyOf'] as readonly JsonObject[];
const skip = { rule: 'skip', because: 'a reason' };
const hex = (bytes: number): string => 'ab'.repeat(bytes);
const key = (name: string): string => ed25519Key(name).line;

const register = (rule: Json): Changes => ({ registers: { ...registers, MR0: rule } });
const values = (...anyOf: Json[]): Json => ({ rule: 'require', anyOf });

describe('accepted, by the schema too', () => {
  test.each<[string, Changes]>([
    ['as it is', {}],
    ['a reason of 500 characters', { cluster: { rule: 'skip', because: 'a'.repeat(500) } }],
    ['a $schema for editors', { $schema: 'appraisal-policy.schema.json' }],
    ['vendor roots', { trustAnchors: { rule: 'vendor-roots' } }],
    ['simulated refused', { simulated: { rule: 'refuse' } }],
    ['trust on first use', { source: { rule: 'trust-on-first-use', because: 'development' } }],
    ['a register skipped', register(skip)],
    [
      'a value with an end',
      register(values({ name: 'a', value: hex(48), notAfter: '2027-01-31T00:00:00Z' })),
    ],
    ['the cluster skipped', { cluster: skip }],
    ['admin keys', { cluster: { rule: 'require', adminKeys: [key('A'), key('B')], threshold: 2 } }],
    ['words', { tokenChannel: values('scp03'), anchor: values('hsm', 'tpm2') }],
    [
      'any channel and anchor',
      { tokenChannel: { rule: 'refuse-none' }, anchor: { rule: 'refuse-none' } },
    ],
    ['rings allowed', { hostAssertedRings: values('kube') }],
    ['hardening', { hardening: { rule: 'require', allOf: ['own-uid', 'a-later-word'] } }],
    ['hardening skipped', { hardening: skip }],
    ['rings skipped', { hostAssertedRings: skip, provisioning: skip, policyDigest: skip }],
    ['at issue', { time: { mode: 'at-issue' } }],
    ['a maximal age', { time: { mode: 'max-age', seconds: 3600 } }],
  ])('%s', (_, changes) => {
    const policy = makePolicy(changes);

    expect(pointers(policy)).toEqual([]);
    expect(matchesSchema(policy, schema)).toBe(true);
  });
});

describe('refused, by the schema too', () => {
  test.each<[string, unknown, string[]]>([
    ['nothing', undefined, ['/']],
    ['null', null, ['/']],
    ['a list', [], ['/']],
    ['a text', 'policy', ['/']],
    ...Object.keys(good).map((name): [string, unknown, string[]] => [
      `no ${name}`,
      changed(good, { [name]: undefined }),
      [`/${name}`],
    ]),
    ...Object.keys(registers).map((name): [string, unknown, string[]] => [
      `no ${name}`,
      makePolicy({ registers: changed(registers, { [name]: undefined }) }),
      [`/registers/${name}`],
    ]),
  ])('%s', (_, document, expected) => {
    expect(pointers(document)).toEqual(expected);
    expect(matchesSchema(document, schema)).toBe(false);
  });

  test.each<[string, Changes, string[]]>([
    ['a later version', { v: 2 }, ['/v']],
    ['another document', { kind: 'policy' }, ['/kind']],
    ['an unknown member', { extra: 1 }, ['/extra']],
    ['a member with a slash', { 'a/b~c': 1 }, ['/a~1b~0c']],
    ['an unknown register', { registers: { ...registers, MR3: skip } }, ['/registers/MR3']],
    ['a rule without members', register({}), ['/registers/MR0/rule', '/registers/MR0/anyOf']],
    [
      'a rule that is none',
      register({ rule: 'ignore' }),
      ['/registers/MR0/rule', '/registers/MR0/anyOf'],
    ],
    ['an empty list', register(values()), ['/registers/MR0/anyOf']],
    ['no list', register({ rule: 'require', anyOf: 'any' }), ['/registers/MR0/anyOf']],
    [
      'a value that is too short',
      register(values({ name: 'a', value: hex(32) })),
      ['/registers/MR0/anyOf/0/value'],
    ],
    [
      'upper case',
      register(values({ name: 'a', value: 'AB'.repeat(48) })),
      ['/registers/MR0/anyOf/0/value'],
    ],
    [
      'a value without a name',
      register(values({ value: hex(48) })),
      ['/registers/MR0/anyOf/0/name'],
    ],
    [
      'an empty name',
      register(values({ name: '', value: hex(48) })),
      ['/registers/MR0/anyOf/0/name'],
    ],
    [
      'a local time',
      register(values({ name: 'a', value: hex(48), notAfter: '2027-01-31' })),
      ['/registers/MR0/anyOf/0/notAfter'],
    ],
    ['a skip without a reason', register({ rule: 'skip' }), ['/registers/MR0/because']],
    ['an empty reason', register({ rule: 'skip', because: '' }), ['/registers/MR0/because']],
    ['a blank reason', register({ rule: 'skip', because: '  ' }), ['/registers/MR0/because']],
    [
      'a reason with an escape sequence',
      register({ rule: 'skip', because: 'a\u001b[2J' }),
      ['/registers/MR0/because'],
    ],
    [
      'a reason of 501 characters',
      register({ rule: 'skip', because: 'a'.repeat(501) }),
      ['/registers/MR0/because'],
    ],
    ['a skip with values', register({ ...skip, anyOf: [] }), ['/registers/MR0/anyOf']],
    ['a negative svn', { svn: { rule: 'require', atLeast: -1 } }, ['/svn/atLeast']],
    ['a fraction', { svn: { rule: 'require', atLeast: 1.5 } }, ['/svn/atLeast']],
    ['svn skipped', { svn: skip }, ['/svn/atLeast', '/svn/rule', '/svn/because']],
    ['debug allowed', { debug: { rule: 'allow' } }, ['/debug/rule']],
    ['debug skipped', { debug: skip }, ['/debug/rule', '/debug/because']],
    [
      'simulated accepted without a reason',
      { simulated: { rule: 'accept-simulated' } },
      ['/simulated/because'],
    ],
    [
      'a short cluster id',
      { cluster: { rule: 'require', clusterId: hex(31) } },
      ['/cluster/clusterId'],
    ],
    [
      'cluster id and admin keys',
      { cluster: { rule: 'require', clusterId: hex(32), adminKeys: [key('A')], threshold: 1 } },
      ['/cluster/clusterId'],
    ],
    [
      'no admin keys',
      { cluster: { rule: 'require', adminKeys: [], threshold: 1 } },
      ['/cluster/adminKeys'],
    ],
    [
      'an RSA admin key',
      { cluster: { rule: 'require', adminKeys: [`ssh-rsa ${'A'.repeat(68)}`], threshold: 1 } },
      ['/cluster/adminKeys/0'],
    ],
    [
      'an admin key twice',
      { cluster: { rule: 'require', adminKeys: [key('A'), key('A')], threshold: 1 } },
      ['/cluster/adminKeys'],
    ],
    [
      'a threshold of none',
      { cluster: { rule: 'require', adminKeys: [key('A')], threshold: 0 } },
      ['/cluster/threshold'],
    ],
    ['an empty word', { anchor: values('') }, ['/anchor/anyOf/0']],
    ['a word in upper case', { anchor: values('HSM') }, ['/anchor/anyOf/0']],
    [
      'refuse-none where nothing can be missing',
      { provisioning: { rule: 'refuse-none' } },
      ['/provisioning/rule', '/provisioning/anyOf'],
    ],
    ['no words', { provisioning: values() }, ['/provisioning/anyOf']],
    [
      'an allow-list of rings without rings',
      { hostAssertedRings: values() },
      ['/hostAssertedRings/anyOf'],
    ],
    [
      'any shield of several',
      { hardening: values('own-uid') },
      ['/hardening/allOf', '/hardening/anyOf'],
    ],
    ['no shield at all', { hardening: { rule: 'require', allOf: [] } }, ['/hardening/allOf']],
    [
      'a shield twice',
      { hardening: { rule: 'require', allOf: ['own-uid', 'own-uid'] } },
      ['/hardening/allOf'],
    ],
    [
      'a shield in capitals',
      { hardening: { rule: 'require', allOf: ['OWN-UID'] } },
      ['/hardening/allOf/0'],
    ],
    ['no time mode', { time: {} }, ['/time/mode']],
    ['a maximal age without a number', { time: { mode: 'max-age' } }, ['/time/seconds']],
    ['a maximal age of nothing', { time: { mode: 'max-age', seconds: 0 } }, ['/time/seconds']],
    [
      'a maximal age beyond any evidence',
      { time: { mode: 'max-age', seconds: 3601 } },
      ['/time/seconds'],
    ],
    ['a number that nobody asked for', { time: { mode: 'now', seconds: 5 } }, ['/time/seconds']],
    ['no anchors', { trustAnchors: values() }, ['/trustAnchors/anyOf']],
    [
      'an anchor without a name',
      { trustAnchors: values(changed(anchor, { name: undefined })) },
      ['/trustAnchors/anyOf/0/name'],
    ],
    [
      'an anchor for no format',
      { trustAnchors: values({ ...anchor, format: '' }) },
      ['/trustAnchors/anyOf/0/format'],
    ],
    [
      'an anchor that is no PEM',
      { trustAnchors: values({ ...anchor, certificate: 'root' }) },
      ['/trustAnchors/anyOf/0/certificate'],
    ],
    ['a source without a name', { source: { rule: 'release' } }, ['/source/name']],
    ['first use without a reason', { source: { rule: 'trust-on-first-use' } }, ['/source/because']],
  ])('%s', (_, changes, expected) => {
    const policy = makePolicy(changes);

    expect(pointers(policy)).toEqual(expected);
    expect(matchesSchema(policy, schema)).toBe(false);
  });
});

describe('refused, though the schema can’t say so', () => {
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  test.each<[string, Changes, string[]]>([
    [
      'a day that is none',
      register(values({ name: 'a', value: hex(48), notAfter: '2027-02-31T25:00:00Z' })),
      ['/registers/MR0/anyOf/0/notAfter'],
    ],
    [
      'a threshold above the number of keys',
      { cluster: { rule: 'require', adminKeys: [key('A')], threshold: 2 } },
      ['/cluster/threshold'],
    ],
    [
      'an admin key that is none',
      { cluster: { rule: 'require', adminKeys: [`ssh-ed25519 ${'A'.repeat(68)}`], threshold: 1 } },
      ['/cluster/adminKeys/0'],
    ],
    [
      'an anchor that is no certificate',
      { trustAnchors: values({ ...anchor, certificate: broken }) },
      ['/trustAnchors/anyOf/0/certificate'],
    ],
  ])('%s', (_, changes, expected) => {
    expect(pointers(makePolicy(changes))).toEqual(expected);
  });
});

test('all problems are told at once', () => {
  const policy = makePolicy({
    v: 3,
    debug: { rule: 'allow' },
    cluster: {},
    extra: 1,
    time: undefined,
  });

  expect(pointers(policy)).toEqual([
    '/v',
    '/cluster/rule',
    '/cluster/clusterId',
    '/time',
    '/debug/rule',
    '/extra',
  ]);
});

test('members of an object’s prototype are not members', () => {
  const inherited = Object.create(good) as unknown;

  expect(pointers(inherited)).toContain('/v');
});
