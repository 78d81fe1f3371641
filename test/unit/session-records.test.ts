import { describe, expect, test } from 'vitest';
import { nodeAead } from '../../enclave/wire/session/node-aead.ts';
import { ClientRecords } from '../../enclave/wire/session/client-records.ts';
import { EnclaveRecords } from '../../enclave/wire/session/enclave-records.ts';
import { MAX_RECORD_BYTES, MIN_RECORD_BYTES } from '../../enclave/wire/session/record.ts';
import { ReplayWindow } from '../../enclave/wire/session/replay-window.ts';
import { CALL, recordRefusal } from '../support/session-world.ts';
import { bitFlips, truncations } from '../support/vectors.ts';

const EMPTY = new Uint8Array(0);

function pairOfEnds(limits: { maxRecords?: number; maxStreams?: number } = {}, suite: 1 | 2 = 1) {
  const shared = { sessionId: new Uint8Array(16).fill(7), maxRecords: 2 ** 24, maxStreams: 64 };
  const keys = () => ({
    toEnclave: nodeAead(suite, new Uint8Array(32).fill(1)),
    toClient: nodeAead(suite, new Uint8Array(32).fill(2)),
  });
  return {
    client: new ClientRecords({ ...shared, ...limits, ...keys() }),
    enclave: new EnclaveRecords({ ...shared, ...limits, ...keys() }),
  };
}

