import { describe, expect, test } from 'vitest';
import { SessionTable, type Arrival } from '../../enclave/core/sessions/session-table.ts';
import {
  MAX_OPENINGS_AT_ONCE,
  MAX_OPENINGS_PER_SECOND,
  MAX_SESSIONS_OF_PRINCIPAL,
  SESSION_IDLE_MS,
  SESSION_MS,
  SESSION_OPENING_MS,
} from '../../enclave/wire/limits.ts';
import type { ClientRecords } from '../../enclave/wire/session/client-records.ts';
import { CALL, recordRefusal, SessionWorld, START_WALL_MS } from '../support/session-world.ts';

/** A second of work, on a machine that has other work too. */
const LOADED_MS = 60_000;

const send = (world: SessionWorld, client: ClientRecords, deadlineMs = 3_600_000): Arrival =>
  world.table.receive(client.unary({ ...CALL, deadlineMs }, new Uint8Array(0)).record, world.nowMs);

describe('the table of sessions', () => {
  test('drops one without a record after 10 s, and keeps one with', async () => {
    const world = await SessionWorld.start(1, 'a');
    const [silent, active] = [await world.session(), await world.session()];
    send(world, active);
    world.nowMs += SESSION_OPENING_MS;
    expect(recordRefusal(() => send(world, silent))).toBe('session');
    expect(send(world, active).first).toBe(false);
    expect(world.table.size).toBe(1);
  });

  test('ends one after an hour of use', async () => {
    const world = await SessionWorld.start(1, 'a');
    const client = await world.session();
    send(world, client);
    world.nowMs += SESSION_MS - 1;
    expect(send(world, client).session.caller.identity).toBe('a');
    world.nowMs += 1;
    expect(recordRefusal(() => send(world, client))).toBe('session');
    expect(world.table.size).toBe(0);
  });

  test('ends one with its certificates', async () => {
    const world = await SessionWorld.start(1, 'a');
    world.chainEndsMs = START_WALL_MS + world.nowMs + 500;
    const client = await world.session();
    send(world, client);
    world.nowMs += 500;
    expect(recordRefusal(() => send(world, client))).toBe('session');
  });

  test('says that a request came after its deadline', async () => {
    const world = await SessionWorld.start(1, 'a');
    const client = await world.session();
    world.nowMs += 99;
    expect(send(world, client, 100).late).toBe(false);
    world.nowMs += 1;
    expect(send(world, client, 100).late).toBe(true);
  });

  test('a refused record neither begins a session nor ends it', async () => {
    const world = await SessionWorld.start(1, 'a');
    const client = await world.session();
    const { record } = client.unary(CALL, new Uint8Array(0));
    const damaged = record.map((byte, i) => (i === 30 ? byte ^ 1 : byte));
    expect(recordRefusal(() => world.table.receive(damaged, world.nowMs))).toBe('aead');
    const arrival = world.table.receive(record, world.nowMs);
    expect(arrival.first).toBe(true);
    expect(recordRefusal(() => world.table.receive(record, world.nowMs))).toBe('replayed');
  });

  test(
    'holds 64 of a principal; one more comes in for an idle one only',
    async () => {
      const world = await SessionWorld.start(2, 'a', 'b');
      const [a, b] = world.callers;
      const clients: ClientRecords[] = [];
      for (let i = 0; i < MAX_SESSIONS_OF_PRINCIPAL; i += 1) {
        const client = await world.session(a);
        expect(send(world, client).overLimit).toBe(false);
        clients.push(client);
      }
      const over = send(world, await world.session(a));
      expect([over.overLimit, over.first]).toEqual([true, false]);
      // It is refused inside the channel.
      const status = { code: 302, details: [] };
      const answer = { end: true, status, body: new Uint8Array(0) };
      expect(over.session.records.answer(over.request.call, answer).byteLength).toBeGreaterThan(0);
      expect(send(world, await world.session(b)).overLimit).toBe(false);

      world.nowMs += SESSION_IDLE_MS;
      const [idle, ...busy] = clients;
      for (const client of busy) send(world, client);
      expect(send(world, await world.session(a)).first).toBe(true);
      if (idle !== undefined) expect(recordRefusal(() => send(world, idle))).toBe('session');
      const [next] = busy;
      if (next !== undefined) expect(send(world, next).first).toBe(false);
      expect(world.table.size).toBe(MAX_SESSIONS_OF_PRINCIPAL + 1);
    },
    LOADED_MS,
  );

  test('takes 128 openings of a principal at once, then 16 a second', async () => {
    const world = await SessionWorld.start(2, 'a', 'b');
    const [a, b] = world.callers;
    const open = async (caller: typeof a): Promise<string | undefined> => {
      const opening = await world.open(caller);
      return world.refusal(opening.message);
    };
    for (let i = 0; i < MAX_OPENINGS_AT_ONCE; i += 1) {
      const client = await world.session(a);
      // None stays half-open.
      world.table.end(send(world, client).session);
    }
    expect([await open(a), await open(b)]).toEqual(['limit', undefined]);
    world.nowMs += Math.ceil(1000 / MAX_OPENINGS_PER_SECOND);
    expect([await open(a), await open(a)]).toEqual([undefined, 'limit']);
    world.table.endOver(world.nowMs);
    expect(await open(a)).toBe('limit');
  });

  test('ends those whose principal the policy no longer knows, half-open ones too', async () => {
    const world = await SessionWorld.start(1, 'a', 'b');
    const [a, b] = world.callers;
    const clients = [await world.session(a), await world.session(b), await world.session(b)];
    for (const client of clients.slice(0, 2)) send(world, client);
    world.table.endUnless(({ caller }) => caller.identity === 'a');
    const outcomes = clients.map((client) => recordRefusal(() => send(world, client)));
    expect(outcomes).toEqual([undefined, 'session', 'session']);
  });

  test('an ended one makes room for its principal', async () => {
    const world = await SessionWorld.start(1, 'a');
    const arrival = send(world, await world.session());
    world.table.end(arrival.session);
    world.table.end(arrival.session);
    expect(world.table.size).toBe(0);
  });

  test('records of nobody are refused', () => {
    const table = new SessionTable();
    expect(recordRefusal(() => table.receive(new Uint8Array(298), 0))).toBe('session');
    expect(recordRefusal(() => table.receive(new Uint8Array(297), 0))).toBe('length');
  });
});
