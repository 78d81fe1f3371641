// Vectors of docs/spec/evidence.md, docs/spec/appraisal-policy.md and docs/spec/key-statement.md.
//
// evidence.json: `input` is {bundle, policy, now, nonce | noNonce, kind?}; `expect` is the verdict, or `malformed`.
// `output.failed` and `output.warned` are the ids of the checks with that verdict, in order; `output.place` says where
// malformed bytes are. A bundle or policy {"as": ID} is that of the named case,
// with the members of `with` in place of its own. The keys are public knowledge: trust no root of this file.
import {
  ECDSA_SHA256,
  MANIFEST,
  NONCE,
  NOW,
  REGISTERS,
  canonical,
  changed,
  ecKey,
  edKey,
  extension,
  makeEvidence,
  makePolicy,
  pem,
  testPlatform,
  type Changes,
  type EvidenceShape,
  type Json,
  type JsonObject,
  type MadeEvidence,
  type PlatformChanges,
} from '../evidence-maker.ts';
import { keyStatementCases } from '../key-statement-vectors.ts';
import {
  fixedBytes,
  fromHex,
  hex,
  vector,
  type VectorCase,
  type VectorFile,
} from '../vector-file.ts';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

/** What a case is asked for; the good bundle, policy, nonce and time when it does not say. */
interface Asked {
  readonly bundle?: string;
  readonly policy?: JsonObject;
  readonly now?: number;
  readonly nonce?: Uint8Array;
  readonly noNonce?: string;
  readonly kind?: 'setup';
}

const GOOD = { as: 'evidence' };

function inputOf(asked: Asked): VectorCase['input'] {
  const { bundle, policy, now = NOW, nonce = NONCE, noNonce, kind } = asked;
  return {
    bundle: bundle ?? GOOD,
    policy: policy ?? GOOD,
    now,
    ...(noNonce === undefined ? { nonce: hex(nonce) } : { noNonce }),
    ...(kind === undefined ? {} : { kind }),
  };
}

/** Accepted, which for a simulated platform is at most a warning. */
function accepted(id: string, comment: string, asked: Asked, ...alsoWarned: string[]): VectorCase {
  const warned = ['simulated', ...alsoWarned];
  return vector(id, comment, inputOf(asked), 'warning', { failed: [], warned });
}

function refused(id: string, comment: string, asked: Asked, ...failed: string[]): VectorCase {
  return vector(id, comment, inputOf(asked), 'contraindicated', { failed });
}

function malformed(id: string, comment: string, bundle: string, place: string): VectorCase {
  return vector(id, comment, inputOf({ bundle }), 'malformed', { place });
}

const made = (shape: Partial<EvidenceShape>): string => makeEvidence(shape).text;
/** The good policy with other members. */
const withPolicy = (changes: JsonObject): Asked => ({ policy: { as: 'evidence', with: changes } });

const good = makeEvidence();
const otherRegister = fixedBytes('another enclave', 48);

const value = (bytes: Uint8Array, more: Changes = {}): JsonObject =>
  changed({ name: 'release 1', value: hex(bytes) }, more);

/** The policy's registers with one of them changed. */
function registers(name: string, rule: Json): JsonObject {
  const all = makePolicy()['registers'] as JsonObject;
  return { registers: { ...all, [name]: rule } };
}

