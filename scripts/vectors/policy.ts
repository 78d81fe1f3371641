// Vectors of policy documents (docs/spec/policy.md, "Document").
import { canonical, without, type Json, type JsonObject } from '../canonical-json.ts';
import {
  ADMINS,
  BUILD,
  CALLERS,
  CI,
  DAY_MS,
  HEX_32,
  KEY,
  PEER,
  policyOf,
  RELEASE,
  ROOTS,
} from '../policy-parts.ts';
import { ecdsaKey } from '../ssh-maker.ts';
import { hex, sha256, vector, type VectorCase, type VectorFile } from '../vector-file.ts';

const withRing = (changed: JsonObject): JsonObject =>
  policyOf({ rings: [{ ...RELEASE, ...changed }] });
const withCaller = (caller: JsonObject): JsonObject => policyOf({ callers: [caller], rings: [] });
const withRoot = (root: JsonObject): JsonObject =>
  policyOf({ callers: [], rings: [], roots: [root] });
const withAdmins = (threshold: number, admins: Json, changed: JsonObject = {}): JsonObject =>
  policyOf({ admins, threshold, ...changed });

function accepted(id: string, comment: string, policy: JsonObject): VectorCase {
  const document = canonical(policy);
  const policyDigest = hex(sha256(Buffer.from('sealwright/policy/v1\0'), Buffer.from(document)));
  return vector(id, comment, { document }, 'accept', { policyDigest });
}

const refused = (id: string, comment: string, policy: JsonObject, place: string): VectorCase =>
  vector(id, comment, { document: canonical(policy) }, 'POLICY_INVALID', { place });

function acceptedDocuments(): VectorCase[] {
  return [
    accepted('policy', 'every kind of caller', policyOf()),
    accepted('no-rings', 'keys may come later', policyOf({ rings: [], callers: [], roots: [] })),
    accepted(
      'second',
      'names cluster and predecessor',
      policyOf({ version: 2, clusterId: HEX_32, replaces: HEX_32 }),
    ),
    accepted('valid-for', 'the shortest', policyOf({ validForSeconds: 60 })),
    accepted('no-spare', 'every admin must approve', withAdmins(3, ADMINS, { noSpareAdmin: true })),
    accepted('window', 'exactly 90 days', policyOf({ notBefore: 0, notAfter: 90 * DAY_MS })),
    accepted('denied', 'a denied key', policyOf({ deniedKeys: [HEX_32] })),
    accepted('nobody', 'a ring for nobody', withRing({ callers: [] })),
    accepted(
      'limits',
      'both limits',
      withRing({ limits: { callerPerSecond: 1, ringPerSecond: 100_000 } }),
    ),
    accepted(
      'message',
      'the largest message',
      withRing({ payload: { kind: 'message', maxBytes: 61_440 } }),
    ),
    accepted(
      'session',
      'the rank when none is named',
      policyOf({
        rings: [without({ ...RELEASE, callers: ['ci'] }, 'lowestRank', 'acceptHostAsserted')],
      }),
    ),
    accepted('peer', 'the lowest rank', withRing({ lowestRank: 'peer', callers: ['local'] })),
    accepted(
      'ml-dsa',
      'residency enclave only',
      withRing({ algorithm: 'ML-DSA-65', residency: 'enclave', payload: { kind: 'message' } }),
    ),
  ];
}

