// Evidence of those platforms: good evidence, and every way to be wrong. All signatures are deterministic (RFC 8032,
// RFC 6979), so the same call gives the same bytes.
import { createHash } from 'node:crypto';
import { p384 } from '@noble/curves/nist.js';
import { fixedBytes, hex, sha256 } from '../vector-file.ts';
import {
  HOUR_MS,
  NOW,
  canonical,
  changed,
  label,
  u32,
  u64,
  utf8,
  type Changes,
  type JsonObject,
} from './bytes.ts';
import { ecdsaKey, ed25519Key, sshsig, type SshKey } from '../ssh-maker.ts';
import { testPlatform, type TestPlatform } from './certificates.ts';
import { edKey, edSign, type EcKey, type EdKey } from './keys.ts';
import { KEYS, keysDigest } from './statements.ts';

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

export const GENESIS_DIGEST = sha256(label('sealwright/genesis/v1'), utf8(MANIFEST));
const CLUSTER_NONCE = fixedBytes('cluster nonce', 32);
const LOG_KEY = fixedBytes('log key', 32);

export function clusterIdOf(genesisDigest: Uint8Array): Uint8Array {
  const kindAndSimulated = Uint8Array.of(0, 1);
  return sha256(
    label('sealwright/cluster/v1'),
    kindAndSimulated,
    genesisDigest,
    CLUSTER_NONCE,
    LOG_KEY,
  );
}

/** Admins of the cluster; carol approves nothing unless asked. */
export const ADMINS: Readonly<Record<'alice' | 'bob' | 'carol', SshKey>> = {
  alice: ed25519Key('alice'),
  bob: ecdsaKey('bob', 'nistp384'),
  carol: ecdsaKey('carol', 'nistp256'),
};

/** What they approved (docs/spec/genesis.md). */
export function genesisStatement(changes: Changes = {}): string {
  const [mr0, mr1, mr2] = REGISTERS;
  const statement = {
    v: 1,
    kind: 'genesis',
    clusterId: hex(clusterIdOf(GENESIS_DIGEST)),
    genesisDigest: hex(GENESIS_DIGEST),
    mr0: hex(mr0),
    mr1: hex(mr1),
    mr2: hex(mr2),
    tokenSerial: '',
  };
  return canonical(changed(statement, changes));
}

/** SSHSIG, hex. */
export function approvalBy(
  admin: SshKey,
  statement = genesisStatement(),
  namespace = 'sealwright-genesis',
): string {
  return hex(sshsig(admin, namespace, utf8(statement)));
}

/** Claim `proposal` of setup evidence. */
export function proposalClaim(changes: Changes = {}): JsonObject {
  return changed(
    {
      clusterId: hex(clusterIdOf(GENESIS_DIGEST)),
      clusterNonce: hex(CLUSTER_NONCE),
      genesisDigest: hex(GENESIS_DIGEST),
      logKey: hex(LOG_KEY),
      tokenSerial: '',
    },
    changes,
  );
}

/** Words and lengths of public keys of docs/spec/session.md, "Suites". */
const SUITES = {
  1: { suite: 'x25519-hkdf-sha256-chacha20poly1305', bytes: 32 },
  2: { suite: 'p256-hkdf-sha256-aes256gcm', bytes: 65 },
  3: { suite: 'mlkem768-x25519-hkdf-sha256-chacha20poly1305', bytes: 1216 },
} as const;

/** Claims `suite` and `hpkeKey`; no verifier looks into the key. */
export function hpkeClaims(number: keyof typeof SUITES): JsonObject {
  const { suite, bytes } = SUITES[number];
  return { suite, hpkeKey: hex(Buffer.alloc(bytes, fixedBytes('hpke', 64))) };
}

const COMMON_CLAIMS: JsonObject = {
  v: 1,
  instanceId: hex(fixedBytes('instance', 16)),
  platform: 'simulated',
  simulated: true,
  svn: 1,
  ...hpkeClaims(1),
  hardening: ['no-network', 'own-uid'],
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
  const said = utf8(canonical(claims));
  const reportLabel = label(`sealwright/${shape.reportLabel ?? kind}/v1`);
  const reportData = createHash('sha512').update(reportLabel).update(said).digest();
  const shown = canonical(changed(claims, shape.tamperedClaims ?? {}));
  const evidenceDigest = sha256(label('sealwright/evidence-digest/v1'), utf8(shown));
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
    {
      manifest: MANIFEST,
      clusterNonce: hex(CLUSTER_NONCE),
      statement: genesisStatement(),
      approvals: [ADMINS.alice, ADMINS.bob].map((admin) => approvalBy(admin)),
    },
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