function acceptedCases(): VectorCase[] {
  const { reportData, evidenceDigest, clusterId } = good;
  return [
    vector(
      'evidence',
      'good evidence of a simulated platform, a fresh nonce, and a policy that accepts it',
      { bundle: good.text, policy: makePolicy(), now: NOW, nonce: hex(NONCE) },
      'warning',
      {
        failed: [],
        warned: ['simulated'],
        reportData: hex(reportData),
        evidenceDigest: hex(evidenceDigest),
        clusterId: hex(clusterId),
      },
    ),
    accepted('nonce-in-claims', 'the platform itself was asked', {
      bundle: made({ claims: { nonce: hex(NONCE) }, freshness: undefined }),
    }),
    accepted('no-nonce', 'nobody asked for a nonce, and says why', { noNonce: 'from an archive' }),
    accepted('shortest-nonce', '16 bytes', {
      bundle: made({ freshness: { nonce: NONCE.subarray(0, 16) } }),
      nonce: NONCE.subarray(0, 16),
    }),
    accepted('setup', 'setup evidence, when setup evidence is wanted', {
      bundle: made({ kind: 'setup', claims: { nonce: hex(NONCE) } }),
      kind: 'setup',
    }),
    accepted('at-issue', 'a year later, held against the moment of issue', {
      ...withPolicy({ time: { mode: 'at-issue' } }),
      now: NOW + YEAR_MS,
    }),
    accepted('max-age', 'issued a minute ago, a minute is allowed', {
      ...withPolicy({ time: { mode: 'max-age', seconds: 60 } }),
    }),
    accepted('any-of', 'the second of two values', {
      ...withPolicy(
        registers('MR0', { rule: 'require', anyOf: [value(otherRegister), value(REGISTERS[0])] }),
      ),
    }),
    accepted('value-not-yet-expired', 'the last second of a reference value', {
      ...withPolicy(
        registers('MR0', {
          rule: 'require',
          anyOf: [value(REGISTERS[0], { notAfter: '2026-11-22T12:00:01Z' })],
        }),
      ),
    }),
    accepted('expired-and-good', 'an expired value and one that is still good', {
      ...withPolicy(
        registers('MR0', {
          rule: 'require',
          anyOf: [value(REGISTERS[0], { notAfter: '2026-01-01T00:00:00Z' }), value(REGISTERS[0])],
        }),
      ),
    }),
    accepted(
      'register-skipped',
      'not every register is required',
      withPolicy(registers('MR1', { rule: 'skip', because: 'this machine’s libraries' })),
      'completeness',
    ),
    accepted(
      'cluster-skipped',
      'any cluster will do',
      withPolicy({ cluster: { rule: 'skip', because: 'looking around' } }),
      'completeness',
    ),
    accepted(
      'trust-on-first-use',
      'reference values that were read off a running service',
      withPolicy({ source: { rule: 'trust-on-first-use', because: 'development' } }),
      'reference-source',
    ),
    accepted('host-asserted-allowed', 'a ring that the policy allows', {
      bundle: made({ claims: { hostAssertedRings: ['kube'] } }),
      ...withPolicy({ hostAssertedRings: { rule: 'require', anyOf: ['kube'] } }),
    }),
    accepted('channel-and-anchor', 'any channel and anchor will do', {
      bundle: made({
        claims: {
          anchor: 'hsm',
          token: { manufacturer: '', model: '', serial: '1', channel: 'scp03' },
        },
      }),
      ...withPolicy({ tokenChannel: { rule: 'refuse-none' }, anchor: { rule: 'refuse-none' } }),
    }),
    accepted('host-asserted-skipped', 'any rings will do', {
      bundle: made({ claims: { hostAssertedRings: ['kube'] } }),
      ...withPolicy({ hostAssertedRings: { rule: 'skip', because: 'not ours' } }),
    }),
    accepted('issued-at-the-edge', 'a clock that runs exactly 60 s behind', { now: NOW - 120_000 }),
    accepted('not-after-at-the-edge', 'the last millisecond', { now: NOW + HOUR_MS - 60_000 }),
    accepted('higher-svn', 'a later release', {
      bundle: made({ claims: { svn: 2 }, quote: { svn: 2 } }),
    }),
  ];
}

