// The enclave's own words are false, or somebody changed them.
import {
  ADMINS,
  MANIFEST,
  NONCE,
  approvalBy,
  edKey,
  genesisStatement,
  proposalClaim,
  type Changes,
} from '../evidence/index.ts';
import { fixedBytes, hex, type VectorCase } from '../vector-file.ts';

/** The enclave's own words are false, or somebody changed them. */
import { adminsPinned, made, refused, withPolicy } from './asked.ts';

export function claimCases(): VectorCase[] {
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
      'genesis-statement',
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
      'genesis-statement',
    ),
    refused(
      'genesis-nonce',
      'the cluster nonce was changed on the way',
      { bundle: made({ genesis: { clusterNonce: hex(fixedBytes('n', 32)) } }) },
      'cluster-nonce',
      'cluster-id',
      'genesis-statement',
    ),
    refused(
      'other-cluster',
      'genuine evidence of another cluster',
      withPolicy({ cluster: { rule: 'require', clusterId: hex(fixedBytes('mine', 32)) } }),
      'cluster',
    ),
    ...approvalCases(),
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

/** Who began the cluster: the genesis certificate, and the admins that a relying party pins. */
function approvalCases(): VectorCase[] {
  const { alice, bob, carol } = ADMINS;
  const approvals = (id: string, comment: string, ...given: string[]): VectorCase =>
    refused(
      `approval-${id}`,
      comment,
      { bundle: made({ genesis: { approvals: given } }) },
      'genesis-approvals',
    );
  const proposal = (id: string, comment: string, changes: Changes): VectorCase =>
    refused(
      `proposal-${id}`,
      comment,
      {
        bundle: made({
          kind: 'setup',
          claims: { nonce: hex(NONCE), proposal: proposalClaim(changes) },
        }),
        kind: 'setup',
      },
      'cluster-id',
    );
  const otherStatement = genesisStatement({ clusterId: hex(fixedBytes('other', 32)) });
  const otherGenesis = genesisStatement({ genesisDigest: hex(fixedBytes('other', 32)) });
  const good = approvalBy(alice);
  return [
    refused(
      'admin-keys-others',
      'other admins are pinned than those who approved',
      withPolicy({ cluster: adminsPinned(1, carol) }),
      'cluster',
    ),
    refused(
      'admin-keys-too-few',
      'two of three are wanted, and one of them approved',
      {
        bundle: made({ genesis: { approvals: [good] } }),
        ...withPolicy({ cluster: adminsPinned(2, alice, bob, carol) }),
      },
      'cluster',
    ),
    refused(
      'admin-keys-twice',
      'one admin, two approvals',
      {
        bundle: made({ genesis: { approvals: [good, good] } }),
        ...withPolicy({ cluster: adminsPinned(2, alice, bob) }),
      },
      'genesis-approvals',
      'cluster',
    ),
    approvals('none', 'a cluster that nobody approved'),
    approvals(
      'namespace',
      'a policy was approved',
      good,
      approvalBy(bob, genesisStatement(), 'sealwright-policy'),
    ),
    approvals(
      'other-statement',
      'another cluster was approved',
      good,
      approvalBy(bob, otherStatement),
    ),
    approvals('not-sshsig', 'bytes that are no signature', good, '00'),
    approvals('flipped', 'one bit of a signature', good, `${approvalBy(bob).slice(0, -1)}0`),
    refused(
      'statement-other-cluster',
      'the approved statement names another cluster',
      {
        bundle: made({
          genesis: { statement: otherStatement, approvals: [approvalBy(alice, otherStatement)] },
        }),
      },
      'genesis-statement',
    ),
    refused(
      'statement-other-genesis',
      'the approved statement names another manifest',
      {
        bundle: made({
          genesis: { statement: otherGenesis, approvals: [approvalBy(alice, otherGenesis)] },
        }),
      },
      'genesis-statement',
    ),
    proposal('cluster-id', 'its parts give another id', { clusterId: hex(fixedBytes('o', 32)) }),
    proposal('genesis-digest', 'another manifest', { genesisDigest: hex(fixedBytes('o', 32)) }),
    proposal('log-key', 'another log', { logKey: hex(fixedBytes('o', 32)) }),
  ];
}
