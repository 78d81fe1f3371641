/** Explain: what Sign would answer, without a signature, a leaf or a token of a bucket. */
import { beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import type { UntrustedCaller } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { ExplainRequest, ExplainResponse } from '../../enclave/wire/gen/sealwright/v1/policy.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import {
  certified,
  MTLS_CALLER,
  PEER_CALLER,
  peer,
  SECOND_CALLER,
  spiffeId,
  STRANGER,
  TEST_AUTHORITY,
} from '../support/fakes/callers.ts';
import { START_WALL_MS } from '../support/fakes/clock.ts';
import { World, type Running } from '../support/fakes/world.ts';
import '../support/matchers.ts';

const RINGS = {
  text: { algorithm: 'ES256', maxBytes: 10, limits: { callerPerSecond: 1, ringPerSecond: 7 } },
  digest: { algorithm: 'ES384', payload: 'digest' },
  open: { algorithm: 'ES256', lowestRank: 'peer' },
  session: { algorithm: 'ES256', lowestRank: 'session' },
  mine: { algorithm: 'ES256', callers: ['ci'] },
  closed: { algorithm: 'ES256', callers: [] },
} as const;
const KINDS = { digest: 1, message: 2 } as const;
const VALID_FOR_SECONDS = 3600;

describe('explain', () => {
  const world = new World('explain');
  let running: Running;
  beforeAll(async () => {
    running = await world.begin(RINGS, { validForSeconds: VALID_FOR_SECONDS });
  });

  async function explain(
    ring: string,
    kind: 'digest' | 'message',
    length: number,
    untrustedCaller: UntrustedCaller = MTLS_CALLER,
  ): Promise<ExplainResponse> {
    const body = ExplainRequest.encode({
      ring,
      payloadKind: KINDS[kind],
      payloadBytes: BigInt(length),
    }).finish();
    return ExplainResponse.decode(await running.call(METHODS.explain, body, { untrustedCaller }));
  }

  test('tells an allowed caller who it is, and its limits', async () => {
    expect(await explain('text', 'message', 10)).toEqual({
      allowed: true,
      rule: '',
      reason: '',
      details: {},
      caller: 'ci',
      callerId: spiffeId('ci'),
      rank: 3,
      policyVersion: 1n,
      callerPerSecond: 1,
      ringPerSecond: 7,
    });
    expect(await explain('open', 'message', 10, PEER_CALLER)).toMatchObject({
      allowed: true,
      caller: 'local',
      callerId: 'peer:local',
      rank: 4,
      callerPerSecond: 0,
    });
  });

  test('takes no token, writes no leaf', async () => {
    const before = world.logStore.leaves.length;
    for (let i = 0; i < 20; i += 1) {
      expect((await explain('text', 'message', 1)).allowed).toBe(true);
      expect((await explain('closed', 'message', 1)).allowed).toBe(false);
    }
    world.clock.advance(1000);
    await running.enclave.tick();
    expect(world.logStore.leaves).toHaveLength(before);
    await running.sign('text', { message: utf8('x') });
  });

  test('agrees with Sign, in reason, rule and details, for every caller, ring and payload', async () => {
    const expired = TEST_AUTHORITY.client(spiffeId('ci'), { notAfter: new Date(0) });
    const callers = [
      MTLS_CALLER,
      SECOND_CALLER,
      STRANGER,
      PEER_CALLER,
      peer('nobody'),
      peer(''),
      certified(),
      certified(Uint8Array.of(1)),
      certified(expired),
      { ...MTLS_CALLER, rank: 1 },
      { ...MTLS_CALLER, rank: 2 },
    ];
    const seen = new Set<string>();
    for (const untrustedCaller of callers) {
      for (const ring of [...Object.keys(RINGS), 'nothing', '']) {
        for (const [kind, length] of [
          ['digest', 0],
          ['digest', 32],
          ['digest', 48],
          ['message', 0],
          ['message', 10],
          ['message', 11],
          ['message', 61_441],
        ] as const) {
          world.clock.advance(2000);
          const answer = await explain(ring, kind, length, untrustedCaller);
          const payload = { [kind]: new Uint8Array(length) };
          const signed = await running
            .sign(ring, { ...payload, call: { untrustedCaller } })
            .catch((error: unknown) => error);
          const refusal = signed instanceof Refusal ? signed : undefined;
          if (refusal === undefined) expect(signed).toHaveProperty('signature');
          const { reason = '', details = {} } = refusal ?? {};
          expect([answer.allowed, answer.reason, answer.details]).toEqual([
            refusal === undefined,
            reason,
            details,
          ]);
          if (!answer.allowed) expect(answer.rule).toBe(details.policyId ?? 'caller');
          seen.add(answer.rule);
        }
      }
    }
    expect([...seen].sort()).toEqual(
      ['', 'caller', 'lowest-rank', 'payload-kind', 'payload-limit', 'ring', 'ring-callers'].sort(),
    );
  });

  test('says nothing of a ring to those who may not use it', async () => {
    const { details, callerPerSecond } = await explain('mine', 'digest', 1, SECOND_CALLER);
    expect([details, callerPerSecond]).toEqual([{ policyId: 'ring-callers', ring: 'mine' }, 0]);
    const stranger = await explain('text', 'digest', 1, STRANGER);
    expect(stranger).toMatchObject({
      rule: 'caller',
      caller: '',
      callerId: spiffeId('stranger'),
      details: { policyId: 'caller', ring: 'text' },
    });
    expect(await explain('nothing', 'digest', 1, STRANGER)).toMatchObject({ rule: 'caller' });
  });

  test('refuses a question without a kind of payload', async () => {
    for (const payloadKind of [0, 3, 99]) {
      const body = ExplainRequest.encode({
        ring: 'text',
        payloadKind: payloadKind as 0,
        payloadBytes: 0n,
      }).finish();
      await expect(running.call(METHODS.explain, body)).toRefuseWith('REQUEST_MALFORMED', {
        field: 'payload_kind',
      });
    }
    await expect(running.call(METHODS.explain, Uint8Array.of(0xff))).toRefuseWith(
      'REQUEST_MALFORMED',
    );
  });

  test('and Sign both end when the policy was applied too long ago', async () => {
    // From boot on the enclave knows the time of applying from its state.
    running = await world.reboot(running);
    const left = VALID_FOR_SECONDS * 1000 - (world.clock.wallMs() - START_WALL_MS);
    world.clock.advance(left);
    expect((await explain('open', 'message', 1)).allowed).toBe(true);
    await running.sign('open', { message: utf8('x') });
    world.clock.advance(1);
    expect(await explain('open', 'message', 1)).toMatchObject({ rule: 'valid-for' });
    await expect(running.sign('open', { message: utf8('x') })).toRefuseWith(
      'SIGNING_POLICY_DENIED',
      { policyId: 'valid-for', ring: 'open' },
    );
  });
});