/** The enclave's own words are false, or somebody changed them. */
function claimCases(): VectorCase[] {
  const tampered = (id: string, changes: Changes, ...more: string[]): VectorCase =>
    refused(
      `tampered-${id}`,
      `${id} was changed on the way`,
      {
        bundle: made({ tamperedClaims: changes, freshness: undefined }),
        noNonce: 'one thing at a time',
      },
      'report-data',
      ...more,
    );
  const said = (id: string, comment: string, changes: Changes, ...failed: string[]): VectorCase =>
    refused(id, comment, { bundle: made({ claims: changes }) }, ...failed);
  return [
    tampered('identityKey', { identityKey: hex(edKey('attacker').spki) }),
    tampered('hpkeKey', { hpkeKey: hex(fixedBytes('attacker', 32)) }),
    tampered('keysDigest', { keysDigest: hex(fixedBytes('attacker', 32)) }),
    tampered('clusterId', { clusterId: hex(fixedBytes('other', 32)) }, 'cluster-id', 'cluster'),
    said(
      'claims-real',
      'a simulated root, and claims that deny it',
      { simulated: false },
      'simulated-claim',
    ),
    said(
      'claims-platform',
      'another platform than the one that signed',
      { platform: 'sev-snp' },
      'platform-claim',
    ),
    said('claims-svn', 'another svn than the platform measured', { svn: 9 }, 'svn-claim'),
    said(
      'claims-origin',
      'a simulated log under a real name',
      { logOrigin: 'sealwright.example' },
      'log-origin',
    ),
    said(
      'claims-log-key',
      'a log key that gives another cluster id',
      { logKey: hex(fixedBytes('k', 32)) },
      'cluster-id',
    ),
    said(
      'claims-cluster-nonce',
      'two cluster nonces',
      { clusterNonce: hex(fixedBytes('n', 32)) },
      'cluster-nonce',
    ),
    said(
      'claims-genesis',
      'another genesis digest',
      { genesisDigest: hex(fixedBytes('g', 32)) },
      'genesis-digest',
    ),
    refused(
      'genesis-manifest',
      'the manifest was changed on the way',
      { bundle: made({ genesis: { manifest: MANIFEST.replace('vectors', 'vectorz') } }) },
      'genesis-digest',
      'cluster-id',
    ),
    refused(
      'genesis-nonce',
      'the cluster nonce was changed on the way',
      { bundle: made({ genesis: { clusterNonce: hex(fixedBytes('n', 32)) } }) },
      'cluster-nonce',
      'cluster-id',
    ),
    refused(
      'other-cluster',
      'genuine evidence of another cluster',
      withPolicy({ cluster: { rule: 'require', clusterId: hex(fixedBytes('mine', 32)) } }),
      'cluster',
    ),
    refused(
      'admin-keys',
      'admin keys are pinned, and nobody approved',
      withPolicy({
        cluster: { rule: 'require', adminKeys: [`ssh-ed25519 ${'A'.repeat(68)}`], threshold: 1 },
      }),
      'cluster',
    ),
    refused(
      'admin-keys-unchecked',
      'approvals that this version can’t check',
      {
        bundle: made({ genesis: { approvals: [{ signature: 'trust me' }] } }),
        ...withPolicy({
          cluster: { rule: 'require', adminKeys: [`ssh-ed25519 ${'A'.repeat(68)}`], threshold: 1 },
        }),
      },
      'cluster',
    ),
    refused(
      'setup-as-evidence',
      'setup evidence where evidence is wanted',
      {
        bundle: made({ kind: 'setup', claims: { nonce: hex(NONCE) } }),
      },
      'kind',
    ),
    refused(
      'evidence-as-setup',
      'evidence where setup evidence is wanted',
      { kind: 'setup' },
      'kind',
    ),
    refused(
      'setup-label',
      'evidence whose report data has the label of setup evidence',
      { bundle: made({ reportLabel: 'setup' }) },
      'report-data',
    ),
    refused(
      'evidence-label',
      'setup evidence whose report data has the label of evidence',
      {
        bundle: made({ kind: 'setup', reportLabel: 'evidence', claims: { nonce: hex(NONCE) } }),
        kind: 'setup',
      },
      'report-data',
    ),
  ];
}

