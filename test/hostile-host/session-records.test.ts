/**
 * A host that carries records of sessions again, in another order, to another place, late, in part, or not at all
 * (docs/spec/session.md, "Records"). What it brings is carried out once and as it was asked, or refused without a word;
 * the sessions themselves go on.
 */
import { WireType } from '@bufbuild/protobuf/wire';
import { randomBytes } from 'node:crypto';
import { concatBytes } from '../../enclave/wire/bytes.ts';
import { SESSION_WINDOW } from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { HEADER_BYTES, MIN_RECORD_BYTES } from '../../enclave/wire/session/record.ts';
import { certified, spiffeId, TEST_AUTHORITY } from '../support/fakes/callers.ts';
import { signRequest } from '../support/fakes/world.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { bent } from '../support/hostile-host/frames.ts';
import { signIn, signRecord } from '../support/hostile-host/session-host.ts';
import type { SessionCaller } from '../support/session-caller.ts';
import { recordRequest, recordsIn } from '../support/session-caller.ts';
import { describe, expect, test } from 'vitest';
import {
  batchOf,
  batchRecords,
  ci,
  deploy,
  flipped,
  recordBed,
  signedBy,
} from '../support/hostile-host/record-bed.ts';

const theRig = attacked();
const { host, opened, refused, working } = recordBed(theRig);
const NOTHING = new Uint8Array(0);

describe('a record brought again', () => {
  test('is carried out once, whichever way it comes the second time', async () => {
    const session = await working();
    const record = signRecord(session);
    const leaves = await host().leavesOf(() => session.send(record));
    expect(leaves).toMatchObject([{ kind: 'signature', rank: 'session' }]);
    await refused(record);
    await refused(record, METHODS.streamSession);
    expect((await signIn(session)).ring).toBe('session');
  });

  test('many times at once is carried out once', async () => {
    const session = await working();
    const record = signRecord(session);
    let outcomes: PromiseSettledResult<readonly Uint8Array[]>[] = [];
    const leaves = await host().leavesOf(async () => {
      outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => session.send(record)));
    });
    expect(leaves).toMatchObject([{ kind: 'signature' }]);
    const answers = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(answers).toHaveLength(1);
    expect(signedBy(session, answers[0] ?? []).ring).toBe('session');
  });

  test('that is the first of its session begins it once', async () => {
    const session = await opened();
    const record = signRecord(session);
    const leaves = await host().leavesOf(() =>
      Promise.allSettled([session.send(record), session.send(record), session.send(record)]),
    );
    expect(leaves.map(({ kind }) => kind)).toEqual(['session', 'signature']);
  });

  test('in another session is refused there, with its header changed or not', async () => {
    const [mine, other] = [await working(), await working()];
    const record = signRecord(mine);
    await mine.send(record);
    await refused(concatBytes(record.subarray(0, 2), other.facts.sessionId, record.subarray(18)));
    expect((await signIn(other)).ring).toBe('session');
  });

  test('under another number is refused', async () => {
    const session = await working();
    const record = signRecord(session);
    await session.send(record);
    for (const seq of [0, 1, 2, 3, 200, 255]) {
      await refused(record.map((byte, i) => (i === HEADER_BYTES - 1 ? seq : byte)));
    }
    await refused(record.map((byte, i) => (i === 18 ? 0xff : byte)));
  });

  test('after a restart finds no session, and neither does one that was never brought', async () => {
    const session = await working();
    const [brought, kept] = [signRecord(session), signRecord(session)];
    await session.send(brought);
    await theRig().reboot();
    await refused(brought);
    await refused(kept);
    expect((await signIn(await opened())).ring).toBe('session');
  });
});

