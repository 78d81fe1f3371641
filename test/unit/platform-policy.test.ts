import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { nitroPolicy } from '../../scripts/evidence/nitro/index.ts';
import { AppraisalPolicyError, parsePlatformPolicy } from '../../src/verifier/index.ts';
import { dcapCase } from '../support/dcap/index.ts';
import { matchesSchema } from '../support/json-schema.ts';
import { snpCase } from '../support/sev-snp/index.ts';

type Json = Record<string, unknown>;

const schema = JSON.parse(
  readFileSync(new URL('../../docs/schema/platform-policy.schema.json', import.meta.url), 'utf8'),
) as Json;

/** All pointers of the problems; empty when it is a policy. */
function pointersOf(document: unknown): string[] {
  try {
    parsePlatformPolicy(document);
    return [];
  } catch (error) {
    if (!(error instanceof AppraisalPolicyError)) throw error;
    return error.problems.map(({ pointer }) => pointer);
  }
}

const without = (document: Json, name: string): Json =>
  Object.fromEntries(Object.entries(document).filter(([one]) => one !== name));

const GOOD = nitroPolicy();
const hex48 = 'ab'.repeat(48);
const measurements = (parts: Json): Json => ({ measurements: { rule: 'require', ...parts } });
const set = (values: Json, more: Json = {}): Json =>
  measurements({ anyOf: [{ name: 'x', values, ...more }] });
const three = { PCR0: hex48, PCR1: hex48, PCR2: hex48 };
const binding = (parts: Json): Json => ({ binding: { ...(GOOD['binding'] as Json), ...parts } });

describe('policies of every format, by the schema too', () => {
  for (const [name, policy] of [
    ['nitro', GOOD],
    ['sev-snp', snpCase('Genoa').policy],
    ['tdx', dcapCase('tdx').policy],
    ['sgx', dcapCase('sgx').policy],
  ] as const) {
    test(name, () => {
      const document = policy as Json;

      expect(pointersOf(document)).toEqual([]);
      expect(matchesSchema(document, schema)).toBe(true);
      for (const member of Object.keys(document)) {
        expect(pointersOf(without(document, member)).join()).toContain(`/${member}`);
        expect(matchesSchema(without(document, member), schema)).toBe(false);
      }
      const own = document[name] as Json;
      for (const member of Object.keys(own)) {
        const shorter = { ...document, [name]: without(own, member) };
        expect(pointersOf(shorter)).toContain(`/${name}/${member}`);
        expect(matchesSchema(shorter, schema)).toBe(false);
      }
      const longer = { ...document, [name]: { ...own, unknown: 1 } };
      expect(pointersOf(longer)).toEqual([`/${name}/unknown`]);
      expect(matchesSchema(longer, schema)).toBe(false);
    });
  }
});

describe('policies that are accepted, by the schema too', () => {
  for (const [name, changes] of [
    ['a $schema for editors', { $schema: 'platform-policy.schema.json' }],
    ['all measurements skipped', { measurements: { rule: 'skip', because: 'we only want AWS' } }],
    ['a further register', set({ ...three, PCR8: hex48 })],
    ['a set until a day', set(three, { notAfter: '2027-01-01T00:00:00Z' })],
    [
      'a required register skipped',
      measurements({
        anyOf: [{ name: 'x', values: { PCR0: hex48 } }],
        skipped: { PCR1: 'a', PCR2: 'b' },
      }),
    ],
    ['debug with a reason', { debug: { rule: 'accept-debug', because: 'a laptop' } }],
    ['a nonce in the user data', binding({ userData: { rule: 'nonce' } })],
    ['bytes of the call', binding({ userData: { rule: 'given' } })],
    ['a field skipped', binding({ publicKey: { rule: 'skip', because: 'unused' } })],
    [
      'a list of instances',
      { platforms: { rule: 'require', anyOf: [{ name: 'x', id: 'instance:i-0123' }] } },
    ],
    ['no age', { nitro: { age: { rule: 'skip', because: 'an archive' } } }],
    ['vendor roots', { trustAnchors: { rule: 'vendor-roots' }, simulated: { rule: 'refuse' } }],
  ] as readonly (readonly [string, Json])[]) {
    test(name, () => {
      const policy = { ...GOOD, ...changes };

      expect(pointersOf(policy)).toEqual([]);
      expect(matchesSchema(policy, schema)).toBe(true);
    });
  }
});

