/**
 * Verification (RFC 9334 §8): are these the words of an enclave on a platform that somebody we trust vouches
 * for? Whether they are good words is for the appraisal.
 */
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import {
  PLATFORM_KINDS,
  clusterIdInput,
  evidenceDigestInput,
  freshnessInput,
  genesisDigestInput,
  reportDataInput,
} from '../../enclave/wire/layouts.ts';
import type { EvidenceBundle, Freshness } from './bundle.ts';
import type { ValidityWindow } from './certificate-path.ts';
import { judge, notChecked, type Check } from './check.ts';
import { printable } from '../../enclave/wire/printable.ts';
import { parseClaims, type Claims, type Proposal, type ServingClaims } from './claims.ts';
import type { Attested, EvidenceFormat } from './evidence-format.ts';
import { simulatedFormat } from './formats/simulated.ts';
import { checkGenesisCertificate, type GenesisCertificate } from './genesis-certificate.ts';
import { decodingAt, MalformedEvidence } from './malformed.ts';
import type { TrustAnchor } from './trust-anchor.ts';
import { isVendorRoot } from './vendor-roots.ts';
import { checkEd25519, sha256, sha512 } from './web-crypto.ts';

/** Every format that can be verified. */
export const FORMATS: readonly EvidenceFormat[] = [simulatedFormat];

declare const verified: unique symbol;

/**
 * Evidence after {@link verifyEvidence}: what was found, with the checks that say how far it is true. A failed
 * check is in here too; nothing but {@link appraise} turns this into a verdict.
 */
export interface VerifiedEvidence {
  readonly [verified]: true;
  readonly format: string;
  /** Follows from the trust anchor, never from the claims. */
  readonly simulated: boolean;
  readonly anchor: TrustAnchor | undefined;
  readonly claims: Claims;
  readonly evidenceDigest: Uint8Array;
  readonly attested: Attested;
  readonly freshness: { readonly nonce: Uint8Array; readonly signed: boolean } | undefined;
  /** SSH keys that approved the genesis, as lines of type and base64, each once. */
  readonly approvedBy: readonly string[];
  readonly validity: readonly ValidityWindow[];
  readonly checks: readonly Check[];
}

/** Types are gone at run time; this is not. */
const made = new WeakSet<VerifiedEvidence>();

/** @throws TypeError for an object that {@link verifyEvidence} did not make */
export function assertVerified(evidence: VerifiedEvidence): void {
  if (!made.has(evidence)) throw new TypeError('not made by verifyEvidence');
}

/** What verification is done with. */
export interface VerificationInput {
  /** Whom the caller trusts. With none, as with vendor roots before there are any, every evidence fails. */
  readonly trustAnchors: readonly TrustAnchor[];
  /** Formats to accept; default all that are known. */
  readonly formats?: readonly EvidenceFormat[];
}

/**
 * Checks the platform's signature and chain, report data, cluster id, genesis digest, approvals of the genesis, freshness
 * signature, and that what two places state is equal. All results are checks, also the failed ones.
 *
 * It does NOT look at time, nonce, measurements, debug, svn floor or cluster: {@link appraise} does, and whose approvals
 * are wanted. It does not check the log's checkpoint.
 * @throws MalformedEvidence for an unknown format, and when platform evidence or endorsements can't be decoded
 */
export async function verifyEvidence(
  bundle: EvidenceBundle,
  input: VerificationInput,
): Promise<VerifiedEvidence> {
  const { trustAnchors, formats = FORMATS } = input;
  const format = formats.find(({ name }) => name === bundle.format);
  if (format === undefined) {
    const known = formats.map(({ name }) => name).join(', ');
    throw new MalformedEvidence('/format', `expected one of ${known}`);
  }
  const { claimsBytes } = bundle;
  // Read again from the bytes that are hashed: a bundle may have come through a cache or a worker.
  const claims = decodingAt('/claims', () => parseClaims(claimsBytes));
  const decoded = format.decode(bundle.platformEvidence, bundle.endorsements);
  const platform = await format.verify(decoded, {
    anchors: trustAnchors.filter((anchor) => anchor.format === format.name),
    reportData: await sha512(reportDataInput(claims.kind, claimsBytes)),
  });
  const simulated = platform.anchor === undefined || !isVendorRoot(platform.anchor);
  const evidenceDigest = await sha256(evidenceDigestInput(claimsBytes));
  const serving = claims.kind === 'evidence' ? claims : undefined;
  const cluster = await clusterChecks(claims, bundle.genesis, format, simulated);
  const freshness = await checkFreshness(serving, bundle.freshness, evidenceDigest);
  const evidence = {
    format: format.name,
    simulated,
    anchor: platform.anchor,
    claims,
    evidenceDigest,
    attested: platform.attested,
    freshness:
      bundle.freshness === undefined
        ? undefined
        : { nonce: bundle.freshness.nonce, signed: freshness.verdict === 'affirming' },
    approvedBy: cluster.approvedBy,
    validity: platform.validity,
    checks: [
      ...platform.checks,
      ...agreementChecks(claims, format, platform.attested, simulated),
      ...cluster.checks,
      freshness,
    ],
  } as unknown as VerifiedEvidence;
  made.add(evidence);
  return Object.freeze(evidence);
}