function quoteCases(): VectorCase[] {
  const quoted = (
    id: string,
    comment: string,
    shape: EvidenceShape['quote'],
    ...failed: string[]
  ): VectorCase => refused(id, comment, { bundle: made({ quote: shape }) }, ...failed);
  const undecodable = (id: string, comment: string, shape: EvidenceShape['quote']): VectorCase =>
    malformed(id, comment, made({ quote: shape }), '/platformEvidence');
  const { platformEvidence } = good;
  const flipped = (offset: number): string =>
    canonical({ ...good.bundle, platformEvidence: flipByte(platformEvidence, offset) });
  return [
    ...REGISTERS.map((_, i) =>
      quoted(
        `register-${String(i)}`,
        `another MR${String(i)}`,
        { registers: replaced(REGISTERS, i, otherRegister) },
        `MR${String(i)}`,
      ),
    ),
    quoted('debug', 'the debug flag', { flags: 1 }, 'debug'),
    quoted(
      'platform-id',
      'the root of another platform',
      { platformId: fixedBytes('p', 32) },
      'platform-id',
    ),
    quoted('report-data', 'other report data', { reportData: fixedBytes('r', 64) }, 'report-data'),
    quoted(
      'quote-key',
      'another key than the attestation key',
      { key: ecKey('attacker') },
      'platform-signature',
    ),
    quoted('quote-svn', 'the platform measured svn 0', { svn: 0 }, 'svn-claim', 'svn'),
    refused(
      'svn-floor',
      'an svn below the floor',
      withPolicy({ svn: { rule: 'require', atLeast: 2 } }),
      'svn',
    ),
    refused(
      'flipped-register',
      'a bit of MR0',
      { bundle: flipped(80) },
      'platform-signature',
      'MR0',
    ),
    refused(
      'flipped-signature',
      'a bit of the signature',
      { bundle: flipped(300) },
      'platform-signature',
    ),
    undecodable('reserved-flag', 'a flag that is not defined', { flags: 2 }),
    undecodable('reserved-flag-debug', 'with debug', { flags: 0x8000_0001 }),
    undecodable('quote-version', 'a later layout', { layoutVersion: 2 }),
    undecodable('quote-label', 'another label', { label: 'sealwright/simulated-quote/v2' }),
    malformed(
      'quote-short',
      'the last byte is missing',
      canonical({ ...good.bundle, platformEvidence: platformEvidence.slice(0, -2) }),
      '/platformEvidence',
    ),
    malformed(
      'quote-long',
      'a byte too many',
      canonical({ ...good.bundle, platformEvidence: `${platformEvidence}00` }),
      '/platformEvidence',
    ),
    malformed(
      'format',
      'a format that nobody knows',
      made({ bundle: { format: 'tdx-quote/v9' } }),
      '/format',
    ),
  ];
}

function replaced(
  values: EvidenceShapeRegisters,
  index: number,
  by: Uint8Array,
): EvidenceShapeRegisters {
  const [a, b, c] = values;
  return [index === 0 ? by : a, index === 1 ? by : b, index === 2 ? by : c];
}
type EvidenceShapeRegisters = readonly [Uint8Array, Uint8Array, Uint8Array];

function flipByte(text: string, offset: number): string {
  const bytes = fromHex(text);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  return hex(bytes);
}

