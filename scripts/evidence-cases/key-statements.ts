// Cases of test/vectors/key-statement.json. `input` is {bundle, policy, now} with either {statement, signature, ring,
// version?} or {list}; `expect` and `output` are as in evidence.json, of the statement or of the list alone.
import {
  HOUR_MS,
  KEYS,
  NOW,
  ecKey,
  edKey,
  keysDigest,
  makeEvidence,
  makePolicy,
  makeStatement,
  type Changes,
  type EdKey,
  type MadeEvidence,
  type TestKey,
} from '../evidence/index.ts';
import { fixedBytes, hex, vector, type VectorCase } from '../vector-file.ts';

const GOOD = { as: 'statement' };
const evidence = makeEvidence({ freshness: undefined });
const [FIRST, SECOND, RELEASE] = KEYS as [TestKey, TestKey, TestKey];

interface Asked {
  readonly bundle?: string;
  readonly now?: number;
  readonly ring?: string;
  readonly version?: number;
  readonly key?: TestKey;
  readonly changes?: Changes;
  readonly signer?: EdKey;
  readonly of?: MadeEvidence;
}

function inputOf(asked: Asked): VectorCase['input'] {
  const { key = RELEASE, changes = {}, signer, of = evidence } = asked;
  return {
    bundle: asked.bundle ?? GOOD,
    policy: GOOD,
    now: asked.now ?? NOW,
    ...makeStatement(of, key, changes, signer ?? of.identity),
    ring: asked.ring ?? key.ring,
    ...(asked.version === undefined ? {} : { version: asked.version }),
  };
}

const accepted = (id: string, comment: string, asked: Asked): VectorCase =>
  vector(id, comment, inputOf(asked), 'affirming', { failed: [], kid: (asked.key ?? RELEASE).kid });

const refused = (id: string, comment: string, asked: Asked, ...failed: string[]): VectorCase =>
  vector(id, comment, inputOf(asked), 'contraindicated', { failed });

const malformed = (id: string, comment: string, changes: Changes, place: string): VectorCase =>
  vector(id, comment, inputOf({ changes }), 'malformed', { place });

function statementCases(): VectorCase[] {
  const attacker = edKey('attacker');
  const other = makeEvidence({ freshness: undefined, claims: { bootEpoch: 8 } });
  const tampered = makeEvidence({
    freshness: undefined,
    identity: attacker,
    tamperedClaims: { identityKey: hex(attacker.spki) },
    quote: { reportData: evidence.reportData },
  });
  return [
    vector(
      'statement',
      'a good statement',
      {
        bundle: evidence.text,
        policy: makePolicy(),
        now: NOW,
        ...makeStatement(evidence, RELEASE),
        ring: 'release',
      },
      'affirming',
      { failed: [], kid: RELEASE.kid },
    ),
    accepted('version', 'the version that was asked for', { key: SECOND, version: 2 }),
    accepted('ed25519', 'an Ed25519 key', { key: FIRST }),
    accepted('last-millisecond', 'the last moment of the evidence', {
      now: NOW - 60_000 + HOUR_MS,
    }),
    accepted('deactivated', 'a key that only verifies', { changes: { state: 'deactivated' } }),
    refused(
      'host-key',
      'the host’s own key, under a true kid',
      {
        key: { ...RELEASE, ...keyOf('attacker') },
        signer: attacker,
      },
      'key-signature',
      'key-kid',
    ),
    refused('signer', 'signed by another key', { signer: attacker }, 'key-signature'),
    refused(
      'other-boot',
      'a statement of the same enclave’s earlier evidence',
      { of: other },
      'key-evidence-digest',
    ),
    refused(
      'other-cluster',
      'another cluster',
      { changes: { clusterId: hex(fixedBytes('c', 32)) } },
      'key-cluster',
    ),
    refused('other-ring', 'a key of another ring', { key: FIRST, ring: 'release' }, 'key-ring'),
    refused('other-version', 'an older version', { key: FIRST, version: 2 }, 'key-version'),
    refused('kid', 'the kid of another key', { changes: { kid: FIRST.kid } }, 'key-kid'),
    refused(
      'key-swapped',
      'another key under the same kid',
      { changes: { publicKey: hex(ecKey('x').spki) } },
      'key-kid',
    ),
    refused('alg', 'an algorithm of another curve', { changes: { alg: 'ES256' } }, 'key-alg'),
    refused('alg-none', 'least of all this one', { changes: { alg: 'none' } }, 'key-alg'),
    refused('no-key', 'no key at all', { changes: { publicKey: '3000' } }, 'key-kid', 'key-alg'),
    refused(
      'compromised',
      'a key that must not be believed',
      { changes: { state: 'compromised' } },
      'key-state',
    ),
    refused('expired', 'a statement of yesterday', { now: NOW + 24 * HOUR_MS }, 'key-not-after'),
    refused(
      'outlives',
      'a statement that outlives its evidence',
      { changes: { notAfter: NOW + 2 * HOUR_MS } },
      'key-not-after',
    ),
    refused(
      'evidence-changed',
      'evidence whose identity key was replaced by the host’s',
      { bundle: tampered.text, of: tampered },
      'key-evidence',
    ),
    refused(
      'setup',
      'setup evidence has no identity key',
      { bundle: makeEvidence({ kind: 'setup' }).text },
      'key-evidence',
      'key-signature',
      'key-evidence-digest',
      'key-cluster',
    ),
    malformed('v2', 'a later version', { v: 2 }, '/v'),
    malformed('unknown', 'a member that nobody knows', { use: 'sig' }, '/use'),
    malformed('missing', 'a member is missing', { state: undefined }, '/state'),
    malformed('state', 'a state that is none', { state: 'retired' }, '/state'),
    malformed('version-0', 'versions begin with 1', { version: 0 }, '/version'),
    malformed('ring-name', 'a slash', { ring: 'a/b' }, '/ring'),
  ];
}