describe('records in another order', () => {
  test('of calls that stand alone are each carried out once', async () => {
    const session = await working();
    const records = Array.from({ length: 8 }, () => signRecord(session));
    const leaves = await host().leavesOf(async () => {
      for (const record of records.toReversed()) signedBy(session, await session.send(record));
    });
    expect(leaves.map(({ kind }) => kind)).toEqual(Array(8).fill('signature'));
    for (const record of records) await refused(record);
  });

  test('kept until 4,096 later ones have come are refused', async () => {
    const session = await working();
    const kept = [signRecord(session), signRecord(session)] as const;
    const request = session.request(METHODS.getStatus);
    const later = Array.from(
      { length: SESSION_WINDOW - 1 },
      () => session.records.unary(request, NOTHING).record,
    );
    for (let at = 0; at < later.length; at += 128) {
      await Promise.all(later.slice(at, at + 128).map((record) => session.send(record)));
    }
    await refused(kept[0]);
    expect(signedBy(session, await session.send(kept[1])).ring).toBe('session');
  });

  test('of one stream are refused, and carried out in the true one', async () => {
    const session = await working();
    const [first = NOTHING, second = NOTHING, third = NOTHING] = batchRecords(session);
    await refused(second);
    await refused(third);
    expect(await session.send(first)).toEqual([]);
    await refused(third);
    expect(await session.send(second)).toEqual([]);
    const { results } = batchOf(session, await session.send(third));
    expect(results).toHaveLength(3);
  });
});

describe('a stream that the host changes', () => {
  test('by leaving out its middle is not carried out', async () => {
    const session = await working();
    const [first = NOTHING, , third = NOTHING] = batchRecords(session);
    await session.send(first);
    await refused(third);
  });

  test('by leaving out its end is not carried out', async () => {
    const session = await working();
    const [first = NOTHING, second = NOTHING] = batchRecords(session);
    await host().expectNothing(async () => {
      expect(await session.send(first)).toEqual([]);
      expect(await session.send(second)).toEqual([]);
    });
    expect((await signIn(session)).ring).toBe('session');
  });

  test('by leaving out its beginning is not carried out', async () => {
    const session = await working();
    for (const record of batchRecords(session).slice(1)) await refused(record);
  });

  test('by a part brought again is carried out once, as it was sent', async () => {
    const session = await working();
    const [first = NOTHING, second = NOTHING, third = NOTHING] = batchRecords(session);
    await session.send(first);
    await refused(first);
    await session.send(second);
    await refused(second);
    const { results } = batchOf(session, await session.send(third));
    expect(results).toHaveLength(3);
    for (const record of [first, second, third]) await refused(record);
  });

  test('by a part of another stream of the session is not changed', async () => {
    const session = await working();
    const [one, two] = [batchRecords(session, 'one'), batchRecords(session, 'two')];
    // Begun after the other, so that parts of both are on the way; each part finds its own stream.
    await session.send(one[0] ?? NOTHING);
    await refused(two[1] ?? NOTHING);
    await session.send(two[0] ?? NOTHING);
    await refused(two[2] ?? NOTHING);
    await session.send(one[1] ?? NOTHING);
    await session.send(two[1] ?? NOTHING);
    const ends = [await session.send(one[2] ?? NOTHING), await session.send(two[2] ?? NOTHING)];
    for (const end of ends) expect(batchOf(session, end).results).toHaveLength(3);
  });

  test('by a part of another session is not changed', async () => {
    const [mine, other] = [await working(), await working(deploy)];
    const [one, two] = [batchRecords(mine), batchRecords(other)];
    await mine.send(one[0] ?? NOTHING);
    await other.send(two[0] ?? NOTHING);
    const spliced = two[1] ?? NOTHING;
    await refused(concatBytes(spliced.subarray(0, 2), mine.facts.sessionId, spliced.subarray(18)));
    for (const [session, records] of [
      [mine, one],
      [other, two],
    ] as const) {
      await session.send(records[1] ?? NOTHING);
      const end = await session.send(records[2] ?? NOTHING);
      expect(batchOf(session, end).results).toHaveLength(3);
    }
  });

  test('by turning one way of the service into the other is carried out all the same', async () => {
    const session = await working();
    const carry = host().carry();
    const ways = [METHODS.streamSession, METHODS.callSession, METHODS.streamSession];
    let answers: readonly Uint8Array[] = [];
    for (const [i, record] of batchRecords(session).entries()) {
      answers = recordsIn(await carry(ways[i] ?? '', recordRequest(record)));
    }
    expect(batchOf(session, answers).results).toHaveLength(3);
  });
});