/** The chain is wrong; the policy trusts the root that goes with it. */
function chainCases(): VectorCase[] {
  const chain = (
    id: string,
    comment: string,
    changes: PlatformChanges,
    ...failed: string[]
  ): VectorCase => {
    const platform = testPlatform('good', changes);
    return refused(
      id,
      comment,
      { bundle: made({ platform }), policy: makePolicy({}, platform) },
      ...failed,
    );
  };
  const [leaf, intermediate] = good.platform.endorsements;
  const sent = (
    id: string,
    comment: string,
    endorsements: readonly Uint8Array[],
    ...failed: string[]
  ): VectorCase => refused(id, comment, { bundle: made({ endorsements }) }, ...failed);
  const other = testPlatform('other');
  const expired = { notBefore: NOW - 2 * YEAR_MS, notAfter: NOW - 1000 };
  const future = { notBefore: NOW + 1000 };
  const everyRule = [
    'chain-names',
    'chain-algorithms',
    'chain-authority',
    'chain-path-length',
    'chain-key-usage',
    'chain-extensions',
    'chain-key-ids',
  ];
  return [
    sent(
      'endorsements-none',
      'no certificate',
      [],
      'platform-signature',
      'chain-length',
      'trust-anchor',
      'chain-signatures',
      ...everyRule,
      'platform-id',
      'trust-anchor-accepted',
      'chain-validity',
    ),
    sent(
      'endorsements-swapped',
      'the intermediate first',
      [intermediate, leaf],
      'platform-signature',
      'trust-anchor',
      'chain-signatures',
      ...everyRule,
      'platform-id',
      'trust-anchor-accepted',
    ),
    sent(
      'endorsements-no-intermediate',
      'the intermediate is missing',
      [leaf],
      'chain-length',
      'trust-anchor',
      'chain-signatures',
      ...everyRule,
      'platform-id',
      'trust-anchor-accepted',
    ),
    sent(
      'endorsements-no-leaf',
      'the attestation key is missing',
      [intermediate],
      'platform-signature',
      'chain-length',
      'chain-authority',
      'chain-key-usage',
    ),
    sent(
      'endorsements-with-root',
      'the root is sent too',
      [leaf, intermediate, good.platform.root],
      'chain-length',
      'chain-path-length',
      'chain-key-ids',
    ),
    sent(
      'endorsements-leaf-twice',
      'a certificate twice',
      [leaf, leaf, intermediate],
      'chain-length',
      'chain-signatures',
      'chain-names',
      'chain-authority',
      'chain-path-length',
      'chain-key-usage',
      'chain-key-ids',
    ),
    sent(
      'leaf-of-another-platform',
      'the names are right, the keys are not',
      [other.endorsements[0], intermediate],
      'platform-signature',
      'chain-signatures',
      'chain-key-ids',
    ),
    refused(
      'other-root',
      'another platform, whose root has the same name',
      { bundle: made({ platform: other }) },
      'chain-signatures',
      'chain-key-ids',
      'platform-id',
    ),
    refused(
      'other-root-and-id',
      'the same, with the id of the trusted root in the quote',
      { bundle: made({ platform: other, quote: { platformId: fromHex(rootIdOf(good)) } }) },
      'chain-signatures',
      'chain-key-ids',
    ),
    chain(
      'leaf-expired',
      'the attestation key’s certificate has expired',
      { attestation: expired },
      'chain-validity',
    ),
    chain('leaf-not-yet', 'it is not valid yet', { attestation: future }, 'chain-validity'),
    chain(
      'intermediate-expired',
      'the intermediate has expired',
      { intermediate: expired },
      'chain-validity',
    ),
    chain('root-expired', 'the root has expired', { root: expired }, 'chain-validity'),
    chain(
      'intermediate-no-ca',
      'the intermediate is not an authority',
      { intermediate: { authority: { ca: false } } },
      'chain-authority',
    ),
    chain(
      'intermediate-no-constraints',
      'the extension is missing',
      { intermediate: { authority: undefined } },
      'chain-authority',
    ),
    chain(
      'constraints-not-critical',
      'basicConstraints is not critical',
      { intermediate: { constraintsCritical: false } },
      'chain-authority',
    ),
    chain(
      'root-no-ca',
      'the root is not an authority',
      { root: { authority: { ca: false } } },
      'chain-authority',
    ),
    chain(
      'leaf-ca',
      'the attestation key is an authority',
      { attestation: { authority: { ca: true } } },
      'chain-authority',
    ),
    chain(
      'path-length',
      'the root allows no intermediate',
      { root: { authority: { ca: true, pathLength: 0 } } },
      'chain-path-length',
    ),
    chain(
      'usage-intermediate',
      'the intermediate may not sign certificates',
      { intermediate: { usage: [0] } },
      'chain-key-usage',
    ),
    chain('usage-missing', 'no keyUsage', { intermediate: { usage: [] } }, 'chain-key-usage'),
    chain(
      'usage-leaf',
      'the attestation key may sign certificates too',
      { attestation: { usage: [0, 5] } },
      'chain-key-usage',
    ),
    chain('usage-leaf-none', 'it may not sign', { attestation: { usage: [5] } }, 'chain-key-usage'),
    chain(
      'critical-extension',
      'a critical extension that nobody knows',
      { attestation: { moreExtensions: [UNKNOWN_CRITICAL] } },
      'chain-extensions',
    ),
    chain(
      'key-id',
      'another authority key identifier',
      { attestation: { authorityKeyId: fixedBytes('id', 20) } },
      'chain-key-ids',
    ),
    chain(
      'key-id-missing',
      'no authority key identifier',
      { attestation: { authorityKeyId: undefined } },
      'chain-key-ids',
    ),
    chain(
      'issuer-name',
      'the leaf names another issuer',
      { attestation: { issuer: 'SIMULATED nobody' } },
      'chain-names',
    ),
    chain(
      'algorithm',
      'a certificate that says SHA-256',
      { attestation: { signatureAlgorithm: ECDSA_SHA256 } },
      'chain-signatures',
      'chain-algorithms',
    ),
    chain(
      'issuer-key',
      'the leaf is signed by somebody else',
      { attestation: { issuerKey: ecKey('attacker') } },
      'chain-signatures',
    ),
    vector(
      'validity-at-issue',
      'at the moment of issue the leaf was not valid yet',
      {
        ...inputOf({
          bundle: made({
            platform: testPlatform('good', { attestation: { notBefore: NOW - 1000 } }),
          }),
          ...withPolicy({ time: { mode: 'at-issue' } }),
        }),
      },
      'contraindicated',
      { failed: ['chain-validity'] },
    ),
  ];
}

