import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test, vi } from 'vitest';
import { PartialRequests, type Gathered } from '../../enclave/core/sessions/partial-requests.ts';
import type { Session } from '../../enclave/core/sessions/session-table.ts';
import {
  MAX_PARTS,
  MAX_PARTS_BYTES,
  MAX_PARTS_BYTES_OF_SESSION,
  MAX_REQUEST_BYTES,
  MAX_SESSION_STREAMS,
  PART_OVERHEAD_BYTES,
} from '../../enclave/wire/limits.ts';
import { maxRequestBytes, METHODS } from '../../enclave/wire/methods.ts';
import type { ClientRecords } from '../../enclave/wire/session/client-records.ts';
import { CALL, recordRefusal, SessionWorld } from '../support/session-world.ts';

/** Node's own, which only a flag shows. */
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const NOTHING = new Uint8Array(0);
const FOR_EVER = Infinity;
const KIB = 1024;

interface Begin {
  readonly at?: number;
  readonly method?: string;
  readonly untilMs?: number;
}

/** Callers with a session each, and what the enclave holds of their requests. */
class Parts {
  readonly partial = new PartialRequests();
  readonly world: SessionWorld;
  readonly clients: readonly ClientRecords[];

  private constructor(world: SessionWorld, clients: readonly ClientRecords[]) {
    this.world = world;
    this.clients = clients;
  }

  static async of(count: number): Promise<Parts> {
    const world = await SessionWorld.start(
      1,
      ...Array.from({ length: count }, (_, i) => `c${String(i)}`),
    );
    const clients: ClientRecords[] = [];
    for (const caller of world.callers) clients.push(await world.session(caller));
    return new Parts(world, clients);
  }

  client(at = 0): ClientRecords {
    const client = this.clients[at];
    if (client === undefined) throw new RangeError('no such client');
    return client;
  }

  /** Brings a record; the session that it is of comes with what became of it. */
  take(record: Uint8Array, untilMs = FOR_EVER): Gathered & { readonly session: Session } {
    const { session, request } = this.world.table.receive(record, this.world.nowMs);
    return { ...this.partial.take(session, request, untilMs), session };
  }

  begin(body: Uint8Array, { at = 0, method = METHODS.signBatch, untilMs = FOR_EVER }: Begin = {}) {
    const { channel, record } = this.client(at).begin({ ...CALL, method }, body);
    const gathered = this.take(record, untilMs);
    return { channel, ...gathered };
  }

  next(channel: number, body: Uint8Array, end = false, at = 0): Gathered {
    return this.take(this.client(at).next(channel, body, end).record);
  }

  /** Empty parts until one is refused: how many were taken. */
  fill(at = 0): number {
    for (let taken = 0; ;) {
      const { channel, state } = this.begin(NOTHING, { at });
      if (state === 'refused') return taken;
      taken += 1;
      for (let i = 1; i < MAX_PARTS; i += 1, taken += 1) {
        const gathered = this.next(channel, NOTHING, false, at);
        if (gathered.state === 'refused') {
          expect(gathered.reason).toBe('RATE_LIMITED');
          return taken;
        }
      }
    }
  }
}

describe('a request in parts', () => {
  test('is whole with its last one, in the order in which they were sent', async () => {
    const parts = await Parts.of(1);
    const { channel, state } = parts.begin(Uint8Array.of(1, 2));
    expect(state).toBe('part');
    expect(parts.next(channel, Uint8Array.of(3))).toMatchObject({ state: 'part' });
    const last = parts.next(channel, Uint8Array.of(4), true);
    expect(last).toMatchObject({ state: 'whole', body: Uint8Array.of(1, 2, 3, 4) });
  });

  test('beside another of the same session keeps apart', async () => {
    const parts = await Parts.of(1);
    const [one, two] = [parts.begin(Uint8Array.of(1)), parts.begin(Uint8Array.of(2))];
    expect(parts.next(two.channel, Uint8Array.of(20), true)).toMatchObject({
      body: Uint8Array.of(2, 20),
    });
    expect(parts.next(one.channel, Uint8Array.of(10), true)).toMatchObject({
      body: Uint8Array.of(1, 10),
    });
  });

  test('that is one part holds nothing', async () => {
    const parts = await Parts.of(1);
    const { record } = parts.client().begin(CALL, Uint8Array.of(7), true);
    expect(parts.take(record)).toMatchObject({ state: 'whole', body: Uint8Array.of(7) });
  });

  test('that was refused is let go at once, whether or not its end comes', async () => {
    const parts = await Parts.of(1);
    const gone: string[] = [];
    const registry = new FinalizationRegistry<string>((name) => gone.push(name));
    const send = (): void => {
      const method = METHODS.sign;
      const { record, channel } = parts
        .client()
        .begin({ ...CALL, method }, new Uint8Array(40 * KIB));
      const { session, request } = parts.world.table.receive(record, parts.world.nowMs);
      registry.register(request.body.buffer, 'body');
      expect(parts.partial.take(session, request, FOR_EVER).state).toBe('part');
      expect(parts.next(channel, new Uint8Array(40 * KIB)).state).toBe('refused');
    };
    send();
    await vi.waitFor(() => {
      collectGarbage();
      expect(gone).toEqual(['body']);
    });
  });

  test('of more bytes than its method may have is refused once, and what still comes is dropped', async () => {
    const parts = await Parts.of(1);
    const method = METHODS.sign;
    expect(maxRequestBytes(method)).toBe(MAX_REQUEST_BYTES);
    const { channel } = parts.begin(new Uint8Array(40 * KIB), { method });
    expect(parts.next(channel, new Uint8Array(24 * KIB))).toMatchObject({ state: 'part' });
    expect(parts.next(channel, Uint8Array.of(1))).toMatchObject({
      state: 'refused',
      reason: 'FRAME_TOO_LARGE',
    });
    expect(parts.next(channel, Uint8Array.of(1))).toMatchObject({ state: 'part' });
    expect(parts.next(channel, Uint8Array.of(1), true)).toMatchObject({ state: 'part' });
    expect(recordRefusal(() => parts.take(parts.client().begin(CALL, NOTHING).record))).toBe(
      undefined,
    );
  });

  test('of more bytes in its last part is refused', async () => {
    const parts = await Parts.of(1);
    const { channel } = parts.begin(new Uint8Array(60 * KIB), { method: METHODS.sign });
    expect(parts.next(channel, new Uint8Array(4 * KIB + 1), true)).toMatchObject({
      state: 'refused',
      reason: 'FRAME_TOO_LARGE',
    });
  });

  test('of more than 256 parts is refused, however small they are', async () => {
    const parts = await Parts.of(1);
    const { channel } = parts.begin(NOTHING);
    for (let i = 1; i < MAX_PARTS; i += 1) {
      expect(parts.next(channel, NOTHING)).toMatchObject({ state: 'part' });
    }
    expect(parts.next(channel, NOTHING)).toMatchObject({
      state: 'refused',
      reason: 'REQUEST_MALFORMED',
    });
  });
});