function refusedDocuments(): VectorCase[] {
  const [alice, bob] = ADMINS;
  const late = 1_700_000_000_000 + 90 * DAY_MS + 1;
  return [
    ...Object.keys(policyOf()).map((name) =>
      refused(`without-${name}`, 'a member is missing', without(policyOf(), name), `/${name}`),
    ),
    refused('v2', 'a later version', policyOf({ v: 2 }), '/v'),
    refused('kind', 'another document', policyOf({ kind: 'genesis' }), '/kind'),
    refused('version-0', 'below 1', policyOf({ version: 0 }), '/version'),
    refused('version-text', 'a number in quotes', policyOf({ version: '1' }), '/version'),
    refused(
      'first-cluster',
      'the approvals of the first name the cluster',
      policyOf({ clusterId: HEX_32 }),
      '/clusterId',
    ),
    refused(
      'first-replaces',
      'there is none before the first',
      policyOf({ replaces: HEX_32 }),
      '/replaces',
    ),
    refused(
      'second-cluster',
      'the cluster is missing',
      policyOf({ version: 2, replaces: HEX_32 }),
      '/clusterId',
    ),
    refused(
      'second-replaces',
      'the predecessor is missing',
      policyOf({ version: 2, clusterId: HEX_32 }),
      '/replaces',
    ),
    refused('unknown-member', 'a closed schema', policyOf({ comment: 'x' }), '/comment'),
    refused('time-backwards', 'ends before it begins', policyOf({ notAfter: 1 }), '/notAfter'),
    refused(
      'time-long',
      'a millisecond more than 90 days',
      policyOf({ notAfter: late }),
      '/notAfter',
    ),
    refused('valid-for-short', '59 seconds', policyOf({ validForSeconds: 59 }), '/validForSeconds'),
    refused('admins-none', 'nobody', withAdmins(1, [], { noSpareAdmin: true }), '/threshold'),
    refused('admins-no-spare', 'M = N, and not said so', withAdmins(3, ADMINS), '/noSpareAdmin'),
    refused(
      'admins-spare',
      'M < N, and said otherwise',
      withAdmins(2, ADMINS, { noSpareAdmin: true }),
      '/noSpareAdmin',
    ),
    refused(
      'admins-no-spare-false',
      'true or nothing',
      withAdmins(2, ADMINS, { noSpareAdmin: false }),
      '/noSpareAdmin',
    ),
    refused('threshold-0', 'nobody approves', withAdmins(0, ADMINS), '/threshold'),
    refused('threshold-large', 'more than there are', withAdmins(4, ADMINS), '/threshold'),
    refused(
      'admin-twice',
      'one name twice',
      withAdmins(1, [alice, { ...bob, name: 'alice' }]),
      '/admins/1/name',
    ),
    refused(
      'admin-key-twice',
      'one person with two names',
      withAdmins(1, [alice, { ...alice, name: 'bob' }]),
      '/admins/1/key',
    ),
    refused(
      'admin-key-comment',
      'type and base64 only',
      withAdmins(1, [bob, { ...alice, key: `${alice.key} alice@laptop` }]),
      '/admins/1/key',
    ),
    refused(
      'admin-key-p521',
      'a curve that is not in the table',
      withAdmins(1, [bob, { name: 'a', key: ecdsaKey('a', 'nistp521').line }]),
      '/admins/1/key',
    ),
    refused(
      'admin-key-type',
      'a type that is not the key’s',
      withAdmins(1, [bob, { ...alice, key: alice.key.replace('ssh-ed25519', 'ssh-ed25518') }]),
      '/admins/1/key',
    ),
    refused(
      'root-kind',
      'a kind that is none',
      withRoot({ name: 'a', kind: 'web', certificates: ['30'] }),
      '/roots/0/kind',
    ),
    refused(
      'root-no-certificate',
      'a root that roots nothing',
      withRoot({ name: 'a', kind: 'x509', certificates: [] }),
      '/roots/0/certificates',
    ),
    refused(
      'root-twice',
      'one certificate twice',
      withRoot({ name: 'a', kind: 'x509', certificates: ['30', '30'] }),
      '/roots/0/certificates',
    ),
    refused(
      'root-hex',
      'an odd digit',
      withRoot({ name: 'a', kind: 'x509', certificates: ['300'] }),
      '/roots/0/certificates/0',
    ),
    refused(
      'root-x509-domain',
      'a trust domain for plain X.509',
      withRoot({ name: 'a', kind: 'x509', trustDomain: 'a', certificates: ['30'] }),
      '/roots/0/trustDomain',
    ),
    refused(
      'roots-one-domain',
      'two roots for one trust domain',
      policyOf({ roots: [...ROOTS, { ...ROOTS[0], name: 'mesh2' }] as Json }),
      '/roots/2/trustDomain',
    ),
    refused(
      'denied-twice',
      'one key twice',
      policyOf({ deniedKeys: [HEX_32, HEX_32] }),
      '/deniedKeys',
    ),
    refused('caller-name', 'upper case', withCaller({ ...PEER, name: 'Local' }), '/callers/0/name'),
    refused(
      'caller-kind',
      'a kind that is none',
      withCaller({ ...PEER, kind: 'anybody' }),
      '/callers/0/kind',
    ),
    refused(
      'caller-domain',
      'a trust domain without a root',
      withCaller({ ...CI, id: 'spiffe://example.com/ci' }),
      '/callers/0/id',
    ),
    refused(
      'caller-no-path',
      'names no workload',
      withCaller({ ...CI, id: 'spiffe://example.org' }),
      '/callers/0/id',
    ),
    refused(
      'caller-dots',
      'a relative path',
      withCaller({ ...CI, id: 'spiffe://example.org/../ci' }),
      '/callers/0/id',
    ),
    refused(
      'caller-slash',
      'an empty segment',
      withCaller({ ...CI, id: 'spiffe://example.org/ci/' }),
      '/callers/0/id',
    ),
    refused(
      'caller-root',
      'a root of another kind',
      withCaller({ ...BUILD, root: 'mesh' }),
      '/callers/0/root',
    ),
    refused(
      'caller-subject',
      'no name',
      withCaller({ ...BUILD, subject: [] }),
      '/callers/0/subject',
    ),
    refused(
      'caller-rdn',
      'not TYPE=value',
      withCaller({ ...BUILD, subject: ['build'] }),
      '/callers/0/subject/0',
    ),
    refused(
      'caller-rdn-format',
      'U+202E, which turns around what is shown after it',
      withCaller({ ...BUILD, subject: ['CN=a\u202eb'] }),
      '/callers/0/subject/0',
    ),
    refused(
      'caller-rdn-line',
      'U+2028, which separates lines',
      withCaller({ ...BUILD, subject: ['CN=a\u2028b'] }),
      '/callers/0/subject/0',
    ),
    refused(
      'caller-key',
      '31 bytes',
      withCaller({ ...KEY, publicKey: 'ab'.repeat(31) }),
      '/callers/0/publicKey',
    ),
    refused(
      'caller-socket',
      'a path with a space',
      withCaller({ ...PEER, socket: 'a b' }),
      '/callers/0/socket',
    ),
    refused(
      'caller-twice',
      'one identity twice',
      policyOf({ callers: [...CALLERS, { ...CI, name: 'ci2' }] }),
      '/callers/4/kind',
    ),
    refused('ring-name', 'upper case', withRing({ name: 'Release' }), '/rings/0/name'),
    refused(
      'ring-algorithm',
      'least of all this one',
      withRing({ algorithm: 'none' }),
      '/rings/0/algorithm',
    ),
    refused(
      'ring-residency',
      'no token has ML-DSA',
      withRing({ algorithm: 'ML-DSA-44', payload: { kind: 'message' } }),
      '/rings/0/residency',
    ),
    refused(
      'ring-payload',
      'Ed25519 takes the whole message',
      withRing({ algorithm: 'EdDSA' }),
      '/rings/0/payload/kind',
    ),
    refused(
      'ring-max-0',
      'no message at all',
      withRing({ payload: { kind: 'message', maxBytes: 0 } }),
      '/rings/0/payload/maxBytes',
    ),
    refused(
      'ring-max-large',
      'more than a request holds',
      withRing({ payload: { kind: 'message', maxBytes: 61_441 } }),
      '/rings/0/payload/maxBytes',
    ),
    refused(
      'ring-max-digest',
      'a digest has its own length',
      withRing({ payload: { kind: 'digest', maxBytes: 32 } }),
      '/rings/0/payload/maxBytes',
    ),
    refused(
      'ring-why',
      'why is not said',
      policyOf({ rings: [without(RELEASE, 'acceptHostAsserted')] }),
      '/rings/0/acceptHostAsserted',
    ),
    refused(
      'ring-needless-why',
      'a rank that needs no reason',
      withRing({ lowestRank: 'signed' }),
      '/rings/0/acceptHostAsserted',
    ),
    refused(
      'ring-stranger',
      'a caller that is none',
      withRing({ callers: ['eve'] }),
      '/rings/0/callers',
    ),
    refused(
      'ring-peer-caller',
      'a caller that never reaches the rank',
      withRing({ callers: ['local'] }),
      '/rings/0/callers',
    ),
    refused(
      'ring-caller-twice',
      'one caller twice',
      withRing({ callers: ['ci', 'ci'] }),
      '/rings/0/callers',
    ),
    refused(
      'ring-limit-0',
      'below 1',
      withRing({ limits: { ringPerSecond: 0 } }),
      '/rings/0/limits/ringPerSecond',
    ),
    refused(
      'ring-twice',
      'one name twice',
      policyOf({ rings: [RELEASE, RELEASE] }),
      '/rings/1/name',
    ),
    vector(
      'not-canonical',
      'a space',
      { document: ` ${canonical(policyOf())}` },
      'POLICY_INVALID',
      { place: '' },
    ),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [...acceptedDocuments(), ...refusedDocuments()];
  return [{ file: 'policy.json', content: { spec: 'docs/spec/policy.md', specVersion: 1, cases } }];
}