const UNKNOWN_CRITICAL = extension('1.2.3.4', true, Uint8Array.of(5, 0));

const rootIdOf = (evidence: MadeEvidence): string =>
  // Offset 40 of the quote (docs/spec/simulated-quote.md).
  evidence.platformEvidence.slice(80, 144);

function certificateCases(): VectorCase[] {
  const [leaf, intermediate] = good.platform.endorsements;
  const leafIs = (id: string, comment: string, bytes: Uint8Array): VectorCase =>
    malformed(id, comment, made({ endorsements: [bytes, intermediate] }), '/endorsements/0');
  const minted = (changes: PlatformChanges): Uint8Array =>
    testPlatform('good', changes).endorsements[0];
  const twice = extension('2.5.29.14', false, Uint8Array.of(4, 1, 0));
  return [
    leafIs(
      'certificate-trailing',
      'a byte after the certificate',
      Buffer.concat([leaf, Uint8Array.of(0)]),
    ),
    leafIs('certificate-truncated', 'the last byte is missing', leaf.subarray(0, -1)),
    leafIs('certificate-garbage', 'no DER', fixedBytes('garbage', 40)),
    leafIs(
      'certificate-indefinite',
      'an indefinite length',
      Buffer.concat([Uint8Array.of(0x30, 0x80), leaf.subarray(4), Uint8Array.of(0, 0)]),
    ),
    leafIs(
      'certificate-long-length',
      'a length that is not minimal',
      Buffer.concat([Uint8Array.of(0x30, 0x83, 0), leaf.subarray(2)]),
    ),
    leafIs(
      'certificate-lying-length',
      'a length of 16 MiB',
      Buffer.concat([Uint8Array.of(0x30, 0x83, 0xff, 0xff, 0xff), leaf.subarray(4)]),
    ),
    leafIs('certificate-version', 'version 1', minted({ attestation: { version: 1 } })),
    leafIs(
      'certificate-extension-twice',
      'an extension twice',
      minted({ attestation: { moreExtensions: [twice] } }),
    ),
  ];
}

function timeCases(): VectorCase[] {
  const claims = (id: string, comment: string, changes: Changes, ...failed: string[]): VectorCase =>
    refused(id, comment, { bundle: made({ claims: changes }) }, ...failed);
  return [
    refused('old', 'evidence of yesterday', { now: NOW + 24 * HOUR_MS }, 'not-after'),
    refused(
      'one-ms-late',
      'a millisecond after notAfter',
      { now: NOW + HOUR_MS - 60_000 + 1 },
      'not-after',
    ),
    refused(
      'too-early',
      'a verifier whose clock is an hour behind',
      { now: NOW - HOUR_MS },
      'issued-at',
    ),
    claims(
      'from-the-future',
      'issued two minutes from now',
      { issuedAt: NOW + 120_000, notAfter: NOW + HOUR_MS },
      'issued-at',
    ),
    claims('long-lived', 'claims for two hours', { notAfter: NOW + 2 * HOUR_MS }, 'lifetime'),
    claims(
      'backwards',
      'claims that end before they begin',
      { notAfter: NOW - 120_000 },
      'lifetime',
      'not-after',
    ),
    refused(
      'max-age-passed',
      'issued a minute ago, 59 seconds are allowed',
      withPolicy({ time: { mode: 'max-age', seconds: 59 } }),
      'max-age',
    ),
    refused(
      'value-expired',
      'a reference value that was good until a second ago',
      withPolicy(
        registers('MR0', {
          rule: 'require',
          anyOf: [value(REGISTERS[0], { notAfter: '2026-11-22T12:00:00Z' })],
        }),
      ),
      'MR0',
    ),
    refused(
      'value-expired-at-issue',
      'at-issue does not bring a withdrawn release back',
      {
        ...withPolicy({
          ...registers('MR0', {
            rule: 'require',
            anyOf: [value(REGISTERS[0], { notAfter: '2027-01-01T00:00:00Z' })],
          }),
          time: { mode: 'at-issue' },
        }),
        now: NOW + YEAR_MS,
      },
      'MR0',
    ),
  ];
}

