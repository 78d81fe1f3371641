// Makes evidence of simulated platforms that never existed, for vectors and tests: good evidence, and every way to
// be wrong. All keys follow from names, and all signatures are deterministic (RFC 8032, RFC 6979), so the same call
// gives the same bytes. Anybody can compute these keys: nothing may ever trust a root that is made here.
import { createHash, createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { p384 } from '@noble/curves/nist.js';
import * as der from '../src/simulator/der.ts';
import { fixedBytes, fromHex, hex, sha256 } from './vector-file.ts';

/** The moment at which everything good is valid. */
export const NOW = Date.UTC(2026, 10, 22, 12);
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

export type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = Readonly<Record<string, Json>>;

/** Changes to members; `undefined` leaves one out. */
export type Changes = Readonly<Record<string, Json | undefined>>;

/** Canonical text (RFC 8785) of values whose names are ASCII and not like integers. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonical).join(',')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value as JsonObject);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

/** `value` with changed members. */
export function changed(value: JsonObject, changes: Changes): JsonObject {
  const entries = Object.entries({ ...value, ...changes });
  return Object.fromEntries(
    entries.filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

const label = (text: string): Uint8Array => Buffer.from(`${text}\0`);
const text = (value: string): Uint8Array => Buffer.from(value);

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const lp = (bytes: Uint8Array): Uint8Array => Buffer.concat([u32(bytes.byteLength), bytes]);

/** A P-384 key pair that follows from its name. */
export interface EcKey {
  readonly secret: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

const P384_SPKI_PREFIX = '3076301006072a8648ce3d020106052b81040022036200';

export function ecKey(name: string): EcKey {
  const secret = fixedBytes(`P-384 ${name}`, 48);
  return {
    secret,
    spki: Buffer.concat([fromHex(P384_SPKI_PREFIX), p384.getPublicKey(secret, false)]),
  };
}

/** An Ed25519 key pair that follows from its name. */
export interface EdKey {
  readonly secret: KeyObject;
  readonly spki: Uint8Array;
}

export function edKey(name: string): EdKey {
  const seed = fixedBytes(`Ed25519 ${name}`, 32);
  const pkcs8 = Buffer.concat([fromHex('302e020100300506032b657004220420'), seed]);
  const secret = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const jwk = secret.export({ format: 'jwk' });
  const x = Buffer.from(jwk.x ?? '', 'base64url');
  return { secret, spki: Buffer.concat([fromHex('302a300506032b6570032100'), x]) };
}

const edSign = (key: EdKey, message: Uint8Array): Uint8Array =>
  Uint8Array.from(sign(null, message, key.secret));

/** What a certificate says; every member can be wrong on purpose. */
export interface CertificateShape {
  readonly subject: string;
  readonly key: EcKey;
  readonly issuer: string;
  readonly issuerKey: EcKey;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Content of basicConstraints: undefined leaves the extension out. */
  readonly authority: { readonly ca: boolean; readonly pathLength?: number } | undefined;
  readonly constraintsCritical: boolean;
  /** Bits of keyUsage. */
  readonly usage: readonly number[];
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  readonly moreExtensions: readonly der.Der[];
  readonly signatureAlgorithm: string;
  readonly version: number;
}

export const ECDSA_SHA384 = '1.2.840.10045.4.3.3';
export const ECDSA_SHA256 = '1.2.840.10045.4.3.2';

const nameOf = (commonName: string): der.Der =>
  der.sequence(
    ...[
      ['2.5.4.10', 'Sealwright SIMULATED platform'],
      ['2.5.4.3', commonName],
    ].map(([oid = '', value = '']) =>
      der.setOfOne(der.sequence(der.objectIdentifier(oid), der.utf8String(value))),
    ),
  );

const keyIdOf = (key: EcKey): Uint8Array => sha256(key.spki).subarray(0, 20);

export function extension(oid: string, critical: boolean, value: der.Der): der.Der {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(oid), ...flag, der.octetString(value));
}

/** DER of the certificate, signed by `issuerKey` whatever it says. */
export function certificate(shape: CertificateShape): Uint8Array {
  const algorithm = der.sequence(der.objectIdentifier(shape.signatureAlgorithm));
  const extensions: der.Der[] = [];
  if (shape.authority !== undefined) {
    const { ca, pathLength } = shape.authority;
    const content = [
      ...(ca ? [der.boolean(true)] : []),
      ...(pathLength === undefined ? [] : [der.integer(Uint8Array.of(pathLength))]),
    ];
    extensions.push(extension('2.5.29.19', shape.constraintsCritical, der.sequence(...content)));
  }
  if (shape.usage.length > 0)
    extensions.push(extension('2.5.29.15', true, der.namedBits(shape.usage)));
  if (shape.subjectKeyId !== undefined) {
    extensions.push(extension('2.5.29.14', false, der.octetString(shape.subjectKeyId)));
  }
  if (shape.authorityKeyId !== undefined) {
    extensions.push(
      extension('2.5.29.35', false, der.sequence(der.implicit(0, shape.authorityKeyId))),
    );
  }
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(shape.version - 1))),
    der.integer(
      fixedBytes(`serial ${shape.subject}`, 16).map((byte, i) =>
        i === 0 ? (byte & 0x3f) | 0x40 : byte,
      ),
    ),
    algorithm,
    nameOf(shape.issuer),
    der.sequence(der.time(new Date(shape.notBefore)), der.time(new Date(shape.notAfter))),
    nameOf(shape.subject),
    shape.key.spki,
    der.explicit(3, der.sequence(...extensions, ...shape.moreExtensions)),
  );
  const signature = p384.sign(toBeSigned, shape.issuerKey.secret, { format: 'der', lowS: false });
  return Uint8Array.from(der.sequence(toBeSigned, algorithm, der.bitString(signature)));
}

