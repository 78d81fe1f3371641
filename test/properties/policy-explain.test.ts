/** What `policy explain` says offline is what the enclave says and does: generated policies, callers and requests. */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import type { UntrustedCaller } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { ExplainRequest, ExplainResponse } from '../../enclave/wire/gen/sealwright/v1/policy.ts';
import { MAX_CHAIN_LENGTH } from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { RULES } from '../../enclave/wire/policy/decide.ts';
import type { Policy } from '../../enclave/wire/policy/document.ts';
import { RANKS, type PayloadKind, type Rank } from '../../enclave/wire/policy/ring.ts';
import type { SignedJson, SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import {
  explain,
  explained,
  explanationText,
  type Presented,
} from '../../src/cli/policy/explain.ts';
import {
  certified,
  peer,
  spiffeId,
  TEST_AUTHORITY,
  TestAuthority,
  testPolicy,
} from '../support/fakes/callers.ts';
import { START_WALL_MS } from '../support/fakes/clock.ts';
import { ringsOf, World, type RingOptions, type Running } from '../support/fakes/world.ts';
import { parsedPolicy } from '../support/policies.ts';
import { runs } from '../support/runs.ts';

const CASES_OF_A_POLICY = 250;

const CORP = new TestAuthority('corp');
const NOBODY = new TestAuthority('nobody');

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const KEYS = { ci: newKey(), named: newKey(), corp: newKey() };
const fingerprint = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('hex');

const CI = TEST_AUTHORITY.client(spiffeId('ci'), {}, KEYS.ci);
const EXPIRED = { notAfter: new Date(Date.UTC(2001, 0)) };
/** Whom hosts show, good and bad. */
const SHOWN: readonly UntrustedCaller[] = [
  certified(CI),
  certified(CI, TEST_AUTHORITY.certificate),
  certified(TEST_AUTHORITY.client(spiffeId('deploy'))),
  certified(TEST_AUTHORITY.client(spiffeId('stranger'))),
  certified(TEST_AUTHORITY.client('spiffe://elsewhere.example/ci')),
  certified(TEST_AUTHORITY.client(spiffeId('ci'), EXPIRED)),
  certified(NOBODY.client(spiffeId('ci'))),
  certified(NOBODY.client(spiffeId('named'), {}, KEYS.named)),
  certified(CORP.client('https://corp.example/', {}, KEYS.corp)),
  certified(CORP.client('https://corp.example/', EXPIRED, KEYS.corp)),
  certified(TEST_AUTHORITY.certificate, CI),
  certified(CI, CI),
  certified(CI, CORP.certificate),
  certified(...Array.from({ length: 6 }, () => CI)),
  certified(CI.subarray(0, -1)),
  ...['local', 'neighbour', 'cellar'].map(peer),
];

interface CallerSource extends SignedJsonObject {
  readonly name: string;
}

const CALLERS: readonly CallerSource[] = [
  { name: 'ci', kind: 'spiffe', id: spiffeId('ci') },
  { name: 'deploy', kind: 'spiffe', id: spiffeId('deploy') },
  { name: 'named', kind: 'key', publicKey: fingerprint(KEYS.named) },
  { name: 'corp', kind: 'x509', root: 'corp', subject: ['O=test', 'CN=client'] },
  { name: 'local', kind: 'peer', socket: 'local' },
  { name: 'neighbour', kind: 'peer', socket: 'neighbour' },
];
const NAMES: readonly string[] = CALLERS.map(({ name }) => name);
const PEERS = ['local', 'neighbour'];

const ROOTS: readonly SignedJson[] = [
  {
    name: 'callers',
    kind: 'spiffe',
    trustDomain: 'test.example',
    certificates: [toHex(TEST_AUTHORITY.certificate)],
  },
  { name: 'corp', kind: 'x509', certificates: [toHex(CORP.certificate)] },
];

const RANK_WEIGHTS: Readonly<Record<Rank, number>> = { session: 1, signed: 1, mtls: 6, peer: 6 };

const ring: fc.Arbitrary<RingOptions> = fc.record({
  algorithm: fc.constantFrom('ES256', 'ES384'),
  payload: fc.constantFrom('digest', 'message'),
  lowestRank: fc.oneof(
    ...RANKS.map((rank) => ({ arbitrary: fc.constant(rank), weight: RANK_WEIGHTS[rank] })),
  ),
  callers: fc.oneof(fc.constant(NAMES), fc.subarray([...NAMES])),
  maxBytes: fc.integer({ min: 1, max: 48 }),
});

interface GeneratedPolicy {
  readonly rings: readonly RingOptions[];
  readonly callers: readonly CallerSource[];
  readonly deniedKeys: readonly string[];
  readonly validForSeconds: number | undefined;
}

const policies: fc.Arbitrary<GeneratedPolicy> = fc.record({
  rings: fc.array(ring, { minLength: 1, maxLength: 5 }),
  callers: fc.oneof(fc.constant(CALLERS), fc.subarray([...CALLERS])),
  deniedKeys: fc.oneof(fc.constant([]), fc.subarray(Object.values(KEYS).map(fingerprint))),
  validForSeconds: fc.option(fc.integer({ min: 60, max: 120 }), { nil: undefined }),
});

/** Names that its rings may have, digests without limits: what a document can say. */
function sourceOf(generated: GeneratedPolicy): SignedJsonObject {
  const known = new Set(generated.callers.map(({ name }) => name));
  const rings = generated.rings.map(({ payload, maxBytes, callers = [], ...more }, i) => {
    const reaching = callers.filter(
      (name) => known.has(name) && (more.lowestRank === 'peer' || !PEERS.includes(name)),
    );
    const options: RingOptions = {
      ...more,
      ...(payload === undefined ? {} : { payload }),
      ...(payload === 'digest' || maxBytes === undefined ? {} : { maxBytes }),
      callers: reaching,
    };
    return [`r${String(i)}`, options] as const;
  });
  return testPolicy(ringsOf(Object.fromEntries(rings)), START_WALL_MS, {
    roots: ROOTS,
    callers: generated.callers,
    deniedKeys: generated.deniedKeys,
    ...(generated.validForSeconds === undefined
      ? {}
      : { validForSeconds: generated.validForSeconds }),
  });
}

interface Request {
  readonly shown: number;
  readonly ring: number;
  readonly kind: PayloadKind;
  readonly length: number;
  readonly laterMs: number;
}

const requests: fc.Arbitrary<readonly Request[]> = fc.array(
  fc.record({
    shown: fc.nat(SHOWN.length - 1),
    ring: fc.nat(5),
    kind: fc.constantFrom('digest', 'message'),
    length: fc.integer({ min: 0, max: 70 }),
    laterMs: fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 4000 })),
  }),
  { minLength: CASES_OF_A_POLICY, maxLength: CASES_OF_A_POLICY },
);

