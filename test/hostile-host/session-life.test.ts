/**
 * A host that holds records of sessions back, cuts streams off, refuses the log, or lets sessions pile up
 * (docs/spec/session.md, "Life of a session").
 */
import { randomBytes } from 'node:crypto';
import { concatBytes } from '../../enclave/wire/bytes.ts';
import { ERROR_CODES, Refusal } from '../../enclave/wire/error-code.ts';
import { MAX_SESSIONS_OF_PRINCIPAL } from '../../enclave/wire/limits.ts';
import { END_SESSION, LOG_METHODS, METHODS } from '../../enclave/wire/methods.ts';
import { certified } from '../support/fakes/callers.ts';
import { signRequest } from '../support/fakes/world.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { cancelFrame, requestFrame } from '../support/hostile-host/frames.ts';
import { signIn, signRecord } from '../support/hostile-host/session-host.ts';
import type { SessionCaller } from '../support/session-caller.ts';
import { recordRequest } from '../support/session-caller.ts';
import { describe, expect, test } from 'vitest';
import {
  batchOf,
  batchRecords,
  ci,
  deploy,
  recordBed,
} from '../support/hostile-host/record-bed.ts';

const theRig = attacked();
const { host, opened, refused, working } = recordBed(theRig);
const NOTHING = new Uint8Array(0);

describe('a record held back', () => {
  test('longer than its caller waited is not carried out', async () => {
    const session = await working();
    const request = session.request(METHODS.sign, 1);
    const { record } = session.records.unary(request, signRequest('session', { message: NOTHING }));
    let answers: readonly Uint8Array[] = [];
    await host().expectNothing(async () => {
      answers = await session.send(record);
    });
    const { status } = session.records.receive(answers[0] ?? NOTHING);
    expect(status.code).toBe(ERROR_CODES.DEADLINE_EXCEEDED);
  });

  test('and cancelled is carried out or not, never twice; a retry gets the one signature', async () => {
    const rig = theRig();
    const session = await working();
    const message = { message: Buffer.from('once'), requestId: Uint8Array.from(randomBytes(16)) };
    const { record } = session.records.unary(
      session.request(METHODS.sign),
      signRequest('session', message),
    );
    const id = rig.host.nextId();
    const answer = rig.host.answerTo(id);
    rig.host.link.send(
      concatBytes(
        requestFrame(id, METHODS.callSession, recordRequest(record), { timeoutMs: 10_000 }),
        cancelFrame(id),
      ),
    );
    await Promise.race([answer.catch(() => undefined), rig.status()]);
    await refused(record);
    const [first, again] = [
      await signIn(session, 'session', message),
      await signIn(session, 'session', message),
    ];
    expect(again.signature).toEqual(first.signature);
  });

  test('in part for ever takes a bounded place, and no other session’s', async () => {
    const [greedy, other] = [await working(deploy), await working()];
    const part = new Uint8Array(60_000);
    const refusals = new Set<number>();
    const pid = theRig().enclave.pid;
    for (let stream = 0; stream < 12; stream += 1) {
      const request = greedy.request(METHODS.applyPolicy);
      let [answer] = await greedy.send(greedy.records.begin(request, part).record);
      const channel = stream + 1;
      for (let i = 0; i < 16 && answer === undefined; i += 1) {
        [answer] = await greedy.send(greedy.records.next(channel, part, false).record);
      }
      if (answer !== undefined) refusals.add(greedy.records.receive(answer).status.code);
    }
    expect([...refusals]).toEqual([ERROR_CODES.RATE_LIMITED]);
    expect(batchOf(other, await lastOf(other, batchRecords(other))).results).toHaveLength(3);
    await theRig().expectUnharmed(pid);
  });

  test('of streams that never end leaves room for 64 of them in a session, not one more', async () => {
    const session = await working();
    const begin = async (): Promise<readonly Uint8Array[]> =>
      session.send(
        session.records.begin(session.request(METHODS.signBatch), Uint8Array.of(10)).record,
      );
    for (let i = 0; i < session.facts.maxStreams; i += 1) expect(await begin()).toEqual([]);
    // The caller's own side keeps to it as well.
    await expect(begin()).rejects.toMatchObject({ rule: 'streams' });
    expect((await signIn(session)).ring).toBe('session');
  });
});