export interface TestPlatform {
  readonly root: Uint8Array;
  /** Attestation key, intermediate. */
  readonly endorsements: readonly [Uint8Array, Uint8Array];
  readonly attestationKey: EcKey;
}

export interface PlatformChanges {
  readonly root?: Partial<CertificateShape>;
  readonly intermediate?: Partial<CertificateShape>;
  readonly attestation?: Partial<CertificateShape>;
}

const ROOT_NAME = 'SIMULATED root 00000000';
const INTERMEDIATE_NAME = 'SIMULATED platform CA';

/** A platform's PKI. All keys follow from `name`; the names in the certificates are the same for all platforms. */
export function testPlatform(name = 'good', changes: PlatformChanges = {}): TestPlatform {
  const [root, intermediate, attestation] = ['root', 'intermediate', 'attestation'].map((role) =>
    ecKey(`${name} ${role}`),
  ) as [EcKey, EcKey, EcKey];
  const shape = (
    subject: string,
    key: EcKey,
    issuer: string,
    issuerKey: EcKey,
  ): CertificateShape => ({
    subject,
    key,
    issuer,
    issuerKey,
    notBefore: NOW - HOUR_MS,
    notAfter: NOW + 10 * YEAR_MS,
    authority: { ca: true },
    constraintsCritical: true,
    usage: [5],
    subjectKeyId: keyIdOf(key),
    authorityKeyId: key === issuerKey ? undefined : keyIdOf(issuerKey),
    moreExtensions: [],
    signatureAlgorithm: ECDSA_SHA384,
    version: 3,
  });
  const leafShape = shape(
    'SIMULATED attestation key',
    attestation,
    INTERMEDIATE_NAME,
    intermediate,
  );
  return {
    root: certificate({
      ...shape(ROOT_NAME, root, ROOT_NAME, root),
      authority: { ca: true, pathLength: 1 },
      ...changes.root,
    }),
    endorsements: [
      certificate({ ...leafShape, authority: { ca: false }, usage: [0], ...changes.attestation }),
      certificate({
        ...shape(INTERMEDIATE_NAME, intermediate, ROOT_NAME, root),
        authority: { ca: true, pathLength: 0 },
        ...changes.intermediate,
      }),
    ],
    attestationKey: attestation,
  };
}

