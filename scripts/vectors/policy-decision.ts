// Vectors of decisions (docs/spec/policy.md, "Decision").
import { canonical, without } from '../canonical-json.ts';
import { CI, KEY, policyOf, RELEASE } from '../policy-parts.ts';
import { vector, type VectorCase, type VectorFile } from '../vector-file.ts';

interface Question {
  readonly identity?: string;
  readonly rank?: string;
  readonly ring?: string;
  readonly payload?: { readonly kind: string; readonly byteLength: number };
  readonly ageMs?: number;
}

/** One policy for all decisions: a ring of each kind. */
const DECIDED = canonical(
  policyOf({
    validForSeconds: 3600,
    rings: [
      RELEASE,
      { ...RELEASE, name: 'text', payload: { kind: 'message', maxBytes: 100 } },
      { ...RELEASE, name: 'local', lowestRank: 'peer', callers: ['local', 'named'] },
      without({ ...RELEASE, name: 'session', callers: ['ci'] }, 'lowestRank', 'acceptHostAsserted'),
      { ...RELEASE, name: 'nobody', callers: [] },
    ],
  }),
);

const GOOD = {
  identity: CI.id,
  rank: 'mtls',
  ring: 'release',
  payload: { kind: 'digest', byteLength: 32 },
  ageMs: 0,
};

function decisions(): VectorCase[] {
  const asked = (changed: Question) => ({ document: DECIDED, asked: { ...GOOD, ...changed } });
  const allows = (
    id: string,
    comment: string,
    caller: string,
    changed: Question = {},
  ): VectorCase => vector(`allows-${id}`, comment, asked(changed), 'accept', { caller });
  const denies = (
    id: string,
    comment: string,
    rule: string,
    reason: string,
    changed: Question,
  ): VectorCase => vector(`denies-${id}`, comment, asked(changed), reason, { rule });
  const policy = 'SIGNING_POLICY_DENIED';
  const text = (byteLength: number) => ({ kind: 'message', byteLength });
  const peer = { identity: 'peer:sealwright.sock', rank: 'peer' };
  return [
    allows('spiffe', 'a workload', 'ci'),
    allows('x509', 'a subject', 'build', { identity: 'x509:corp:["O=corp","CN=build"]' }),
    allows('key', 'a named key', 'named', { identity: `key:${KEY.publicKey}`, ring: 'local' }),
    allows('peer', 'a socket', 'local', { ...peer, ring: 'local' }),
    allows('better-rank', 'better than the lowest', 'ci', { rank: 'session' }),
    allows('rank', 'exactly the rank', 'ci', { rank: 'session', ring: 'session' }),
    allows('message', 'the longest message', 'ci', { ring: 'text', payload: text(100) }),
    allows('empty', 'an empty message', 'ci', { ring: 'text', payload: text(0) }),
    allows('last-ms', 'the last millisecond', 'ci', { ageMs: 3_600_000 }),
    denies('stranger', 'nobody of this policy', 'caller', policy, {
      identity: 'spiffe://example.org/eve',
    }),
    denies('stranger-first', 'strangers learn of no ring', 'caller', policy, {
      identity: 'peer:x',
      ring: 'no-such-ring',
    }),
    denies('longer-id', 'no prefix is enough', 'caller', policy, { identity: `${CI.id}/x` }),
    denies('subject-order', 'RDN by RDN', 'caller', policy, {
      identity: 'x509:corp:["CN=build","O=corp"]',
    }),
    denies('subject-root', 'of another root', 'caller', policy, {
      identity: 'x509:mesh:["O=corp","CN=build"]',
    }),
    denies('no-ring', 'a ring that is none', 'ring', 'KEY_NOT_FOUND', { ring: 'no-such-ring' }),
    denies('not-named', 'the ring does not name the caller', 'ring-callers', policy, { ...peer }),
    denies('nobody', 'a ring for nobody', 'ring-callers', policy, { ring: 'nobody' }),
    denies('rank', 'the host’s word is not enough', 'lowest-rank', policy, { ring: 'session' }),
    denies('rank-peer', 'a caller of another rank', 'lowest-rank', policy, { rank: 'peer' }),
    denies('kind', 'a message for a digest ring', 'payload-kind', 'PAYLOAD_KIND_MISMATCH', {
      payload: text(32),
    }),
    denies('kind-digest', 'a digest for a message ring', 'payload-kind', 'PAYLOAD_KIND_MISMATCH', {
      ring: 'text',
    }),
    denies('long', 'a byte too many', 'payload-limit', 'MESSAGE_TOO_LARGE', {
      ring: 'text',
      payload: text(101),
    }),
    ...[0, 31, 33].map((byteLength) =>
      denies(
        `digest-${String(byteLength)}`,
        'a digest of another hash',
        'payload-limit',
        'DIGEST_LENGTH_MISMATCH',
        { payload: { kind: 'digest', byteLength } },
      ),
    ),
    denies('old', 'a millisecond too late', 'valid-for', policy, { ageMs: 3_600_001 }),
  ];
}

export function makeVectors(): VectorFile[] {
  const content = { spec: 'docs/spec/policy.md', specVersion: 1, cases: decisions() };
  return [{ file: 'policy-decision.json', content }];
}