interface Answer {
  readonly allowed: boolean;
  readonly reason: string | undefined;
  readonly details: Readonly<Record<string, string | undefined>>;
}

function presentedBy(caller: UntrustedCaller): Presented {
  if (caller.rank === 3) return { chain: caller.certificates, rank: 'mtls' };
  return { identity: `peer:${caller.socket}`, rank: 'peer' };
}

/** Of the kind that is asked; a digest mostly as long as the ring's. */
function payloadFor(policy: Policy, name: string, { kind, length }: Request) {
  const scope = policy.rings.find((one) => one.name === name);
  const digestBytes = scope?.algorithm === 'ES384' ? 48 : 32;
  return { kind, byteLength: kind === 'digest' && length > 3 ? digestBytes : length };
}

async function ofTheEnclave(
  running: Running,
  name: string,
  caller: UntrustedCaller,
  payload: { readonly kind: PayloadKind; readonly byteLength: number },
): Promise<Answer> {
  const bytes = new Uint8Array(payload.byteLength);
  const call = { untrustedCaller: caller };
  try {
    await running.sign(name, { [payload.kind]: bytes, call });
    return { allowed: true, reason: undefined, details: {} };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { allowed: false, reason: error.reason, details: error.details };
  }
}

async function explainedBy(
  running: Running,
  ring: string,
  untrustedCaller: UntrustedCaller,
  payload: { readonly kind: PayloadKind; readonly byteLength: number },
) {
  const request = ExplainRequest.encode({
    ring,
    payloadKind: payload.kind === 'digest' ? 1 : 2,
    payloadBytes: BigInt(payload.byteLength),
  }).finish();
  const answer = await running.call(METHODS.explain, request, { untrustedCaller });
  return explained({ ring, payload }, ExplainResponse.decode(answer));
}

test('10,000 generated cases', { timeout: 600_000 }, async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(policies, requests, async (generated, asked) => {
      const source = sourceOf(generated);
      const policy = parsedPolicy(source);
      const world = new World('explain');
      const running = await world.begin({}, source);
      const appliedMs = world.clock.wallMs();
      for (const request of asked) {
        world.clock.advance(request.laterMs);
        const caller = SHOWN[request.shown] ?? peer('nobody');
        const name = `r${String(request.ring)}`;
        const payload = payloadFor(policy, name, request);
        const nowMs = world.clock.wallMs();
        const offline = explain(policy, {
          presented: presentedBy(caller),
          ring: name,
          payload,
          ageMs: nowMs - appliedMs,
          nowMs,
        });
        const { allowed, reason, details } = offline;
        const answered = await ofTheEnclave(running, name, caller, payload);
        expect(answered, JSON.stringify({ request, generated })).toEqual({
          allowed,
          reason,
          details,
        });
        // Longer chains do not get past the door, whatever is asked.
        if (caller.certificates.length <= MAX_CHAIN_LENGTH) {
          const told = await explainedBy(running, name, caller, payload);
          expect(told).toEqual(offline);
          expect(explanationText(told)).toBe(explanationText(offline));
        }
        const rule = offline.rule ?? 'allowed';
        seen.set(rule, (seen.get(rule) ?? 0) + 1);
      }
      await running.enclave.close();
    }),
    { ...runs(40), seed: 20, endOnFailure: true },
  );
  const total = [...seen.values()].reduce((sum, count) => sum + count, 0);
  expect(total).toBeGreaterThanOrEqual(10_000);
  // Every rule decided something, and not once only.
  for (const rule of ['allowed', ...RULES]) expect(seen.get(rule) ?? 0, rule).toBeGreaterThan(50);
});
