// Evidence that is accepted, which for a simulated platform is at most a warning.
import {
  ADMINS,
  HOUR_MS,
  NONCE,
  NOW,
  REGISTERS,
  YEAR_MS,
  hpkeClaims,
  makePolicy,
  pem,
  proposalClaim,
  testPlatform,
} from '../evidence/index.ts';
import { hex, vector, type VectorCase } from '../vector-file.ts';
import {
  accepted,
  adminsPinned,
  made,
  withPolicy,
  good,
  otherRegister,
  value,
  registers,
} from './asked.ts';

export function acceptedCases(): VectorCase[] {
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
    accepted('suite-p256', 'sessions of suite 2', {
      bundle: made({ claims: hpkeClaims(2) }),
    }),
    accepted('suite-hybrid', 'sessions of suite 3', {
      bundle: made({ claims: hpkeClaims(3) }),
    }),
    accepted('setup-suite-hybrid', 'setup evidence of suite 3', {
      bundle: made({ kind: 'setup', claims: { nonce: hex(NONCE), ...hpkeClaims(3) } }),
      kind: 'setup',
    }),
    accepted('shortest-nonce', '16 bytes', {
      bundle: made({ freshness: { nonce: NONCE.subarray(0, 16) } }),
      nonce: NONCE.subarray(0, 16),
    }),
    accepted('setup', 'setup evidence, when setup evidence is wanted', {
      bundle: made({ kind: 'setup', claims: { nonce: hex(NONCE) } }),
      kind: 'setup',
    }),
    accepted('setup-proposal', 'a genesis that awaits its approvals', {
      bundle: made({ kind: 'setup', claims: { nonce: hex(NONCE), proposal: proposalClaim() } }),
      kind: 'setup',
    }),
    accepted('setup-cluster-skipped', 'before there is a cluster none can be required', {
      bundle: made({ kind: 'setup', claims: { nonce: hex(NONCE) } }),
      ...withPolicy({ cluster: { rule: 'skip', because: 'there is none yet' } }),
      kind: 'setup',
    }),
    accepted('admin-keys', 'two of three pinned admins began this cluster', {
      ...withPolicy({ cluster: adminsPinned(2, ADMINS.bob, ADMINS.carol, ADMINS.alice) }),
    }),
    accepted('admin-keys-more', 'an approval of somebody who is not pinned does no harm', {
      ...withPolicy({ cluster: adminsPinned(1, ADMINS.alice) }),
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
    accepted('hardening-more', 'a process that is shielded by more than the policy asks for', {
      bundle: made({ claims: { hardening: ['new-word', 'no-network', 'own-uid', 'seccomp'] } }),
    }),
    accepted('hardening-skipped', 'a process without any shield will do', {
      bundle: made({ claims: { hardening: [] } }),
      ...withPolicy({ hardening: { rule: 'skip', because: 'a laptop' } }),
    }),
    accepted('issued-at-the-edge', 'a clock that runs exactly 60 s behind', { now: NOW - 120_000 }),
    accepted('not-after-at-the-edge', 'the last millisecond', { now: NOW + HOUR_MS - 60_000 }),
    accepted('two-anchors', 'the second of two trusted roots of one name', {
      ...withPolicy({
        trustAnchors: {
          rule: 'require',
          anyOf: ['other', 'good'].map((name) => ({
            name,
            format: 'sealwright-simulated-quote/v1',
            certificate: pem(testPlatform(name).root),
          })),
        },
      }),
    }),
    accepted('higher-svn', 'a later release', {
      bundle: made({ claims: { svn: 2 }, quote: { svn: 2 } }),
    }),
  ];
}