function keyOf(name: string): Pick<TestKey, 'publicKey'> {
  return { publicKey: ecKey(name).spki };
}

function listCases(): VectorCase[] {
  const statements = KEYS.map((key) => makeStatement(evidence, key));
  const [first, second, release] = statements as [Statement, Statement, Statement];
  const list = (
    id: string,
    comment: string,
    signed: readonly Statement[],
    ...failed: string[]
  ): VectorCase =>
    vector(
      id,
      comment,
      { bundle: GOOD, policy: GOOD, now: NOW, list: signed },
      failed.length === 0 ? 'affirming' : 'contraindicated',
      { failed },
    );
  const extra: TestKey = { ...FIRST, ring: 'zebra' };
  const empty = makeEvidence({
    freshness: undefined,
    claims: { keysDigest: hex(keysDigest([])) },
  });
  return [
    list('list', 'all keys, in order', statements),
    vector(
      'list-empty',
      'no keys, and none are published',
      { bundle: empty.text, policy: GOOD, now: NOW, list: [] },
      'affirming',
      { failed: [] },
    ),
    list('list-left-out', 'a key was left out', [first, release], 'keys-digest'),
    list('list-none', 'all keys were left out', [], 'keys-digest'),
    list(
      'list-added',
      'a key was added',
      [...statements, makeStatement(evidence, extra)],
      'keys-digest',
    ),
    list(
      'list-reordered',
      'two keys changed places',
      [second, first, release],
      'keys-order',
      'keys-digest',
    ),
    list('list-twice', 'a key twice', [first, first, second, release], 'keys-order', 'keys-digest'),
    list(
      'list-swapped',
      'another key under a true name',
      [first, second, makeStatement(evidence, { ...RELEASE, ...keyOf('attacker') })],
      'keys/2/key-kid',
      'keys-digest',
    ),
    list(
      'list-signature',
      'one statement is signed by somebody else',
      [first, second, makeStatement(evidence, RELEASE, {}, edKey('attacker'))],
      'keys/2/key-signature',
    ),
    vector(
      'list-malformed',
      'one statement is none',
      {
        bundle: GOOD,
        policy: GOOD,
        now: NOW,
        list: [first, makeStatement(evidence, SECOND, { v: 2 })],
      },
      'malformed',
      { place: '/1/v' },
    ),
  ];
}

type Statement = ReturnType<typeof makeStatement>;

export function keyStatementCases(): VectorCase[] {
  return [...statementCases(), ...listCases()];
}
