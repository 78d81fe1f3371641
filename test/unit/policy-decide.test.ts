/** One decision: no request is allowed unless every rule allows it, for a whole small world (docs/spec/policy.md). */
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { PolicyRules, RULES, type Asked } from '../../enclave/wire/policy/decide.ts';
import { RANKS, rankNumber, type PayloadKind, type Rank } from '../../enclave/wire/policy/ring.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { parsedPolicy, policySource, ringSource, testAdmin, without } from '../support/policies.ts';

const admins = [testAdmin('alice'), testAdmin('bob')];
const CALLERS = ['a', 'b'] as const;
const HEX: Readonly<Record<string, string>> = { a: 'aa'.repeat(32), b: 'bb'.repeat(32) };
const VALID_FOR_SECONDS = 60;

/** A ring for every rank, kind of payload, and set of callers. */
function world(): PolicyRules {
  const rings = RANKS.flatMap((rank) =>
    (['digest', 'message'] as const).flatMap((kind) =>
      [[], ['a'], ['b'], ['a', 'b']].map((callers) =>
        ringSource(ringName(rank, kind, callers), {
          lowestRank: rank,
          payload: kind === 'digest' ? { kind } : { kind, maxBytes: 32 },
          callers,
        }),
      ),
    ),
  ).map(withoutNeedlessReason);
  const callers = CALLERS.map((name) => ({ name, kind: 'key', publicKey: HEX[name] ?? '' }));
  return new PolicyRules(
    parsedPolicy(policySource(admins, { callers, rings, validForSeconds: VALID_FOR_SECONDS })),
  );
}

function withoutNeedlessReason(ring: SignedJsonObject): SignedJsonObject {
  if (ring['lowestRank'] === 'mtls' || ring['lowestRank'] === 'peer') return ring;
  return without(ring, 'acceptHostAsserted');
}

function ringName(rank: Rank, kind: PayloadKind, callers: readonly string[]): string {
  return ['r', rank, kind, ...callers].join('-');
}

describe('a whole small world', () => {
  const rules = world();

  it('allows exactly what a rule allows', () => {
    let allowed = 0;
    let asked = 0;
    for (const caller of [...CALLERS, 'stranger'] as const) {
      for (const rank of RANKS) {
        for (const ring of [...rules.policy.rings.map(({ name }) => name), 'no-such-ring']) {
          for (const kind of ['digest', 'message'] as const) {
            for (const byteLength of [0, 32, 33]) {
              for (const ageMs of [0, VALID_FOR_SECONDS * 1000, VALID_FOR_SECONDS * 1000 + 1]) {
                const identity = `key:${HEX[caller] ?? 'cc'.repeat(32)}`;
                const request: Asked = {
                  identity,
                  rank,
                  ring,
                  payload: { kind, byteLength },
                  ageMs,
                };
                const decision = rules.decide(request);
                expect(decision.allowed, JSON.stringify(request)).toBe(oracle(caller, request));
                if (!decision.allowed) expect(RULES).toContain(decision.rule);
                allowed += decision.allowed ? 1 : 0;
                asked += 1;
              }
            }
          }
        }
      }
    }
    expect(asked).toBe(3 * 4 * 33 * 2 * 3 * 3);
    // Both answers occur, or the oracle would agree with anything.
    expect(allowed).toBeGreaterThan(100);
    expect(allowed).toBeLessThan(asked / 10);
  });

  /** Read off the ring's name and the page, not off the code under test. */
  function oracle(caller: string, { rank, ring, payload, ageMs }: Asked): boolean {
    const [, lowest, kind, ...callers] = ring.split('-') as [
      string,
      Rank,
      PayloadKind,
      ...string[],
    ];
    if (ring === 'no-such-ring' || !callers.includes(caller)) return false;
    const goodRank = { session: 1, signed: 2, mtls: 3, peer: 4 }[rank] <= rankNumber(lowest);
    const { byteLength } = payload;
    const goodSize = payload.kind === 'digest' ? byteLength === 32 : byteLength <= 32;
    return goodRank && payload.kind === kind && goodSize && ageMs <= VALID_FOR_SECONDS * 1000;
  }
});

describe('each rule', () => {
  const rules = world();
  const good: Asked = {
    identity: `key:${HEX['a'] ?? ''}`,
    rank: 'mtls',
    ring: 'r-mtls-message-a',
    payload: { kind: 'message', byteLength: 32 },
    ageMs: 0,
  };

  it('allows', () => {
    expect(rules.decide(good)).toMatchObject({ allowed: true, caller: { name: 'a' } });
  });

  it.each([
    ['caller', 'SIGNING_POLICY_DENIED', { identity: 'peer:x' }],
    ['ring', 'KEY_NOT_FOUND', { ring: 'r' }],
    ['ring-callers', 'SIGNING_POLICY_DENIED', { ring: 'r-mtls-message-b' }],
    ['lowest-rank', 'SIGNING_POLICY_DENIED', { rank: 'peer' }],
    ['payload-kind', 'PAYLOAD_KIND_MISMATCH', { payload: { kind: 'digest', byteLength: 32 } }],
    ['payload-limit', 'MESSAGE_TOO_LARGE', { payload: { kind: 'message', byteLength: 33 } }],
    ['valid-for', 'SIGNING_POLICY_DENIED', { ageMs: 60_001 }],
  ] as const)('%s refuses with %s', (rule, reason, change) => {
    const decision = rules.decide({ ...good, ...change });
    expect(decision).toMatchObject({ allowed: false, rule, reason, details: { policyId: rule } });
  });
});

describe('a large policy', () => {
  const callers = Array.from({ length: 10_000 }, (_, i) => ({
    name: `c${String(i)}`,
    kind: 'key',
    publicKey: i.toString(16).padStart(64, '0'),
  }));
  const rings = Array.from({ length: 1000 }, (_, i) =>
    ringSource(`r${String(i)}`, {
      lowestRank: 'mtls',
      callers: Array.from({ length: 10 }, (_unused, k) => `c${String(i * 10 + k)}`),
    }),
  );

  it('of 1,000 rings and 10,000 callers loads in less than a second and decides in less than 10 µs', () => {
    const source = policySource(admins, { callers, rings });
    // CPU of this process: other processes of a loaded machine do not count.
    const cpuMs = (since?: NodeJS.CpuUsage): number => {
      const { user, system } = process.cpuUsage(since);
      return (user + system) / 1000;
    };
    const began = process.cpuUsage();
    const rules = new PolicyRules(parsedPolicy(source));
    const loaded = cpuMs(began);
    const asked = callers.map(({ publicKey }, i): Asked => ({
      identity: `key:${publicKey}`,
      rank: 'mtls',
      ring: `r${String(Math.floor(i / 10))}`,
      payload: { kind: 'message', byteLength: 1 },
      ageMs: 0,
    }));
    // The first rounds are interpreted.
    const rounds = Array.from({ length: 10 }, () => {
      const decided = process.cpuUsage();
      expect(asked.every((one) => rules.decide(one).allowed)).toBe(true);
      return (cpuMs(decided) * 1000) / asked.length;
    });
    expect(loaded).toBeLessThan(1000);
    expect(Math.min(...rounds)).toBeLessThan(10);
  });
});