describe('a record changed on the way', () => {
  test('in any bit of its header, or of a byte behind it, is refused', async () => {
    const session = await working();
    const record = signRecord(session);
    const places = [...Array(HEADER_BYTES + 16).keys()].flatMap((at) =>
      [...Array(8).keys()].map((bit) => [at, 1 << bit] as const),
    );
    await host().expectNothing(() =>
      Promise.all(
        [...places, [record.length - 1, 1] as const].map(([at, mask]) =>
          expect(session.send(flipped(record, at, mask))).toRefuseWith('SESSION_REFUSED', {}),
        ),
      ),
    );
    expect(signedBy(session, await session.send(record)).ring).toBe('session');
  });

  test.each<readonly [string, (record: Uint8Array, session: SessionCaller) => Uint8Array]>([
    ['cut by a byte', (record) => record.subarray(0, -1)],
    ['with a byte more', (record) => concatBytes(record, Uint8Array.of(0))],
    ['cut to its header', (record) => record.subarray(0, HEADER_BYTES)],
    ['shorter than the shortest', (record) => record.subarray(0, MIN_RECORD_BYTES - 1)],
    ['of nothing', () => NOTHING],
    ['that the host made', ({ length }) => Uint8Array.from(randomBytes(length))],
    [
      'with a header that is true and a content that is not',
      (record) => concatBytes(record.subarray(0, HEADER_BYTES), randomBytes(272)),
    ],
    ['twice in a row', (record) => concatBytes(record, record)],
    ['of more than 64 KiB', (record) => concatBytes(record, new Uint8Array(65_000))],
  ])('%s is refused', async (_, change) => {
    const session = await working();
    const record = signRecord(session);
    await refused(change(record, session));
    expect(signedBy(session, await session.send(record)).ring).toBe('session');
  });

  test('that is an answer of the enclave is refused as a request', async () => {
    const session = await working();
    const [answer = NOTHING] = await session.send(signRecord(session));
    await refused(answer);
    await refused(flipped(answer, 1));
  });
});

describe('a record taken for something else', () => {
  test('by another method is refused by that one', async () => {
    const session = await working();
    const record = signRecord(session);
    const carry = host().carry({ caller: certified(...ci.certificates) });
    await host().expectNothing(async () => {
      const body = recordRequest(record);
      await expect(carry(METHODS.openSession, body)).toRefuseWith('SESSION_REFUSED', {});
      await expect(carry(METHODS.callSigned, body)).toRefuseWith('REQUEST_MALFORMED');
      await expect(carry(METHODS.sign, body)).toRefuseWith('KEY_NOT_FOUND');
      await expect(carry(METHODS.callSession, signRequest('session', {}))).toRefuseWith(
        'SESSION_REFUSED',
        {},
      );
    });
    expect(signedBy(session, await session.send(record)).ring).toBe('session');
  });

  test('in odd messages is read as protobuf says, or refused', async () => {
    const session = await working();
    const carry = host().carry();
    const [first, second] = [signRecord(session), signRecord(session)];
    const twice = bent((writer) =>
      writer
        .tag(1, WireType.LengthDelimited)
        .bytes(first)
        .tag(1, WireType.LengthDelimited)
        .bytes(second),
    );
    signedBy(session, recordsIn(await carry(METHODS.callSession, twice)));
    await refused(second);
    const many = bent((writer) => {
      for (let field = 2; field < 1000; field += 1)
        writer.tag(field, WireType.LengthDelimited).bytes(NOTHING);
      return writer.tag(1, WireType.LengthDelimited).bytes(first);
    });
    signedBy(session, recordsIn(await carry(METHODS.callSession, many)));
    for (const odd of [Uint8Array.of(0x0a, 0x7f), Uint8Array.of(0x0b), Uint8Array.of(0x08, 0x01)]) {
      await expect(carry(METHODS.callSession, odd)).toRefuseWith(
        odd[0] === 0x08 ? 'SESSION_REFUSED' : 'REQUEST_MALFORMED',
      );
    }
  });

  test('with the certificates of somebody else beside it is carried out for whom it is from', async () => {
    const session = await working();
    const other = certified(TEST_AUTHORITY.client(spiffeId('deploy')));
    for (const caller of [other, { ...other, rank: 1 }, undefined]) {
      const carry = host().carry({ caller });
      const body = recordRequest(signRecord(session));
      const leaves = await host().leavesOf(() => carry(METHODS.callSession, body));
      expect(leaves).toMatchObject([{ caller: 'ci', callerId: spiffeId('ci'), rank: 'session' }]);
    }
  });
});
