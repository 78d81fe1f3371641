// Vectors of docs/spec/genesis.md and of the policy inside (docs/spec/policy.md).
import { ADMINS, HEX_32 } from '../policy-parts.ts';
import {
  fixedBytes,
  hex,
  sha256,
  vector,
  type VectorCase,
  type VectorFile,
} from '../vector-file.ts';

const label = (text: string): Uint8Array => Buffer.from(`${text}\0`);

type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json };

/** Canonical text of values whose names are ASCII and not like integers. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonical).join(',')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value as Readonly<Record<string, Json>>);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `"${name}":${canonical(member)}`).join(',')}}`;
}

const RING = {
  name: 'release',
  algorithm: 'ES256',
  residency: 'hsm',
  payload: { kind: 'digest' },
  callers: [],
};

const policyOf = (changed: object = {}): Json => ({
  v: 1,
  kind: 'policy',
  version: 1,
  notBefore: 1_893_456_000_000,
  notAfter: 1_893_542_400_000,
  admins: ADMINS,
  threshold: 2,
  roots: [],
  deniedKeys: [],
  callers: [],
  rings: [RING],
  ...changed,
});

const manifestOf = (changed: object = {}): Json => ({
  v: 1,
  kind: 'genesis',
  name: 'prod',
  provisioning: 'init-token',
  token: { use: 'uninitialised' },
  policy: policyOf(),
  ...changed,
});

function accepted(id: string, comment: string, manifest: Json): VectorCase {
  const text = canonical(manifest);
  const policy = canonical((manifest as { readonly policy: Json }).policy);
  return vector(id, comment, { manifest: text }, 'accept', {
    genesisDigest: hex(sha256(label('sealwright/genesis/v1'), Buffer.from(text))),
    policyDigest: hex(sha256(label('sealwright/policy/v1'), Buffer.from(policy))),
  });
}

const refused = (
  id: string,
  comment: string,
  manifest: Json,
  place: string,
  rule = 'SCHEMA',
): VectorCase => vector(id, comment, { manifest: canonical(manifest) }, rule, { place });

const withRings = (...rings: readonly object[]): Json =>
  manifestOf({ policy: policyOf({ rings }) });

const without = (value: object, name: string): object =>
  Object.fromEntries(Object.entries(value).filter(([member]) => member !== name));

function acceptedCases(): VectorCase[] {
  const hostAsserted = {
    ...RING,
    lowestRank: 'mtls',
    acceptHostAsserted: 'the callers have no library',
  };
  return [
    accepted('manifest', 'one ring', manifestOf()),
    accepted('manifest-no-rings', 'keys may come later', withRings()),
    accepted('manifest-host-asserted', 'a rank below signed, and why', withRings(hostAsserted)),
    accepted(
      'manifest-peer',
      'the lowest rank',
      withRings({ ...hostAsserted, lowestRank: 'peer' }),
    ),
    accepted(
      'manifest-longest-name',
      '64 characters',
      withRings({ ...RING, name: 'a'.repeat(64) }),
    ),
    accepted(
      'manifest-message',
      'algorithms without a hash sign messages',
      withRings(
        { ...RING, algorithm: 'EdDSA', payload: { kind: 'message' } },
        {
          ...RING,
          name: 'pq',
          algorithm: 'ML-DSA-65',
          residency: 'enclave',
          payload: { kind: 'message' },
        },
      ),
    ),
  ];
}

function manifestCases(): VectorCase[] {
  return [
    refused('not-an-object', 'a list', [], ''),
    refused('v2', 'a later version', manifestOf({ v: 2 }), '/v'),
    refused('kind', 'another document', manifestOf({ kind: 'policy' }), '/kind'),
    refused(
      'name-missing',
      'a member is missing',
      without(manifestOf() as object, 'name') as Json,
      '/name',
    ),
    refused('name-empty', 'an empty name', manifestOf({ name: '' }), '/name'),
    refused('name-upper', 'upper case', manifestOf({ name: 'Prod' }), '/name'),
    refused('name-hyphen-first', 'a hyphen first', manifestOf({ name: '-a' }), '/name'),
    refused('name-long', '33 characters', manifestOf({ name: 'a'.repeat(33) }), '/name'),
    refused('name-newline', 'a line feed at the end', manifestOf({ name: 'prod\n' }), '/name'),
    refused(
      'provisioning',
      'not in this version',
      manifestOf({ provisioning: 'adopt' }),
      '/provisioning',
    ),
    refused('token-use', 'a use that is none', manifestOf({ token: { use: 'any' } }), '/token/use'),
    refused(
      'token-destroy',
      'no initialised token is wiped',
      manifestOf({ token: { use: 'destroy', serial: '0123abcd' } }),
      '/token/use',
    ),
    refused(
      'token-needless-serial',
      'nothing may be named that is not used',
      manifestOf({ token: { use: 'uninitialised', serial: 'a' } }),
      '/token/serial',
    ),
    refused('unknown-member', 'a closed schema', manifestOf({ admins: [] }), '/admins'),
    refused(
      'policy-missing',
      'a member is missing',
      without(manifestOf() as object, 'policy') as Json,
      '/policy',
    ),
    refused(
      'policy-version',
      'the first has version 1',
      manifestOf({ policy: policyOf({ version: 2, clusterId: HEX_32, replaces: HEX_32 }) }),
      '/policy/version',
    ),
    vector('not-canonical', 'a space', { manifest: ` ${canonical(manifestOf())}` }, 'CANONICAL', {
      place: '',
    }),
    vector(
      'duplicate',
      'a member twice',
      { manifest: canonical(manifestOf()).replace('"v":1}', '"v":1,"v":1}') },
      'CANONICAL',
      {
        place: '',
      },
    ),
  ];
}

function ringCases(): VectorCase[] {
  const ring = (id: string, comment: string, changed: object, place: string): VectorCase =>
    refused(id, comment, withRings({ ...RING, ...changed }), `/policy/rings/0${place}`);
  return [
    ring('ring-name-upper', 'upper case', { name: 'Release' }, '/name'),
    ring('ring-name-slash', 'a slash would be another record', { name: 'a/1' }, '/name'),
    ring('ring-name-long', '65 characters', { name: 'a'.repeat(65) }, '/name'),
    ring('ring-algorithm', 'an algorithm that is none', { algorithm: 'HS256' }, '/algorithm'),
    ring('ring-algorithm-none', 'least of all this one', { algorithm: 'none' }, '/algorithm'),
    ring('ring-algorithm-case', 'names have one case', { algorithm: 'es256' }, '/algorithm'),
    ring('ring-residency', 'a residency that is none', { residency: 'cloud' }, '/residency'),
    ring(
      'ring-ml-dsa-hsm',
      'no token has ML-DSA',
      { algorithm: 'ML-DSA-44', payload: { kind: 'message' } },
      '/residency',
    ),
    ring('ring-payload', 'a kind that is none', { payload: { kind: 'raw' } }, '/payload/kind'),
    ring(
      'ring-payload-member',
      'a closed schema',
      { payload: { kind: 'digest', max: 1 } },
      '/payload/max',
    ),
    ring(
      'ring-eddsa-digest',
      'Ed25519 takes the whole message',
      { algorithm: 'EdDSA' },
      '/payload/kind',
    ),
    ring(
      'ring-ml-dsa-digest',
      'ML-DSA takes the whole message',
      { algorithm: 'ML-DSA-87', residency: 'enclave' },
      '/payload/kind',
    ),
    ring('ring-rank', 'a rank that is none', { lowestRank: 'anonymous' }, '/lowestRank'),
    ring('ring-mtls-without-why', 'why is not said', { lowestRank: 'mtls' }, '/acceptHostAsserted'),
    ring('ring-peer-without-why', 'why is not said', { lowestRank: 'peer' }, '/acceptHostAsserted'),
    ring(
      'ring-empty-why',
      'nothing is said',
      { lowestRank: 'mtls', acceptHostAsserted: '' },
      '/acceptHostAsserted',
    ),
    ring(
      'ring-needless-why',
      'session needs no reason',
      { acceptHostAsserted: 'because' },
      '/acceptHostAsserted',
    ),
    ring(
      'ring-signed-why',
      'signed is not the host’s word',
      { lowestRank: 'signed', acceptHostAsserted: 'x' },
      '/acceptHostAsserted',
    ),
    ring('ring-unknown-member', 'a closed schema', { extractable: true }, '/extractable'),
    refused(
      'ring-twice',
      'a name twice',
      withRings(RING, { ...RING, algorithm: 'ES384' }),
      '/policy/rings/1/name',
    ),
    refused(
      'rings-object',
      'rings are a list',
      manifestOf({ policy: policyOf({ rings: {} }) }),
      '/policy/rings',
    ),
  ];
}

function clusterCases(): VectorCase[] {
  const genesisDigest = fixedBytes('genesis digest', 32);
  const clusterNonce = fixedBytes('cluster nonce', 32);
  const logKey = fixedBytes('log key', 32);
  const cluster = (
    id: string,
    comment: string,
    kindNumber: number,
    simulated: boolean,
  ): VectorCase =>
    vector(
      id,
      comment,
      {
        kindNumber,
        simulated,
        genesisDigest: hex(genesisDigest),
        clusterNonce: hex(clusterNonce),
        logKey: hex(logKey),
      },
      'accept',
      {
        clusterId: hex(
          sha256(
            label('sealwright/cluster/v1'),
            Uint8Array.of(kindNumber, simulated ? 1 : 0),
            genesisDigest,
            clusterNonce,
            logKey,
          ),
        ),
      },
      ['cluster-id'],
    );
  return [
    cluster('cluster-simulated', 'the simulated platform', 0, true),
    cluster('cluster-real', 'a simulated cluster can never become a real one', 1, false),
    cluster('cluster-real-simulated', 'a platform of a real kind with a test root', 1, true),
  ];
}

const STATEMENT = {
  v: 1,
  kind: 'genesis',
  clusterId: hex(fixedBytes('cluster id', 32)),
  genesisDigest: hex(fixedBytes('genesis digest', 32)),
  mr0: hex(fixedBytes('MR0', 48)),
  mr1: hex(fixedBytes('MR1', 48)),
  mr2: hex(fixedBytes('MR2', 48)),
  tokenSerial: '0123456789abcdef',
};

/** What admins sign. */
function statementCases(): VectorCase[] {
  const statement = (id: string, comment: string, text: string, place?: string): VectorCase => {
    const expect = place === undefined ? 'accept' : text.startsWith(' ') ? 'CANONICAL' : 'SCHEMA';
    const output = place === undefined ? {} : { place };
    return vector(`statement-${id}`, comment, { statement: text }, expect, output, ['statement']);
  };
  const accept = (id: string, comment: string, changed: object = {}): VectorCase =>
    statement(id, comment, canonical({ ...STATEMENT, ...changed }));
  const refuse = (id: string, comment: string, changed: object, place: string): VectorCase =>
    statement(id, comment, canonical({ ...STATEMENT, ...changed }), place);
  return [
    accept('good', 'one cluster, one manifest, one code, one token'),
    accept('no-serial', 'the module shows none before', { tokenSerial: '' }),
    accept('longest-serial', '64 characters', { tokenSerial: '~'.repeat(64) }),
    refuse('v2', 'a later version', { v: 2 }, '/v'),
    refuse('kind', 'another document', { kind: 'policy' }, '/kind'),
    refuse('cluster-short', '31 bytes', { clusterId: 'ab'.repeat(31) }, '/clusterId'),
    refuse('digest-upper', 'upper-case hex', { genesisDigest: 'AB'.repeat(32) }, '/genesisDigest'),
    refuse('mr0-digest', 'a digest of 32 bytes', { mr0: 'ab'.repeat(32) }, '/mr0'),
    refuse('mr2-text', 'no hex', { mr2: 'z'.repeat(96) }, '/mr2'),
    refuse('serial-long', '65 characters', { tokenSerial: 'a'.repeat(65) }, '/tokenSerial'),
    refuse('serial-control', 'a terminal’s escape', { tokenSerial: '\u001b[2J' }, '/tokenSerial'),
    refuse('unknown-member', 'a closed schema', { mr3: 'ab'.repeat(48) }, '/mr3'),
    statement(
      'missing',
      'a register is missing',
      canonical(without(STATEMENT, 'mr1') as Json),
      '/mr1',
    ),
    statement('space', 'not canonical', ` ${canonical(STATEMENT)}`, ''),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [
    ...acceptedCases(),
    ...manifestCases(),
    ...ringCases(),
    ...clusterCases(),
    ...statementCases(),
  ];
  return [
    { file: 'genesis.json', content: { spec: 'docs/spec/genesis.md', specVersion: 1, cases } },
  ];
}