/** A quote, field by field (docs/spec/simulated-quote.md). */
export interface QuoteShape {
  readonly label: string;
  readonly layoutVersion: number;
  readonly svn: number;
  readonly flags: number;
  readonly platformId: Uint8Array;
  readonly registers: readonly [Uint8Array, Uint8Array, Uint8Array];
  readonly reportData: Uint8Array;
  readonly key: EcKey;
}

export function quote(shape: QuoteShape): Uint8Array {
  const statement = Buffer.concat([
    Buffer.from(`${shape.label}\0`),
    Uint8Array.of(0, shape.layoutVersion),
    u32(shape.svn),
    u32(shape.flags),
    shape.platformId,
    ...shape.registers,
    shape.reportData,
  ]);
  const signature = p384.sign(statement, shape.key.secret, { lowS: false });
  return Uint8Array.from(Buffer.concat([statement, signature]));
}

export const REGISTERS = [0, 1, 2].map((i) => fixedBytes(`MR${String(i)}`, 48)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

export const MANIFEST = canonical({ v: 1, kind: 'genesis', name: 'vectors' });
export const NONCE = fixedBytes('nonce', 32);

export interface EvidenceShape {
  readonly platform: TestPlatform;
  readonly kind: 'evidence' | 'setup';
  /** Made before hashing: the enclave itself says so. */
  readonly claims: Changes;
  /** Made after quoting: somebody on the way did it. */
  readonly tamperedClaims: Changes;
  readonly quote: Partial<QuoteShape>;
  readonly endorsements: readonly Uint8Array[];
  /** Undefined: none. */
  readonly freshness: Partial<FreshnessShape> | undefined;
  readonly genesis: Changes;
  readonly bundle: Changes;
  readonly identity: EdKey;
  /** Label of the report data; default that of `kind`. */
  readonly reportLabel: 'evidence' | 'setup';
}

export interface FreshnessShape {
  readonly nonce: Uint8Array;
  readonly timeMs: number;
  readonly key: EdKey;
  /** Signed instead of this evidence's digest. */
  readonly evidenceDigest: Uint8Array;
  /** Shown instead of what was signed. */
  readonly shownNonce: Uint8Array;
  readonly shownTimeMs: number;
}

export interface MadeEvidence {
  /** Canonical text of the bundle. */
  readonly text: string;
  readonly bundle: JsonObject;
  readonly claims: JsonObject;
  /** The quote, hex. */
  readonly platformEvidence: string;
  readonly platform: TestPlatform;
  readonly identity: EdKey;
  readonly reportData: Uint8Array;
  readonly evidenceDigest: Uint8Array;
  readonly clusterId: Uint8Array;
}

const GENESIS_DIGEST = sha256(label('sealwright/genesis/v1'), text(MANIFEST));
const CLUSTER_NONCE = fixedBytes('cluster nonce', 32);
const LOG_KEY = fixedBytes('log key', 32);

function clusterIdOf(genesisDigest: Uint8Array): Uint8Array {
  const kindAndSimulated = Uint8Array.of(0, 1);
  return sha256(
    label('sealwright/cluster/v1'),
    kindAndSimulated,
    genesisDigest,
    CLUSTER_NONCE,
    LOG_KEY,
  );
}

const COMMON_CLAIMS: JsonObject = {
  v: 1,
  instanceId: hex(fixedBytes('instance', 16)),
  platform: 'simulated',
  simulated: true,
  svn: 1,
  hpkeKey: hex(fixedBytes('hpke', 32)),
  suite: 'x25519-hkdf-sha256-chacha20poly1305',
  timeSource: 'host',
  issuedAt: NOW - 60_000,
  notAfter: NOW - 60_000 + HOUR_MS,
};

function claimsOf(kind: 'evidence' | 'setup', identity: EdKey): JsonObject {
  if (kind === 'setup') return { ...COMMON_CLAIMS, kind };
  return {
    ...COMMON_CLAIMS,
    kind,
    clusterId: hex(clusterIdOf(GENESIS_DIGEST)),
    clusterNonce: hex(CLUSTER_NONCE),
    genesisDigest: hex(GENESIS_DIGEST),
    bootEpoch: 7,
    identityKey: hex(identity.spki),
    logOrigin: 'simulated/vectors',
    logKey: hex(LOG_KEY),
    checkpoint: 'none',
    policyVersion: 1,
    policyDigest: hex(fixedBytes('policy', 32)),
    keysDigest: hex(keysDigest(KEYS)),
    hostAssertedRings: [],
    provisioning: 'init-token',
    soHolder: 'enclave',
    token: {
      manufacturer: 'SoftHSM project',
      model: 'SoftHSM v2',
      serial: '0123456789abcdef',
      channel: 'none',
    },
    anchor: 'none',
  };
}

/** Evidence that holds, but for what `shape` changes. */
export function makeEvidence(shape: Partial<EvidenceShape> = {}): MadeEvidence {
  const kind = shape.kind ?? 'evidence';
  const platform = shape.platform ?? testPlatform();
  const identity = shape.identity ?? edKey('identity');
  const claims = changed(claimsOf(kind, identity), shape.claims ?? {});
  const said = text(canonical(claims));
  const reportLabel = label(`sealwright/${shape.reportLabel ?? kind}/v1`);
  const reportData = createHash('sha512').update(reportLabel).update(said).digest();
  const shown = canonical(changed(claims, shape.tamperedClaims ?? {}));
  const evidenceDigest = sha256(label('sealwright/evidence-digest/v1'), text(shown));
  const platformEvidence = hex(
    quote({
      label: 'sealwright/simulated-quote/v1',
      layoutVersion: 1,
      svn: 1,
      flags: 0,
      platformId: sha256(platform.root),
      registers: REGISTERS,
      reportData,
      key: platform.attestationKey,
      ...shape.quote,
    }),
  );
  const genesis = changed(
    { manifest: MANIFEST, clusterNonce: hex(CLUSTER_NONCE), approvals: [] },
    shape.genesis ?? {},
  );
  const wanted = 'freshness' in shape ? shape.freshness : {};
  const freshness =
    wanted === undefined ? undefined : makeFreshness(wanted, identity, evidenceDigest);
  const isSetup = kind === 'setup';
  const bundle = changed(
    {
      v: 1,
      kind: 'evidence-bundle',
      format: 'sealwright-simulated-quote/v1',
      platformEvidence,
      endorsements: (shape.endorsements ?? platform.endorsements).map(hex),
      claims: shown,
    },
    {
      ...(isSetup || freshness === undefined ? {} : { freshness }),
      ...(isSetup ? {} : { genesis }),
      ...shape.bundle,
    },
  );
  const clusterId = clusterIdOf(GENESIS_DIGEST);
  return {
    text: canonical(bundle),
    bundle,
    claims,
    platformEvidence,
    platform,
    identity,
    reportData,
    evidenceDigest,
    clusterId,
  };
}

function makeFreshness(
  shape: Partial<FreshnessShape>,
  identity: EdKey,
  evidenceDigest: Uint8Array,
): JsonObject {
  const { nonce = NONCE, timeMs = NOW - 5, key = identity } = shape;
  const message = Buffer.concat([
    label('sealwright/freshness/v1'),
    shape.evidenceDigest ?? evidenceDigest,
    Uint8Array.of(nonce.byteLength),
    nonce,
    u64(timeMs),
  ]);
  return {
    nonce: hex(shape.shownNonce ?? nonce),
    timeMs: shape.shownTimeMs ?? timeMs,
    signature: hex(edSign(key, message)),
  };
}

/** One published key. */
export interface TestKey {
  readonly ring: string;
  readonly version: number;
  readonly kid: string;
  readonly alg: string;
  readonly publicKey: Uint8Array;
}

function ed25519Key(ring: string, version: number): TestKey {
  const { spki } = edKey(`${ring} ${String(version)}`);
  const x = Buffer.from(spki.subarray(-32)).toString('base64url');
  const thumb = `{"crv":"Ed25519","kty":"OKP","x":"${x}"}`;
  const kid = Buffer.from(sha256(text(thumb))).toString('base64url');
  return { ring, version, kid, alg: 'EdDSA', publicKey: spki };
}

function es384Key(ring: string, version: number): TestKey {
  const { spki } = ecKey(`${ring} ${String(version)}`);
  const [x, y] = [spki.subarray(-96, -48), spki.subarray(-48)].map((part) =>
    Buffer.from(part).toString('base64url'),
  );
  const thumb = `{"crv":"P-384","kty":"EC","x":"${String(x)}","y":"${String(y)}"}`;
  const kid = Buffer.from(sha256(text(thumb))).toString('base64url');
  return { ring, version, kid, alg: 'ES384', publicKey: spki };
}

/** The published keys, in the order of `keysDigest`. */
export const KEYS: readonly TestKey[] = [
  ed25519Key('builds', 1),
  ed25519Key('builds', 2),
  es384Key('release', 1),
];

export function keysDigest(keys: readonly TestKey[]): Uint8Array {
  const parts = keys.flatMap(({ ring, version, kid, publicKey }) => [
    lp(text(ring)),
    u32(version),
    lp(text(kid)),
    lp(publicKey),
  ]);
  return sha256(label('sealwright/keys-digest/v1'), ...parts);
}

/** A key statement of the enclave of `evidence`. */
export function makeStatement(
  evidence: MadeEvidence,
  key: TestKey,
  changes: Changes = {},
  signer: EdKey = evidence.identity,
): { readonly statement: string; readonly signature: string } {
  const statement = canonical(
    changed(
      {
        v: 1,
        clusterId: hex(evidence.clusterId),
        evidenceDigest: hex(evidence.evidenceDigest),
        ring: key.ring,
        version: key.version,
        kid: key.kid,
        alg: key.alg,
        publicKey: hex(key.publicKey),
        residency: 'hsm',
        scope: { payload: 'message', lowestRank: 'session', hostAsserted: false },
        state: 'active',
        notAfter: NOW - 60_000 + HOUR_MS,
      },
      changes,
    ),
  );
  const message = Buffer.concat([label('sealwright/key-statement/v1'), text(statement)]);
  return { statement, signature: hex(edSign(signer, message)) };
}

/** PEM of one certificate (RFC 7468). */
export function pem(certificateDer: Uint8Array): string {
  const lines =
    Buffer.from(certificateDer)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** A policy that good evidence meets. */
export function makePolicy(
  changes: Changes = {},
  platform: TestPlatform = testPlatform(),
): JsonObject {
  const register = (i: 0 | 1 | 2): Json => ({
    rule: 'require',
    anyOf: [{ name: 'release 1', value: hex(REGISTERS[i]) }],
  });
  return changed(
    {
      v: 1,
      kind: 'appraisal-policy',
      source: { rule: 'release', name: 'release 1' },
      trustAnchors: {
        rule: 'require',
        anyOf: [
          {
            name: 'vectors',
            format: 'sealwright-simulated-quote/v1',
            certificate: pem(platform.root),
          },
        ],
      },
      simulated: { rule: 'accept-simulated', because: 'vectors' },
      registers: { MR0: register(0), MR1: register(1), MR2: register(2) },
      svn: { rule: 'require', atLeast: 1 },
      debug: { rule: 'deny' },
      cluster: { rule: 'require', clusterId: hex(clusterIdOf(GENESIS_DIGEST)) },
      policyDigest: {
        rule: 'require',
        anyOf: [{ name: 'policy 1', value: hex(fixedBytes('policy', 32)) }],
      },
      tokenChannel: { rule: 'skip', because: 'SoftHSM is in the same machine' },
      anchor: { rule: 'skip', because: 'no anchor in this version' },
      provisioning: { rule: 'require', anyOf: ['init-token'] },
      hostAssertedRings: { rule: 'refuse' },
      time: { mode: 'now' },
    },
    changes,
  );
}
