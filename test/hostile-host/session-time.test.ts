/**
 * A host that lets time pass: it keeps openings, records and evidence back, and sets the clock of the wall. Against an enclave in
 * this process, on a clock of the test's.
 */
import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../enclave/wire/error-code.ts';
import { SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import {
  MAX_SESSIONS_OF_PRINCIPAL,
  SESSION_IDLE_MS,
  SESSION_MS,
  SESSION_OPENING_MS,
  SIGNED_CALL_MS,
} from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { ringsOf, signRequest, World, type Running } from '../support/fakes/world.ts';
import { encodeSigned, signedCall, signIn } from '../support/hostile-host/session-host.ts';
import { kindsOf } from '../support/log-audit.ts';
import { applyPolicy, nextPolicy } from '../support/statements.ts';
import {
  acceptIn,
  openingFor,
  openRequest,
  recordRequest,
  SessionCaller,
  targetOf,
  testIdentity,
  type Carry,
} from '../support/session-caller.ts';
import '../support/matchers.ts';

const RINGS = {
  session: { algorithm: 'ES256', lowestRank: 'session' },
  signed: { algorithm: 'ES256', lowestRank: 'signed' },
} as const;
const NOTHING = new Uint8Array(0);
const MINUTE_MS = 60_000;
const ci = testIdentity('ci');

interface Bed {
  readonly world: World;
  readonly running: Running;
  readonly carry: Carry;
}

async function begun(name: string): Promise<Bed> {
  const world = new World(name);
  const running = await world.begin(RINGS);
  return { world, running, carry: (method, body) => running.call(method, body) };
}

async function open({ carry, running }: Bed, identity = ci): Promise<SessionCaller> {
  return SessionCaller.open(carry, { target: await targetOf(running), identity });
}

const signRecord = (session: SessionCaller, deadlineMs?: number): Uint8Array =>
  session.records.unary(
    session.request(METHODS.sign, deadlineMs),
    signRequest('session', { message: NOTHING }),
  ).record;

/** The one refusal, and no leaf. */
async function refused({ world }: Bed, attack: () => Promise<unknown>): Promise<void> {
  const before = world.logStore.leaves.length;
  await expect(attack()).toRefuseWith('SESSION_REFUSED', {});
  expect(world.logStore.leaves).toHaveLength(before);
}

describe('an Open kept back', () => {
  test('for the HPKE key of an hour ago opens nothing, also when it is made today', async () => {
    const bed = await begun('an hour');
    const { world, running, carry } = bed;
    const old = await targetOf(running);
    const kept = await openingFor({ target: old, identity: ci });
    for (let minute = 0; minute < 60; minute += 1) {
      world.clock.advance(MINUTE_MS);
      await running.enclave.tick();
    }
    const now = await targetOf(running);
    expect(now.hpkeKey).not.toEqual(old.hpkeKey);
    const made = await openingFor({ target: old, identity: ci });
    const mixed = await openingFor({ target: { ...now, hpkeKey: old.hpkeKey }, identity: ci });
    for (const { message } of [kept, made, mixed]) {
      await refused(bed, () => carry(METHODS.openSession, openRequest(message)));
    }
    expect((await signIn(await open(bed))).ring).toBe('session');
  });

  test('until its caller has left the policy opens nothing', async () => {
    const bed = await begun('left');
    const { running, carry } = bed;
    const kept = await openingFor({ target: await targetOf(running), identity: ci });
    await removeCi(carry);
    await refused(bed, () => carry(METHODS.openSession, openRequest(kept.message)));
  });

  test('while the policy changes under it begins no session of a caller who is gone', async () => {
    const bed = await begun('meanwhile');
    const { running, carry } = bed;
    const kept = await openingFor({ target: await targetOf(running), identity: ci });
    // Both are under way at once; whichever is first, the first record meets the new policy.
    const [opened] = await Promise.allSettled([
      carry(METHODS.openSession, openRequest(kept.message)),
      removeCi(carry),
    ]);
    if (opened.status === 'rejected') return;
    const { facts } = await kept.finish(acceptIn(opened.value));
    expect(facts.principal).toMatch(/\/ci$/);
    expect(kindsOf(bed.world.logStore)).not.toContain('session');
  });
});

describe('an Accept kept back', () => {
  test('for ten seconds is the Accept of no session any more', async () => {
    const bed = await begun('accept');
    const session = await open(bed);
    bed.world.clock.advance(SESSION_OPENING_MS);
    await refused(bed, () => session.send(signRecord(session)));
    expect((await signIn(await open(bed))).ring).toBe('session');
  });

  test('for less makes deadlines pass sooner, never later', async () => {
    const bed = await begun('sooner');
    const session = await open(bed);
    // The caller counts from when it read Accept; the enclave from when it made it.
    bed.world.clock.advance(SESSION_OPENING_MS - 1);
    const [answer = NOTHING] = await session.send(signRecord(session, SESSION_OPENING_MS - 1));
    const { status } = session.records.receive(answer);
    expect(status.code).toBe(ERROR_CODES.DEADLINE_EXCEEDED);
    expect(kindsOf(bed.world.logStore)).not.toContain('signature');
  });
});

describe('a record kept back', () => {
  test('for an hour finds no session', async () => {
    const bed = await begun('hour');
    const session = await open(bed);
    await signIn(session);
    const kept = signRecord(session);
    bed.world.clock.advance(SESSION_MS);
    await refused(bed, () => session.send(kept));
  });

  test('until its caller has left the policy is carried out for nobody', async () => {
    const bed = await begun('gone');
    const session = await open(bed);
    await signIn(session);
    const kept = signRecord(session);
    await removeCi(bed.carry);
    await refused(bed, () => session.send(kept));
  });

  test('until the enclave drains is still carried out; when it has halted, nothing is', async () => {
    const bed = await begun('drains');
    const { running, carry } = bed;
    const [session, late] = [await open(bed), await open(bed)];
    await signIn(session);
    const kept = signRecord(session);
    running.enclave.startDraining();
    const [answer = NOTHING] = await session.send(kept);
    const { body } = session.records.receive(answer);
    expect(SignResponse.decode(body).ring).toBe('session');
    await rolledBack(bed);
    const halted = { haltReason: 'ROLLBACK_DETECTED' };
    for (const record of [signRecord(session), signRecord(late)]) {
      await expect(carry(METHODS.callSession, recordRequest(record))).toRefuseWith(
        'ENCLAVE_HALTED',
        halted,
      );
    }
  });
});

describe('the clock of the wall, set by the host for a restart', () => {
  test.each([
    ['a day ahead', 86_400_000],
    ['an hour back', -3_600_000],
  ])('%s, revives no session and no opening', async (_, byMs) => {
    const bed = await begun(`wall ${String(byMs)}`);
    const { world } = bed;
    const session = await open(bed);
    await signIn(session);
    const kept = await openingFor({ target: await targetOf(bed.running), identity: ci });
    const record = signRecord(session);
    world.clock.setWall(world.clock.wallMs() + byMs);
    const running = await world.reboot(bed.running);
    const again = { ...bed, running };
    const carry: Carry = (method, body) => running.call(method, body);
    await refused(again, () => carry(METHODS.openSession, openRequest(kept.message)));
    await refused(again, () => carry(METHODS.callSession, recordRequest(record)));
  });

  test('to the time of the start before: a signed call of that time is refused for its whole life', async () => {
    const { world, running, carry } = await begun('back');
    world.clock.advance(2 * SIGNED_CALL_MS);
    const { clusterId } = await targetOf(running);
    const calledMs = world.clock.wallMs();
    const notAfterMs = calledMs + 50_000;
    const call = encodeSigned(await signedCall({ identity: ci, clusterId, notAfterMs }));
    await carry(METHODS.callSigned, call);
    world.clock.setWall(calledMs);
    const again = await world.reboot(running);
    const before = world.logStore.leaves.length;
    for (const [ms, reason] of [
      [0, 'ENCLAVE_NOT_READY'],
      [25_000, 'ENCLAVE_NOT_READY'],
      [25_000, 'ENCLAVE_NOT_READY'],
      [1, 'DEADLINE_EXCEEDED'],
    ] as const) {
      world.clock.advance(ms);
      await expect(again.call(METHODS.callSigned, call)).toRefuseWith(reason, {});
    }
    expect(world.logStore.leaves).toHaveLength(before);
  });
});

describe('sessions that nobody uses', () => {
  test('give their place to a new one after a minute, the one that was idle longest first', async () => {
    const bed = await begun('idle');
    const { clock } = bed.world;
    const sessions: SessionCaller[] = [];
    for (let i = 0; i < MAX_SESSIONS_OF_PRINCIPAL; i += 1) {
      const session = await open(bed);
      await signIn(session);
      sessions.push(session);
      clock.advance(100);
    }
    const [oldest, second] = sessions;
    if (oldest === undefined || second === undefined) throw new RangeError('no sessions');
    clock.advance(SESSION_IDLE_MS);
    await signIn(oldest);
    await signIn(await open(bed));
    await refused(bed, () => second.send(signRecord(second)));
    expect((await signIn(oldest)).ring).toBe('session');
  });
});

/** `deploy` alone is left. */
async function removeCi(carry: Carry): Promise<void> {
  const callers = [{ name: 'deploy', kind: 'spiffe', id: 'spiffe://test.example/deploy' }];
  const only = { callers: ['deploy'] };
  const rings = ringsOf({
    session: { ...RINGS.session, ...only },
    signed: { ...RINGS.signed, ...only },
  });
  await applyPolicy(carry, await nextPolicy(carry, { callers, rings }));
}

/** A caller brings a checkpoint that this log does not continue: one of the log as it was before the host set it back. */
async function rolledBack({ world, running, carry }: Bed): Promise<void> {
  // The enclave's own, with a leaf that its log lost: a second process on the disks of now went on from here.
  const [records, log] = [world.store.snapshot(), world.logStore.snapshot()];
  const twin = await world.boot();
  world.clock.advance(1000);
  const there = await SessionCaller.open((method, body) => twin.call(method, body), {
    target: await targetOf(twin),
    identity: ci,
  });
  for (let i = 0; i < 5; i += 1) await signIn(there);
  const { receipt } = await signIn(there);
  world.store.restore(records);
  world.logStore.restore(log);
  const checkpoint = new TextEncoder().encode(receipt?.checkpoint ?? '');
  const target = await targetOf(running);
  const openings = [
    await openingFor({ target, identity: ci, lastCheckpoint: checkpoint }),
    // Under way when the other one halts the enclave.
    await openingFor({ target, identity: ci }),
  ];
  const halted = { haltReason: 'ROLLBACK_DETECTED' };
  await Promise.all(
    openings.map(({ message }) =>
      expect(carry(METHODS.openSession, openRequest(message))).toRefuseWith(
        'ENCLAVE_HALTED',
        halted,
      ),
    ),
  );
}