function freshnessCases(): VectorCase[] {
  const fresh = (
    id: string,
    comment: string,
    shape: EvidenceShape['freshness'],
    ...failed: string[]
  ): VectorCase => refused(id, comment, { bundle: made({ freshness: shape }) }, ...failed);
  const otherNonce = fixedBytes('other nonce', 32);
  return [
    fresh('nonce-missing', 'nobody answered', undefined, 'nonce'),
    fresh('nonce-other', 'an answer to another nonce', { nonce: otherNonce }, 'nonce'),
    fresh('nonce-shorter', 'the first 31 bytes', { nonce: NONCE.subarray(0, 31) }, 'nonce'),
    fresh(
      'nonce-longer',
      'a byte too many',
      { nonce: Buffer.concat([NONCE, Uint8Array.of(0)]) },
      'nonce',
    ),
    fresh(
      'freshness-relabelled',
      'an answer to another nonce under ours',
      { nonce: otherNonce, shownNonce: NONCE },
      'freshness-signature',
      'nonce',
    ),
    fresh(
      'freshness-time',
      'the time was changed',
      { shownTimeMs: NOW },
      'freshness-signature',
      'nonce',
    ),
    fresh(
      'freshness-other-evidence',
      'the answer of another evidence',
      { evidenceDigest: fixedBytes('e', 32) },
      'freshness-signature',
      'nonce',
    ),
    fresh(
      'freshness-key',
      'signed by another key',
      { key: edKey('attacker') },
      'freshness-signature',
      'nonce',
    ),
    refused(
      'nonce-in-claims-other',
      'the platform answered another nonce',
      { bundle: made({ claims: { nonce: hex(otherNonce) }, freshness: undefined }) },
      'nonce',
    ),
    refused(
      'freshness-false-no-nonce',
      'nobody asked for a nonce, and a false answer is still false',
      { bundle: made({ freshness: { key: edKey('attacker') } }), noNonce: 'no nonce' },
      'freshness-signature',
    ),
  ];
}

function policyCases(): VectorCase[] {
  const wants = (
    id: string,
    comment: string,
    changes: JsonObject,
    ...failed: string[]
  ): VectorCase => refused(id, comment, withPolicy(changes), ...failed);
  const words = (...anyOf: string[]): Json => ({ rule: 'require', anyOf });
  const anchorAs = (format: string, name = 'good'): Json => ({
    rule: 'require',
    anyOf: [{ name: 'vectors', format, certificate: pem(testPlatform(name).root) }],
  });
  const noAnchor = [
    'trust-anchor',
    'chain-signatures',
    'chain-names',
    'chain-algorithms',
    'chain-authority',
    'chain-path-length',
    'chain-key-usage',
    'chain-extensions',
    'chain-key-ids',
    'platform-id',
    'trust-anchor-accepted',
  ];
  return [
    wants(
      'simulated-refused',
      'the policy refuses simulated platforms',
      { simulated: { rule: 'refuse' } },
      'simulated',
    ),
    wants(
      'policy-digest',
      'another signing policy',
      { policyDigest: { rule: 'require', anyOf: [value(fixedBytes('q', 32))] } },
      'policy-digest',
    ),
    wants(
      'token-channel-none',
      'any channel, but one',
      { tokenChannel: { rule: 'refuse-none' } },
      'token-channel',
    ),
    wants('anchor-none', 'any anchor, but one', { anchor: { rule: 'refuse-none' } }, 'anchor'),
    wants(
      'token-channel',
      'the way to the HSM must be protected',
      { tokenChannel: words('scp11') },
      'token-channel',
    ),
    wants('anchor', 'an anchor is wanted', { anchor: words('hsm', 'tpm2') }, 'anchor'),
    wants(
      'provisioning',
      'another way of provisioning is wanted',
      { provisioning: words('takeover') },
      'provisioning',
    ),
    wants(
      'anchor-format',
      'the root is trusted for another format',
      { trustAnchors: anchorAs('sev-snp-report') },
      ...noAnchor,
    ),
    refused(
      'host-asserted',
      'a ring that believes the host',
      { bundle: made({ claims: { hostAssertedRings: ['kube'] } }) },
      'host-asserted-rings',
    ),
    refused(
      'host-asserted-one-more',
      'one that the policy allows and one more',
      {
        bundle: made({ claims: { hostAssertedRings: ['kube', 'more'] } }),
        ...withPolicy({ hostAssertedRings: words('kube') }),
      },
      'host-asserted-rings',
    ),
  ];
}