describe('what is held of a session', () => {
  test('is bounded by the memory that it takes, and not by the bytes of its bodies', async () => {
    const parts = await Parts.of(1);
    const taken = parts.fill();
    // Records of 256 bytes, and what is around each.
    expect(taken).toBe(Math.floor(MAX_PARTS_BYTES_OF_SESSION / (PART_OVERHEAD_BYTES + 256)));
    expect(taken).toBeLessThan(MAX_PARTS * MAX_SESSION_STREAMS);
  });

  test('counts a body as large as the record that it came in', async () => {
    const parts = await Parts.of(1);
    const half = new Uint8Array(33 * KIB);
    let taken = 0;
    for (let state: Gathered['state'] = 'part'; state === 'part';) {
      const { channel, state: first } = parts.begin(half);
      state = first === 'part' ? parts.next(channel, half).state : first;
      taken += Number(first === 'part') + Number(first === 'part' && state === 'part');
    }
    expect(taken).toBe(Math.floor(MAX_PARTS_BYTES_OF_SESSION / (65 * KIB)));
  });

  test('is free again when the request is whole', async () => {
    const parts = await Parts.of(1);
    for (let round = 0; round < 10; round += 1) {
      const { channel, state } = parts.begin(new Uint8Array(60 * KIB));
      expect(state).toBe('part');
      for (let i = 0; i < 15; i += 1) parts.next(channel, new Uint8Array(60 * KIB));
      expect(parts.next(channel, NOTHING, true)).toMatchObject({ state: 'whole' });
    }
  });

  test('leaves room for other sessions, until all together hold 64 MiB', async () => {
    const share = Math.floor(MAX_PARTS_BYTES / MAX_PARTS_BYTES_OF_SESSION);
    const parts = await Parts.of(share + 2);
    const taken = parts.clients.map((_, at) => parts.fill(at));
    const [first = 0] = taken;
    expect(taken.slice(0, share)).toEqual(Array(share).fill(first));
    expect(taken[share]).toBeGreaterThan(0);
    expect(taken[share]).toBeLessThan(first);
    // What the one before had begun when it was refused, and nothing more.
    expect(taken[share + 1]).toBeLessThan(MAX_PARTS);
  });

  test('is dropped at its deadline, and its stream is closed', async () => {
    const parts = await Parts.of(1);
    const { channel } = parts.begin(new Uint8Array(60 * KIB), { untilMs: 9_000 });
    const other = parts.begin(Uint8Array.of(1), { untilMs: 9_001 });
    parts.partial.drop(8_999, () => true);
    expect(parts.next(channel, NOTHING)).toMatchObject({ state: 'part' });
    parts.partial.drop(9_000, () => true);
    expect(recordRefusal(() => parts.next(channel, NOTHING, true))).toBe('stream-closed');
    expect(parts.next(other.channel, NOTHING, true)).toMatchObject({ state: 'whole' });
  });

  test('is dropped with its session', async () => {
    const parts = await Parts.of(2);
    const [gone, alive] = [parts.begin(Uint8Array.of(1)), parts.begin(Uint8Array.of(2), { at: 1 })];
    parts.partial.drop(0, (session) => session !== gone.session);
    expect(recordRefusal(() => parts.next(gone.channel, NOTHING, true))).toBe('stream-closed');
    expect(parts.next(alive.channel, NOTHING, true, 1)).toMatchObject({ state: 'whole' });
  });

  test('of a refused request is free at once, and forgotten at its deadline', async () => {
    const parts = await Parts.of(1);
    const method = METHODS.sign;
    const untilMs = 9_000;
    for (let i = 0; i < MAX_SESSION_STREAMS; i += 1) {
      const { channel } = parts.begin(new Uint8Array(60 * KIB), { method, untilMs });
      const { state } = parts.next(channel, new Uint8Array(5 * KIB));
      expect(state).toBe('refused');
    }
    parts.partial.drop(untilMs, () => true);
    // Their streams are closed here; the caller gives them up too, and has room for others.
    for (let call = 0; call < 2 * MAX_SESSION_STREAMS; call += 2) {
      expect(
        recordRefusal(() => {
          parts.client().transportEnded(call);
        }),
      ).toBe('truncated');
    }
    expect(parts.begin(NOTHING).state).toBe('part');
  });
});
