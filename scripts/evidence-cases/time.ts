// Too old, too young, or an answer to somebody else's nonce.
import {
  HOUR_MS,
  NONCE,
  NOW,
  REGISTERS,
  YEAR_MS,
  edKey,
  type Changes,
  type EvidenceShape,
} from '../evidence/index.ts';
import { fixedBytes, hex, type VectorCase } from '../vector-file.ts';
import { refused, made, withPolicy, value, registers } from './asked.ts';

export function timeCases(): VectorCase[] {
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

export function freshnessCases(): VectorCase[] {
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