/** What claims and platform both state. */
function agreementChecks(
  claims: Claims,
  format: EvidenceFormat,
  attested: Attested,
  simulated: boolean,
): Check[] {
  const checks = [
    judge(claims.platform === format.platform, {
      id: 'platform-claim',
      expected: format.platform,
      found: claims.platform,
      otherwise: 'the claims name another platform than the one that signed',
    }),
    judge(claims.simulated === simulated, {
      id: 'simulated-claim',
      expected: `${String(simulated)}, as the trust anchor says`,
      found: String(claims.simulated),
      otherwise: 'the claims say otherwise than the trust anchor',
    }),
    judge(claims.svn === attested.svn, {
      id: 'svn-claim',
      expected: String(attested.svn),
      found: String(claims.svn),
      otherwise: 'the claims name another security version than the platform measured',
    }),
  ];
  if (claims.kind === 'evidence') {
    const named = claims.logOrigin.startsWith('simulated/');
    checks.push(
      judge(named === simulated, {
        id: 'log-origin',
        expected: simulated ? 'begins with simulated/' : 'does not begin with simulated/',
        found: printable(claims.logOrigin),
        otherwise: 'a simulated log must not look like a real one, nor a real one simulated',
      }),
    );
  }
  return checks;
}

/** Genesis digest and cluster id, recomputed (PROTOCOLS §2), and who approved the genesis. */
async function clusterChecks(
  claims: Claims,
  genesis: GenesisCertificate | undefined,
  format: EvidenceFormat,
  simulated: boolean,
): Promise<{ readonly approvedBy: readonly string[]; readonly checks: readonly Check[] }> {
  if (claims.kind === 'setup' || genesis === undefined) {
    const proposal = claims.kind === 'setup' ? claims.proposal : undefined;
    return { approvedBy: [], checks: await proposalChecks(proposal, format, simulated) };
  }
  const genesisDigest = await sha256(genesisDigestInput(genesis.manifest));
  const { clusterNonce, logKey } = claims;
  const born = { genesisDigest, clusterNonce: genesis.clusterNonce, logKey };
  const clusterId = await clusterIdOf(born, format, simulated);
  const certificate = await checkGenesisCertificate(genesis, { clusterId, genesisDigest });
  return {
    approvedBy: certificate.approvedBy,
    checks: [
      sameBytes(
        'genesis-digest',
        genesisDigest,
        claims.genesisDigest,
        'the manifest is of another genesis',
      ),
      sameBytes('cluster-nonce', genesis.clusterNonce, clusterNonce, 'two nonces of one genesis'),
      sameBytes('cluster-id', clusterId, claims.clusterId, 'this genesis gives another cluster id'),
      ...certificate.checks,
    ],
  };
}

/** Before there is a cluster, the parts of a proposed one must give its id. */
async function proposalChecks(
  proposal: Proposal | undefined,
  format: EvidenceFormat,
  simulated: boolean,
): Promise<Check[]> {
  const none = 'setup evidence is made before there is a cluster';
  const later = ['genesis-digest', 'cluster-nonce', 'genesis-statement', 'genesis-approvals'].map(
    (id) => notChecked(id, 'nothing', none),
  );
  if (proposal === undefined) return [...later, notChecked('cluster-id', 'no proposal', none)];
  const clusterId = await clusterIdOf(proposal, format, simulated);
  const otherwise = 'what is proposed gives another cluster id';
  return [...later, sameBytes('cluster-id', clusterId, proposal.clusterId, otherwise)];
}

function clusterIdOf(
  parts: Pick<Proposal, 'genesisDigest' | 'clusterNonce' | 'logKey'>,
  format: EvidenceFormat,
  simulated: boolean,
): Promise<Uint8Array> {
  const kindNumber = PLATFORM_KINDS[format.platform];
  const { genesisDigest, clusterNonce, logKey } = parts;
  return sha256(clusterIdInput({ kindNumber, simulated }, genesisDigest, clusterNonce, logKey));
}

function sameBytes(id: string, wanted: Uint8Array, found: Uint8Array, otherwise: string): Check {
  return judge(equalBytes(wanted, found), {
    id,
    expected: toHex(wanted),
    found: toHex(found),
    otherwise,
  });
}

/** RFC 8032 signature of the identity key over nonce and evidence digest. */
async function checkFreshness(
  claims: ServingClaims | undefined,
  freshness: Freshness | undefined,
  evidenceDigest: Uint8Array,
): Promise<Check> {
  const id = 'freshness-signature';
  if (freshness === undefined || claims === undefined) {
    return notChecked(id, 'no freshness statement', 'the bundle has no freshness statement');
  }
  const message = freshnessInput(evidenceDigest, freshness.nonce, freshness.timeMs);
  const passed = await checkEd25519(claims.identityKey, freshness.signature, message);
  return judge(passed, {
    id,
    expected: 'signed by the identity key',
    found: passed ? 'signed' : 'not signed by it',
    otherwise: 'whoever answered the nonce does not hold the identity key of these claims',
  });
}
