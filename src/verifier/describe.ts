/** Evidence as a person wants to read it. */
import { toHex } from '../../enclave/wire/bytes.ts';
import type { EvidenceBundle } from './bundle.ts';
import { moment } from './check.ts';
import { printable } from '../../enclave/wire/printable.ts';
import type { Claims, ServingClaims, SetupClaims } from './claims.ts';
import type { EvidenceFormat } from './evidence-format.ts';
import { FORMATS } from './verify-evidence.ts';

export interface Section {
  readonly title: string;
  /** Name and text; the texts are printable. */
  readonly rows: readonly (readonly [string, string])[];
}

/**
 * What the bundle says. It verifies NOTHING: every line is a claim of whoever made the bundle.
 * @throws MalformedEvidence when the format is known and its evidence can't be decoded
 */
export function describeEvidence(
  bundle: EvidenceBundle,
  formats: readonly EvidenceFormat[] = FORMATS,
): readonly Section[] {
  const { claims, freshness, genesis } = bundle;
  const sections = [
    { title: 'platform', rows: platformRows(bundle, formats) },
    { title: 'claims', rows: claimRows(claims) },
  ];
  if (freshness !== undefined) {
    const { nonce, timeMs } = freshness;
    const rows = [
      ['nonce', toHex(nonce)],
      ['time', `${moment(timeMs)} (the host’s word)`],
    ] as const;
    sections.push({ title: 'freshness', rows });
  }
  if (genesis !== undefined) {
    const rows = [
      ['manifest', printable(new TextDecoder().decode(genesis.manifest))],
      ['cluster nonce', toHex(genesis.clusterNonce)],
      ['statement', printable(new TextDecoder().decode(genesis.statementBytes))],
      ['approvals', String(genesis.approvals.length)],
    ] as const;
    sections.push({ title: 'genesis', rows });
  }
  return sections;
}

function platformRows(bundle: EvidenceBundle, formats: readonly EvidenceFormat[]): Section['rows'] {
  const format = formats.find(({ name }) => name === bundle.format);
  if (format === undefined) return [['format', `${bundle.format} (unknown here)`]];
  const evidence = format.decode(bundle.platformEvidence, bundle.endorsements);
  return [['format', bundle.format], ...format.describe(evidence)];
}

function claimRows(claims: Claims): Section['rows'] {
  return [
    ['kind', claims.kind],
    ['platform', claims.platform],
    ['simulated', String(claims.simulated)],
    ['svn', String(claims.svn)],
    ['instance', toHex(claims.instanceId)],
    ['issued at', `${moment(claims.issuedAtMs)} (by: ${claims.timeSource})`],
    ['not after', moment(claims.notAfterMs)],
    ['hardening', claims.hardening.join(', ') || 'none'],
    ['hpke key', `${toHex(claims.hpkeKey)} (${claims.suite})`],
    ...(claims.nonce === undefined ? [] : [['nonce', toHex(claims.nonce)] as const]),
    ...(claims.kind === 'evidence' ? servingRows(claims) : proposalRows(claims)),
  ];
}

function proposalRows({ proposal }: SetupClaims): Section['rows'] {
  if (proposal === undefined) return [['proposal', 'none']];
  return [
    ['proposed cluster', toHex(proposal.clusterId)],
    ['cluster nonce', toHex(proposal.clusterNonce)],
    ['genesis digest', toHex(proposal.genesisDigest)],
    ['log key', toHex(proposal.logKey)],
    ['token serial', printable(proposal.tokenSerial)],
  ];
}

function servingRows(claims: ServingClaims): Section['rows'] {
  const { token } = claims;
  return [
    ['cluster', toHex(claims.clusterId)],
    ['cluster nonce', toHex(claims.clusterNonce)],
    ['genesis digest', toHex(claims.genesisDigest)],
    ['boot epoch', String(claims.bootEpoch)],
    ['identity key', toHex(claims.identityKey)],
    ['log', `${claims.logOrigin}, key ${toHex(claims.logKey)}`],
    ['checkpoint', printable(claims.checkpoint)],
    ['policy', `version ${String(claims.policyVersion)}, ${toHex(claims.policyDigest)}`],
    ['keys digest', toHex(claims.keysDigest)],
    ['host-asserted rings', claims.hostAssertedRings.join(', ') || 'none'],
    ['provisioning', `${claims.provisioning}, SO PIN with: ${claims.soHolder}`],
    ['token', printable(`${token.manufacturer}, ${token.model}, serial ${token.serial}`)],
    ['token channel', token.channel],
    ['anchor', claims.anchor],
  ];
}