async function lastOf(
  session: SessionCaller,
  records: readonly Uint8Array[],
): Promise<readonly Uint8Array[]> {
  let answers: readonly Uint8Array[] = [];
  for (const record of records) answers = await session.send(record);
  return answers;
}

describe('the end of a session', () => {
  const endOf = (session: SessionCaller): Uint8Array =>
    session.records.unary(session.request(END_SESSION), NOTHING).record;

  test('brought before what was sent before it ends it: nothing of that is carried out', async () => {
    const [session, other] = [await working(), await working()];
    const kept = signRecord(session);
    const end = endOf(session);
    await session.send(end);
    await refused(kept);
    await refused(end);
    expect((await signIn(other)).ring).toBe('session');
  });

  test('is not to be had by a record of another session, nor by a plain call', async () => {
    const [session, other] = [await working(), await working(deploy)];
    const end = endOf(other);
    await refused(concatBytes(end.subarray(0, 2), session.facts.sessionId, end.subarray(18)));
    const carry = host().carry({ caller: certified(...ci.certificates) });
    for (const body of [NOTHING, end, session.facts.sessionId]) {
      await expect(carry(END_SESSION, body)).toRefuseWith('METHOD_UNKNOWN', {});
    }
    expect((await signIn(session)).ring).toBe('session');
    expect((await signIn(other)).ring).toBe('session');
  });
});

describe('a log that the host refuses to write', () => {
  test('gives no session its first answer; the session is gone', async () => {
    const rig = theRig();
    const session = await opened();
    rig.host.lie(LOG_METHODS.append, () => {
      throw new Refusal('STORE_UNAVAILABLE');
    });
    const record = signRecord(session);
    await host().expectNothing(() => expect(session.send(record)).toRefuseWith('LOG_UNAVAILABLE'));
    rig.host.repent();
    await rig.servesAgain();
    await refused(record);
    await refused(signRecord(session));
    expect((await signIn(await opened())).ring).toBe('session');
  });

  test('gives no signature inside a session either', async () => {
    const rig = theRig();
    const session = await working();
    rig.host.lie(LOG_METHODS.append, () => {
      throw new Refusal('STORE_UNAVAILABLE');
    });
    await host().expectNothing(() => expect(signIn(session)).toRefuseWith('LOG_UNAVAILABLE'));
    rig.host.repent();
    await rig.servesAgain();
    expect((await signIn(session)).ring).toBe('session');
  });

  test('by never answering gives no answer, not to a second record either', async () => {
    const rig = theRig();
    const session = await opened();
    const asked = rig.host.asked.length;
    rig.host.lie(LOG_METHODS.append, () => undefined);
    let answered = 0;
    const send = (record: Uint8Array): Promise<unknown> =>
      session.send(record).finally(() => (answered += 1));
    const answers = [send(signRecord(session))];
    while (!rig.host.asked.slice(asked).some(({ method }) => method === LOG_METHODS.append)) {
      await rig.status();
    }
    // Not even what gets no leaf of its own: there is no session without its leaf.
    answers.push(send(session.records.unary(session.request(METHODS.getStatus), NOTHING).record));
    for (const answer of answers) answer.catch(() => undefined);
    await rig.status();
    await rig.status();
    expect(answered).toBe(0);
    rig.host.repent();
    await rig.reboot();
    for (const answer of answers) {
      await expect(answer).rejects.toMatchObject({ name: 'LinkClosed' });
    }
  });
});

describe('more sessions than a caller may have', () => {
  test('64 are served; the 65th is refused inside, gets no leaf, and harms nobody', async () => {
    // A boot without the sessions of other tests.
    await theRig().reboot();
    const sessions: SessionCaller[] = [];
    for (let i = 0; i < MAX_SESSIONS_OF_PRINCIPAL; i += 1) sessions.push(await working(deploy));
    const one = await opened(deploy);
    await host().expectNothing(() => expect(signIn(one)).toRefuseWith('RATE_LIMITED', {}));
    await refused(signRecord(one));
    for (const session of sessions) await session.unary(METHODS.getStatus, NOTHING);
    expect((await signIn(await opened(ci))).ring).toBe('session');
  });
});