describe('records', () => {
  test.each([1, 2] as const)(
    'of suite %i: any change of a byte is refused, and changes nothing',
    (suite) => {
      const { client, enclave } = pairOfEnds({}, suite);
      const { record } = client.unary(CALL, EMPTY);
      for (const short of truncations(record))
        expect(recordRefusal(() => enclave.receive(short))).toBe('length');
      for (const flipped of bitFlips(record)) {
        expect(['aead', 'direction', 'sequence', 'session', 'version']).toContain(
          recordRefusal(() => enclave.receive(flipped)),
        );
      }
      expect(recordRefusal(() => enclave.receive(record))).toBeUndefined();
    },
  );

  test('of small requests have one length, and of the largest the longest', () => {
    const { client } = pairOfEnds();
    const sizeOf = (bytes: number): number =>
      client.unary(CALL, new Uint8Array(bytes)).record.byteLength;
    const overhead = 4 + CALL.method.length + 16 + 4 + 9 + 4;
    expect([0, 1, 100].map(sizeOf)).toEqual([MIN_RECORD_BYTES, MIN_RECORD_BYTES, MIN_RECORD_BYTES]);
    expect(sizeOf(65_536 - overhead)).toBe(MAX_RECORD_BYTES);
    expect(() => sizeOf(65_536 - overhead + 1)).toThrow('at most 65536 bytes fit');
    // The number was not used: the enclave sees no gap that a refusal of our own left.
    expect(client.sent).toBe(4);
  });

  test('end when the numbers do, in either direction', () => {
    const { client, enclave } = pairOfEnds({ maxRecords: 2 });
    const calls = [0, 1].map(() => enclave.receive(client.unary(CALL, EMPTY).record).call);
    expect(recordRefusal(() => client.unary(CALL, EMPTY))).toBe('used-up');
    const { client: third, enclave: fourth } = pairOfEnds({ maxRecords: 2 });
    const { call } = fourth.receive(third.begin(CALL, EMPTY, true).record);
    fourth.answer(call, { end: false, body: EMPTY });
    fourth.answer(call, { end: false, body: EMPTY });
    expect(recordRefusal(() => fourth.answer(call, { end: true, body: EMPTY }))).toBe('used-up');
    expect(calls).toEqual([0, 1]);
  });

  test('a client opens no more streams than it was told, and no channel twice', () => {
    const { client } = pairOfEnds({ maxStreams: 1 });
    const { channel } = client.begin(CALL, EMPTY);
    expect(recordRefusal(() => client.begin(CALL, EMPTY))).toBe('streams');
    client.next(channel, EMPTY, true);
    expect(client.begin(CALL, EMPTY).channel).toBe(channel + 1);
    expect(() => client.next(channel, EMPTY, true)).toThrow('no such stream');
  });

  test('a stream both ways, in order, with its call', () => {
    const { client, enclave } = pairOfEnds();
    const { record, channel, call } = client.begin(CALL, Uint8Array.of(0));
    const requests = [record, client.next(channel, Uint8Array.of(1), false).record];
    requests.push(client.next(channel, Uint8Array.of(2), true).record);
    const received = requests.map((bytes) => enclave.receive(bytes));
    expect(received.map(({ call: of, end, body }) => [of, end, body[0]])).toEqual([
      [call, false, 0],
      [call, false, 1],
      [call, true, 2],
    ]);
    enclave.transportEnded(channel);
    const bodies = [3, 4].map((byte, i) => {
      const body = Uint8Array.of(byte);
      return client.receive(enclave.answer(call, { end: i === 1, body })).body[0];
    });
    expect(bodies).toEqual([3, 4]);
    client.transportEnded(call);
  });

  test('a stream that the host cut off is truncated, for either end', () => {
    const { client, enclave } = pairOfEnds();
    const { record, channel, call } = client.begin(CALL, EMPTY);
    enclave.receive(record);
    const { record: last } = client.next(channel, EMPTY, true);
    expect(
      recordRefusal(() => {
        enclave.transportEnded(channel);
      }),
    ).toBe('truncated');
    expect(recordRefusal(() => enclave.receive(last))).toBe('stream-closed');
    // Nobody is answered any more.
    expect(() => enclave.answer(call, { end: true, body: EMPTY })).toThrow(RangeError);
  });

  test('an answer that the host cut off is truncated', () => {
    const { client, enclave } = pairOfEnds();
    const { record, call } = client.begin(CALL, EMPTY, true);
    enclave.receive(record);
    client.receive(enclave.answer(call, { end: false, body: EMPTY }));
    expect(
      recordRefusal(() => {
        client.transportEnded(call);
      }),
    ).toBe('truncated');
    const late = enclave.answer(call, { end: true, body: EMPTY });
    expect(recordRefusal(() => client.receive(late))).toBe('in-reply-to');
  });

  test('a stream that was answered before it ended gives its place back', () => {
    const { client, enclave } = pairOfEnds({ maxStreams: 1 });
    for (let i = 0; i < 3; i += 1) {
      const { record, channel, call } = client.begin(CALL, EMPTY);
      enclave.receive(record);
      client.receive(enclave.answer(call, { end: true, body: EMPTY }));
      client.transportEnded(call);
      expect(() => client.next(channel, EMPTY, true)).toThrow('no such stream');
      expect(
        recordRefusal(() => {
          enclave.transportEnded(channel);
        }),
      ).toBe('truncated');
    }
  });

  test('the enclave answers a call once, and a unary one in one record', () => {
    const { client, enclave } = pairOfEnds();
    const { call } = enclave.receive(client.unary(CALL, EMPTY).record);
    expect(() => enclave.answer(call, { end: false, body: EMPTY })).toThrow('one response');
    enclave.answer(call, { end: true, body: EMPTY });
    expect(() => enclave.answer(call, { end: true, body: EMPTY })).toThrow('no such call');
  });

  test('details of a refusal arrive in order, whatever order they were given in', () => {
    const { client, enclave } = pairOfEnds();
    const { call } = enclave.receive(client.unary(CALL, EMPTY).record);
    const details = [
      { key: 'ring', value: 'é'.repeat(256) },
      { key: 'keyState', value: '' },
    ];
    const status = { code: 401, details };
    const response = client.receive(enclave.answer(call, { end: true, status, body: EMPTY }));
    expect(response.status).toEqual({ code: 401, details: [details[1], details[0]] });
  });

  test('an answer to one request is none to another', () => {
    const { client, enclave } = pairOfEnds();
    const [first, second] = [client.unary(CALL, EMPTY), client.unary(CALL, EMPTY)];
    enclave.receive(first.record);
    enclave.receive(second.record);
    const answer = enclave.answer(second.call, { end: true, body: Uint8Array.of(2) });
    expect(client.receive(answer).inReplyTo).toBe(second.call);
    expect(recordRefusal(() => client.receive(answer))).toBe('replayed');
  });
});

describe('the window', () => {
  test('says of every number what a list of all numbers says', () => {
    const window = new ReplayWindow();
    const accepted = new Set<number>();
    let largest = -1;
    let seq = 0;
    for (let i = 0; i < 40_000; i += 1) {
      // Steps of both signs and of all sizes, jumps over the whole window among them.
      seq = Math.max(0, seq + ((i * 7919) % 37) - 15 + (i % 997 === 0 ? 5000 : 0));
      const expected =
        seq <= largest - 4096 ? 'too-old' : accepted.has(seq) ? 'replayed' : undefined;
      expect(
        recordRefusal(() => {
          window.check(seq);
        }),
      ).toBe(expected);
      if (expected !== undefined) continue;
      window.accept(seq);
      accepted.add(seq);
      largest = Math.max(largest, seq);
    }
    expect(accepted.size).toBeGreaterThan(1000);
  });
});