function undecodableCases(): VectorCase[] {
  const bundle = (id: string, comment: string, changes: Changes, place: string): VectorCase =>
    malformed(`bundle-${id}`, comment, made({ bundle: changes }), place);
  const claims = (id: string, comment: string, changes: Changes, place: string): VectorCase =>
    malformed(`claims-${id}`, comment, made({ claims: changes }), `/claims${place}`);
  return [
    malformed('empty', 'no bytes', '', ''),
    malformed('not-json', 'text', 'evidence', ''),
    malformed('space', 'not canonical', ` ${good.text}`, ''),
    malformed('duplicate', 'a member twice', good.text.replace(/}$/, ',"v":1}'), ''),
    malformed('deep', 'nested 1,000 times', `${'['.repeat(1000)}${']'.repeat(1000)}`, ''),
    malformed('array', 'an array', '[]', ''),
    bundle('v2', 'a later version', { v: 2 }, '/v'),
    bundle('kind', 'another document', { kind: 'genesis' }, '/kind'),
    bundle('unknown', 'a member that nobody knows', { extra: 1 }, '/extra'),
    bundle('no-claims', 'no claims', { claims: undefined }, '/claims'),
    bundle(
      'no-endorsements',
      'no list of endorsements',
      { endorsements: undefined },
      '/endorsements',
    ),
    bundle('endorsements-text', 'endorsements as text', { endorsements: '00' }, '/endorsements'),
    bundle('endorsement-empty', 'an empty certificate', { endorsements: [''] }, '/endorsements/0'),
    bundle(
      'endorsements-many',
      '17 certificates',
      { endorsements: Array<string>(17).fill('00') },
      '/endorsements',
    ),
    bundle('upper-case', 'upper-case hex', { platformEvidence: 'AB' }, '/platformEvidence'),
    bundle('no-genesis', 'no genesis certificate', { genesis: undefined }, '/genesis'),
    bundle(
      'freshness-member',
      'freshness with one member',
      { freshness: { timeMs: 1 } },
      '/freshness/nonce',
    ),
    malformed(
      'setup-freshness',
      'setup evidence has no identity key that could sign',
      made({
        kind: 'setup',
        bundle: { freshness: { nonce: hex(NONCE), signature: '00', timeMs: 1 } },
      }),
      '/freshness',
    ),
    claims('v2', 'a later version', { v: 2 }, '/v'),
    claims('kind', 'a kind that is none', { kind: 'serving' }, '/kind'),
    claims('unknown', 'a member that nobody knows', { extra: true }, '/extra'),
    claims('missing', 'a member is missing', { anchor: undefined }, '/anchor'),
    claims(
      'rings-missing',
      'the list of rings is missing',
      { hostAssertedRings: undefined },
      '/hostAssertedRings',
    ),
    claims(
      'ring-name',
      'a ring name with an escape sequence',
      { hostAssertedRings: ['\u001b[2J'] },
      '/hostAssertedRings/0',
    ),
    claims('nonce-short', '15 bytes', { nonce: '00'.repeat(15) }, '/nonce'),
    claims('nonce-long', '65 bytes', { nonce: '00'.repeat(65) }, '/nonce'),
    claims('number', 'a number as text', { svn: '1' }, '/svn'),
    claims(
      'token-text',
      'control characters',
      { token: { manufacturer: '\u0007', model: '', serial: '', channel: 'none' } },
      '/token/manufacturer',
    ),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [
    ...acceptedCases(),
    ...claimCases(),
    ...quoteCases(),
    ...chainCases(),
    ...certificateCases(),
    ...timeCases(),
    ...freshnessCases(),
    ...policyCases(),
    ...undecodableCases(),
  ];
  return [
    { file: 'evidence.json', content: { spec: 'docs/spec/evidence.md', specVersion: 1, cases } },
    {
      file: 'key-statement.json',
      content: { spec: 'docs/spec/key-statement.md', specVersion: 1, cases: keyStatementCases() },
    },
  ];
}