describe('policies that are refused, by the schema too', () => {
  for (const [name, pointer, changes] of [
    ['an unknown member', '/extra', { extra: 1 }],
    ['another version', '/v', { v: 2 }],
    ['another kind', '/kind', { kind: 'appraisal-policy' }],
    ['an unknown format', '/format', { format: 'sev' }],
    ['no measurement', '/measurements/anyOf', measurements({ anyOf: [] })],
    ['measurements without a rule', '/measurements/rule', { measurements: { anyOf: [] } }],
    ['a skip without a reason', '/measurements/because', { measurements: { rule: 'skip' } }],
    [
      'a skip with an empty reason',
      '/measurements/because',
      { measurements: { rule: 'skip', because: ' ' } },
    ],
    ['an unknown register', '/measurements/anyOf/0/values/PCR32', set({ ...three, PCR32: hex48 })],
    [
      'a register in capitals',
      '/measurements/anyOf/0/values/PCR0',
      set({ ...three, PCR0: 'AB'.repeat(48) }),
    ],
    [
      'a short register',
      '/measurements/anyOf/0/values/PCR0',
      set({ ...three, PCR0: 'ab'.repeat(47) }),
    ],
    ['an empty register', '/measurements/anyOf/0/values/PCR0', set({ ...three, PCR0: '' })],
    [
      'a set without a name',
      '/measurements/anyOf/0/name',
      measurements({ anyOf: [{ values: three }] }),
    ],
    [
      'a reason that is no text',
      '/measurements/skipped/PCR0',
      measurements({
        anyOf: [{ name: 'x', values: { PCR1: hex48, PCR2: hex48 } }],
        skipped: { PCR0: true },
      }),
    ],
    [
      'a skip of a register that nobody requires',
      '/measurements/skipped/PCR9',
      measurements({ anyOf: [{ name: 'x', values: three }], skipped: { PCR9: 'why' } }),
    ],
    ['debug accepted without a reason', '/debug/because', { debug: { rule: 'accept-debug' } }],
    ['debug allowed', '/debug/rule', { debug: { rule: 'allow' } }],
    [
      'a field left out',
      '/binding/nonce',
      { binding: { userData: { rule: 'nonce' }, publicKey: { rule: 'absent' } } },
    ],
    [
      'a field of another format',
      '/binding/reportData',
      binding({ reportData: { rule: 'nonce' } }),
    ],
    [
      'an empty value',
      '/binding/userData/value',
      binding({ userData: { rule: 'equals', value: '' } }),
    ],
    [
      'a value of 1,025 bytes',
      '/binding/userData/value',
      binding({ userData: { rule: 'equals', value: 'ab'.repeat(1025) } }),
    ],
    [
      'a nonce in the policy',
      '/binding/nonce/value',
      binding({ nonce: { rule: 'nonce', value: '00' } }),
    ],
    [
      'a platform without a kind',
      '/platforms/anyOf/0/id',
      { platforms: { rule: 'require', anyOf: [{ name: 'x', id: 'i-0123' }] } },
    ],
    ['no platform', '/platforms/anyOf', { platforms: { rule: 'require', anyOf: [] } }],
    [
      'an age of nothing',
      '/nitro/age/maxSeconds',
      { nitro: { age: { rule: 'require', maxSeconds: 0 } } },
    ],
    [
      'an age beyond the certificate',
      '/nitro/age/maxSeconds',
      { nitro: { age: { rule: 'require', maxSeconds: 10_801 } } },
    ],
    ['the part of another format', '/tdx', { tdx: {} }],
  ] as readonly (readonly [string, string, Json])[]) {
    test(name, () => {
      const policy = { ...GOOD, ...changes };

      expect(pointersOf(policy)).toContain(pointer);
      expect(matchesSchema(policy, schema)).toBe(false);
    });
  }

  test('a report data of 65 bytes', () => {
    const policy = snpCase('Genoa').policy as Json;
    const longer = {
      ...policy,
      binding: { reportData: { rule: 'equals', value: 'ab'.repeat(65) } },
    };

    expect(pointersOf(longer)).toEqual(['/binding/reportData/value']);
    expect(matchesSchema(longer, schema)).toBe(false);
  });
});

describe('policies that are refused, though the schema can’t say so', () => {
  for (const [name, pointer, changes] of [
    [
      'a set without a required register',
      '/measurements/anyOf/0/values/PCR2',
      set({ PCR0: hex48, PCR1: hex48 }),
    ],
    ['an empty set', '/measurements/anyOf/0/values/PCR0', set({})],
    [
      'a set of nothing, everything skipped',
      '/measurements/anyOf/0/values',
      measurements({
        anyOf: [{ name: 'x', values: {} }],
        skipped: { PCR0: 'a', PCR1: 'b', PCR2: 'c' },
      }),
    ],
    [
      'a register that is skipped and has a value',
      '/measurements/anyOf/0/values/PCR0',
      measurements({ anyOf: [{ name: 'x', values: three }], skipped: { PCR0: 'a' } }),
    ],
    [
      'a day that does not exist',
      '/measurements/anyOf/0/notAfter',
      set(three, { notAfter: '2027-02-30T25:00:00Z' }),
    ],
    [
      'a certificate that is none',
      '/trustAnchors/anyOf/0/certificate',
      {
        trustAnchors: {
          rule: 'require',
          anyOf: [
            {
              name: 'x',
              format: 'nitro',
              certificate: '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n',
            },
          ],
        },
      },
    ],
  ] as readonly (readonly [string, string, Json])[]) {
    test(name, () => {
      expect(pointersOf({ ...GOOD, ...changes })).toContain(pointer);
    });
  }

  test('no document at all, or a list: a problem, not a crash', () => {
    for (const document of [undefined, null, 1, 'x', [], [GOOD]]) {
      expect(pointersOf(document).length).toBeGreaterThan(0);
    }
  });
});
