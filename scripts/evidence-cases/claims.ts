// The enclave's own words are false, or somebody changed them.
import { MANIFEST, NONCE, edKey, type Changes } from '../evidence/index.ts';
import { fixedBytes, hex, type VectorCase } from '../vector-file.ts';

/** The enclave's own words are false, or somebody changed them. */
import { made, refused, withPolicy } from './asked.ts';

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
