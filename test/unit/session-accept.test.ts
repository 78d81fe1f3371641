import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { OpeningKeys } from '../../enclave/core/sessions/opening-keys.ts';
import {
  MAX_HALF_OPEN_OF_PRINCIPAL,
  MAX_HALF_OPEN_SESSIONS,
  MAX_OPENINGS_OF_KEY,
  REPLACED_KEY_MS,
  SESSION_MS,
  SESSION_OPENING_MS,
} from '../../enclave/wire/limits.ts';
import { Hpke, HpkeError } from '../../enclave/wire/session/hpke.ts';
import { SUITES, type SuiteNumber } from '../../enclave/wire/session/suites.ts';
import { CALL, SessionWorld, START_WALL_MS, testCaller } from '../support/session-world.ts';
import { bitFlips, truncations } from '../support/vectors.ts';

/** A second of work, on a machine that has other work too. */
const LOADED_MS = 60_000;

const EVERY_SUITE: readonly SuiteNumber[] = [1, 2, 3];

describe('an opening', () => {
  test('of a principal with a long name says its digest, as leaves do', async () => {
    const world = await SessionWorld.start(1, `x509:${'a'.repeat(3000)}`);
    const opening = await world.open();
    const { facts } = await opening.finish((await world.accept(opening.message)).message);
    expect(facts.principal).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test.each(EVERY_SUITE)('of suite %i: records travel both ways', async (suite) => {
    const world = await SessionWorld.start(suite, 'a');
    const client = await world.session();
    const arrival = world.table.receive(client.unary(CALL, Uint8Array.of(1)).record, world.nowMs);
    expect(arrival.first).toBe(true);
    expect(arrival.session.caller.identity).toBe('a');
    const { session, request } = arrival;
    const record = session.records.answer(request.call, { end: true, body: Uint8Array.of(2) });
    expect(client.receive(record).body).toEqual(Uint8Array.of(2));
    const second = world.table.receive(client.unary(CALL, Uint8Array.of(3)).record, world.nowMs);
    expect(second.first).toBe(false);
  });

  test.each([
    ['P-256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ])('by a key of %s', async (_name, pair) => {
    const world = await SessionWorld.start(1);
    world.callers.push(testCaller('a', pair));
    await expect(world.session()).resolves.toBeDefined();
  });

  test('has the length of the longest bucket that it needs, whatever is in it', async () => {
    const world = await SessionWorld.start(1, 'a', 'a-much-longer-name');
    const sizes = await Promise.all(
      world.callers.map(async (caller) => (await world.open(caller)).message.byteLength),
    );
    expect(new Set(sizes).size).toBe(1);
  });

  test('is accepted once', async () => {
    const world = await SessionWorld.start(1, 'a');
    const { message } = await world.open();
    expect(await world.refusal(message)).toBeUndefined();
    expect(await world.refusal(message)).toBe('replayed');
    expect(world.table.size).toBe(1);
  });

  test('is accepted once, of many at the same time', async () => {
    const world = await SessionWorld.start(3, 'a');
    const { message } = await world.open();
    const rules = await Promise.all(Array.from({ length: 8 }, () => world.refusal(message)));
    expect(rules.filter((rule) => rule === undefined)).toHaveLength(1);
    expect(rules.filter((rule) => rule === 'replayed')).toHaveLength(7);
    expect(world.table.size).toBe(1);
  });

  test('of a key that is gone is refused, of the one before it is not', async () => {
    const world = await SessionWorld.start(1, 'a');
    const [before] = world.keys;
    const { message } = await world.open();
    await world.newKey(1);
    expect(await world.refusal(message)).toBeUndefined();
    const late = await world.open(world.callers[0], before);
    world.keys.shift();
    expect(await world.refusal(late.message)).toBe('evidence');
  });

  test('refused for any reason leaves no trace', async () => {
    const world = await SessionWorld.start(1, 'a');
    const stranger = await world.open(testCaller('b'));
    expect(await world.refusal(stranger.message)).toBe('caller');
    world.callers.push(testCaller('b'));
    expect(await world.refusal(stranger.message)).toBe('signature');
    expect(world.keys[0]?.seen.has(new Uint8Array(32))).toBe(false);
    expect(world.table.size).toBe(0);
  });

  test(
    'cut off anywhere is refused, and nothing else happens',
    async () => {
      const world = await SessionWorld.start(1, 'a');
      const { message } = await world.open();
      for (const short of truncations(message)) expect(await world.refusal(short)).toBe('message');
      expect(await world.refusal(message)).toBeUndefined();
    },
    LOADED_MS,
  );

  test(
    'with any bit of its head flipped is refused',
    async () => {
      const world = await SessionWorld.start(1, 'a');
      const { message } = await world.open();
      // Head, enc1 and the beginning of ct1; the rest of ct1 is one authenticated ciphertext.
      const head = 1 + 2 + 32 + 4 + 32 + 4 + 8;
      const tail = message.subarray(head);
      for (const flipped of bitFlips(message.slice(0, head))) {
        const rule = await world.refusal(Uint8Array.from([...flipped, ...tail]));
        expect(['message', 'suite', 'evidence', 'length', 'hpke']).toContain(rule);
      }
      expect(await world.refusal(message)).toBeUndefined();
    },
    LOADED_MS,
  );

  test('lasts an hour, or as long as the certificates', async () => {
    const world = await SessionWorld.start(1, 'a');
    const full = await world.accept((await world.open()).message);
    expect(full.facts.notAfterMs).toBe(START_WALL_MS + world.nowMs + SESSION_MS);
    world.chainEndsMs = START_WALL_MS + world.nowMs + 1;
    const short = await world.accept((await world.open()).message);
    expect(short.facts.notAfterMs).toBe(world.chainEndsMs);
    world.nowMs += 1;
    expect(await world.refusal((await world.open()).message)).toBe('caller');
  });

  test(
    'is refused when too many of its principal, or of all, are half-open',
    async () => {
      const names = Array.from({ length: 9 }, (_, i) => `caller-${String(i)}`);
      const world = await SessionWorld.start(2, ...names);
      const [greedy, ...others] = world.callers;
      const openMany = async (caller: typeof greedy, count: number): Promise<void> => {
        for (let i = 0; i < count; i += 1) await world.session(caller);
      };
      const refusalOf = async (caller: typeof greedy) =>
        world.refusal((await world.open(caller)).message);
      await openMany(greedy, MAX_HALF_OPEN_OF_PRINCIPAL);
      expect(await refusalOf(greedy)).toBe('limit');
      for (const other of others.slice(0, 7)) await openMany(other, MAX_HALF_OPEN_OF_PRINCIPAL);
      expect(world.table.size).toBe(MAX_HALF_OPEN_SESSIONS);
      expect(await refusalOf(others[7])).toBe('limit');
      world.nowMs += SESSION_OPENING_MS;
      expect(await refusalOf(others[7])).toBeUndefined();
      expect(world.table.size).toBe(1);
    },
    LOADED_MS,
  );

  test(
    'is refused when the key has taken as many as it may',
    async () => {
      const world = await SessionWorld.start(1, 'a');
      const seen = world.keys[0]?.seen;
      for (let i = 0; i < MAX_OPENINGS_OF_KEY; i += 1) {
        seen?.add(Uint8Array.of(i >> 24, i >> 16, i >> 8, i));
      }
      expect(seen?.usedUp).toBe(true);
      expect(await world.refusal((await world.open()).message)).toBe('key-used-up');
    },
    LOADED_MS,
  );

  test('can not be made by an identity that does not fit', async () => {
    const world = await SessionWorld.start(1);
    const { identity, ...rest } = testCaller('a');
    const openWith = (certificates: readonly Uint8Array[]) =>
      world.open({ ...rest, identity: { ...identity, certificates } });
    await expect(openWith([])).rejects.toThrow('1 to 5 certificates');
    await expect(openWith([new Uint8Array(16_385)])).rejects.toThrow('at most 16384 bytes');
    await expect(openWith(Array<Uint8Array>(3).fill(new Uint8Array(16_000)))).rejects.toThrow(
      'at most 32768 bytes fit',
    );
  });
});

describe('the keys of openings', () => {
  test('live 120 s longer than their evidence, and no longer, however often that is replaced', async () => {
    const world = await SessionWorld.start(1);
    const [first, second, third] = [world.keys[0], await world.newKey(1), await world.newKey(1)];
    if (first === undefined) throw new RangeError('no key');
    const keys = new OpeningKeys();
    const found = (nowMs: number) =>
      [first, second, third].map(
        ({ target }) => keys.find(1, target.evidenceDigest, nowMs) !== undefined,
      );
    keys.replace([first], 0);
    expect(found(3_600_000)).toEqual([true, false, false]);
    keys.replace([second], 4_000_000);
    keys.replace([third], 4_000_000 + REPLACED_KEY_MS - 1);
    expect(found(4_000_000 + REPLACED_KEY_MS - 1)).toEqual([true, true, true]);
    expect(found(4_000_000 + REPLACED_KEY_MS)).toEqual([false, true, true]);
    expect(found(4_000_000 + 2 * REPLACED_KEY_MS - 1)).toEqual([false, false, true]);
  });

  test('are found by suite and evidence together', async () => {
    const world = await SessionWorld.start(1);
    const { target } = await world.newKey(2);
    const keys = new OpeningKeys();
    keys.replace(world.keys, 0);
    expect(keys.find(2, target.evidenceDigest, 0)?.target).toBe(target);
    expect(keys.find(1, target.evidenceDigest, 0)).toBeUndefined();
    expect(keys.find(3, target.evidenceDigest, 0)).toBeUndefined();
  });

  test(
    'are due when a current one has taken all its openings',
    async () => {
      const world = await SessionWorld.start(1);
      const [key] = world.keys;
      if (key === undefined) throw new RangeError('no key');
      const keys = new OpeningKeys();
      keys.replace([key], 0);
      expect(keys.usedUp).toBe(false);
      for (let i = 0; i < MAX_OPENINGS_OF_KEY; i += 1) {
        key.seen.add(Uint8Array.of(i >> 24, i >> 16, i >> 8, i));
      }
      expect(keys.usedUp).toBe(true);
      keys.replace([await world.newKey(1)], 1);
      expect(keys.usedUp).toBe(false);
    },
    LOADED_MS,
  );
});

describe('HPKE', () => {
  test('does not take a missing PSK for mode base', async () => {
    const hpke = new Hpke(1);
    const { publicKey } = await hpke.generateKeyPair();
    const info = new Uint8Array(0);
    const sender = (key: Uint8Array, id: Uint8Array) => hpke.sender(publicKey, info, { key, id });
    await expect(sender(new Uint8Array(0), new Uint8Array(0))).rejects.toThrow(RangeError);
    await expect(sender(new Uint8Array(31), Uint8Array.of(1))).rejects.toThrow(RangeError);
    await expect(sender(new Uint8Array(32), new Uint8Array(0))).rejects.toThrow(RangeError);
    await expect(sender(new Uint8Array(32), Uint8Array.of(1))).resolves.toBeDefined();
  });

  test.each(EVERY_SUITE)('of suite %i refuses keys that are none', async (suite) => {
    const hpke = new Hpke(suite);
    const info = new Uint8Array(0);
    const { publicKeyBytes, encapsulatedBytes } = SUITES[suite];
    for (const length of [0, publicKeyBytes - 1, publicKeyBytes, publicKeyBytes + 1]) {
      await expect(hpke.sender(new Uint8Array(length), info)).rejects.toThrow(HpkeError);
    }
    const pair = await hpke.generateKeyPair();
    expect(pair.publicKey.byteLength).toBe(publicKeyBytes);
    for (const length of [0, encapsulatedBytes - 1, encapsulatedBytes + 1]) {
      await expect(hpke.recipient(pair, new Uint8Array(length), info)).rejects.toThrow(HpkeError);
    }
  });
});
