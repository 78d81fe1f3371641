/** The schemas of policies against the parser: what they can say they say, and nothing that is good is refused. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ALGORITHMS } from '../../enclave/wire/algorithm.ts';
import * as limits from '../../enclave/wire/limits.ts';
import { PAYLOAD_KINDS, RANKS } from '../../enclave/wire/policy/ring.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { matchesSchema } from '../support/json-schema.ts';
import { policySource, testAdmin } from '../support/policies.ts';
import { readVectors } from '../support/vectors.ts';

interface Schema extends Readonly<Record<string, unknown>> {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, unknown>>;
  readonly $defs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const read = (name: string): string =>
  readFileSync(new URL(`../../docs/schema/${name}`, import.meta.url), 'utf8');
const schema = JSON.parse(read('policy.schema.json')) as Schema;
const ownSource = JSON.parse(
  read('policy-source.schema.json').replaceAll('policy.schema.json#', '#'),
) as Schema;
/** With the definitions that it takes from the other. */
const source: Schema = { ...ownSource, $defs: { ...schema.$defs, ...ownSource.$defs } };

/** Rules over several members, that no schema can say. */
const BEYOND = [
  'time-backwards',
  'time-long',
  'admins-no-spare',
  'admins-spare',
  'threshold-large',
  'admin-twice',
  'admin-key-twice',
  'roots-one-domain',
  'caller-domain',
  'caller-root',
  'caller-twice',
  'ring-stranger',
  'ring-peer-caller',
  'ring-twice',
  'not-canonical',
];

describe('policy.schema.json', () => {
  const vectors = readVectors<{ readonly document: string }>('policy.json');

  it.each(vectors)('says of $id what the parser says', ({ id, input, expect: wanted }) => {
    const matches = matchesSchema(JSON.parse(input.document), schema);
    expect(matches).toBe(wanted === 'accept' || BEYOND.includes(id));
  });

  it('leaves nothing more to the parser than is listed', () => {
    const ids = vectors.map(({ id }) => id);
    expect(BEYOND.filter((id) => !ids.includes(id))).toEqual([]);
  });

  it('has the limits of the code', () => {
    const at = (name: string, path: string): unknown =>
      path.split('.').reduce<unknown>((value, step) => {
        return (value as Readonly<Record<string, unknown>>)[step];
      }, schema.$defs[name]);
    expect(at('admins', 'maxItems')).toBe(limits.MAX_ADMINS);
    expect(at('callers', 'maxItems')).toBe(limits.MAX_CALLERS);
    expect(at('rings', 'maxItems')).toBe(limits.MAX_RINGS);
    expect(at('deniedKeys', 'maxItems')).toBe(limits.MAX_DENIED_KEYS);
    expect(at('rate', 'maximum')).toBe(limits.MAX_RATE_PER_SECOND);
    expect(at('certificate', 'maxLength')).toBe(2 * limits.MAX_CERTIFICATE_BYTES);
    expect(at('validForSeconds', 'minimum')).toBe(limits.MIN_VALID_FOR_SECONDS);
    expect(at('validForSeconds', 'maximum')).toBe(limits.MAX_VALID_FOR_SECONDS);
    expect(at('ring', 'properties.payload.oneOf.1.properties.maxBytes.maximum')).toBe(
      limits.MAX_MESSAGE_BYTES,
    );
    expect(at('ring', 'properties.algorithm.enum')).toEqual(Object.keys(ALGORITHMS));
    expect(at('ring', 'properties.lowestRank.enum')).toEqual([...RANKS]);
    expect(at('ring', 'properties.payload.oneOf')).toHaveLength(PAYLOAD_KINDS.length);
    expect(schema.properties['roots']).toMatchObject({ maxItems: limits.MAX_CALLER_ROOTS });
  });

  it('knows every combination of algorithm, residency and payload as the parser does', () => {
    for (const [algorithm, row] of Object.entries(ALGORITHMS)) {
      for (const residency of ['hsm', 'enclave'] as const) {
        for (const kind of PAYLOAD_KINDS) {
          const ring = { name: 'a', algorithm, residency, payload: { kind }, callers: [] };
          const possible =
            (row.residencies as readonly string[]).includes(residency) &&
            (kind === 'message' || 'hash' in row);
          const matches = matchesSchema(ring, schema.$defs['ring'] ?? {}, schema);
          expect(matches, `${algorithm} ${residency} ${kind}`).toBe(possible);
        }
      }
    }
  });
});

describe('policy-source.schema.json', () => {
  const admins = [testAdmin('alice'), testAdmin('bob')];
  const short = {
    threshold: 1,
    admins: admins.map(({ name, line }) => ({ name, key: `${line} ${name}@laptop` })),
  };

  it.each<[string, SignedJsonObject]>([
    ['the shortest', short],
    ['the document itself', policySource(admins)],
    [
      'times for people',
      { ...short, notBefore: '2027-01-31T08:00:00Z', notAfter: 1_900_000_000_000 },
    ],
    [
      'certificates in a file, in PEM and in hex',
      {
        ...short,
        roots: [
          {
            name: 'corp',
            kind: 'x509',
            certificates: [{ file: 'ca.pem' }, '-----BEGIN CERTIFICATE-----\nMA==\n', '3000'],
          },
        ],
      },
    ],
  ])('%s', (_name, value) => {
    expect(matchesSchema(value, source)).toBe(true);
  });

  it.each<[string, SignedJsonObject]>([
    ['no admins', { threshold: 1 }],
    ['a local time', { ...short, notBefore: '2027-01-31 08:00' }],
    ['a list for an object', { ...short, admins: {} }],
    ['an unknown member', { ...short, comment: 'x' }],
    ['RSA', { ...short, admins: [{ name: 'a', key: 'ssh-rsa AAAA' }] }],
    [
      'a file without a name',
      { ...short, roots: [{ name: 'a', kind: 'x509', certificates: [{}] }] },
    ],
  ])('refuses %s', (_name, value) => {
    expect(matchesSchema(value, source)).toBe(false);
  });

  it('has the members of the document', () => {
    expect(Object.keys(source.properties)).toEqual(Object.keys(schema.properties));
    expect(schema.required.filter((name) => !(name in source.properties))).toEqual([]);
  });
});
