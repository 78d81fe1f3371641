import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import { concatBytes, toHex, u32 } from '../../enclave/wire/bytes.ts';
import {
  decodeFrame,
  encodeFrame,
  FrameError,
  MessageReader,
  type FrameRule,
} from '../../enclave/wire/frame.ts';
import { FrameKind, type Frame } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { MAX_FRAME_BYTES, MAX_MESSAGE_FIELDS } from '../../enclave/wire/limits.ts';
import { Link } from '../../enclave/wire/link.ts';
import { bitFlips, outputOf, readVectors, thrown, truncations } from '../support/vectors.ts';

interface FrameJson {
  readonly streamId: string;
  readonly kind: number;
  readonly method: string;
  readonly body: string;
  readonly timeoutMs: number;
  readonly code: number;
  readonly details: readonly { readonly key: string; readonly value: string }[];
  readonly untrustedCaller?: {
    readonly rank: number;
    readonly certificates: readonly string[];
    readonly socket: string;
  };
}

const vectors = readVectors<{ readonly bytes: string }, FrameJson>('frames.json');
const single = vectors.filter((vector) => vector.flags.length === 0);
const hexBytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

function asJson(frame: Frame): FrameJson {
  const { untrustedCaller: caller } = frame;
  return {
    method: frame.method,
    body: toHex(frame.body),
    timeoutMs: frame.timeoutMs,
    code: frame.code,
    details: frame.details.map(({ key, value }) => ({ key, value })),
    streamId: String(frame.streamId),
    kind: frame.kind,
    ...(caller === undefined
      ? {}
      : {
          untrustedCaller: {
            rank: caller.rank,
            certificates: caller.certificates.map(toHex),
            socket: caller.socket,
          },
        }),
  };
}

function fromJson(json: FrameJson): Frame {
  const { untrustedCaller: caller } = json;
  return {
    ...json,
    version: 1,
    streamId: BigInt(json.streamId),
    kind: json.kind as FrameKind,
    body: hexBytes(json.body),
    untrustedCaller:
      caller === undefined
        ? undefined
        : { ...caller, certificates: caller.certificates.map(hexBytes) },
  };
}

const ruleOf = (error: unknown): string =>
  error instanceof FrameError ? error.rule.toUpperCase().replace('-', '_') : 'accept';

/** What a reader makes of a stream that then stays silent. */
function read(chunks: readonly Uint8Array[]): {
  readonly frames: Frame[];
  readonly outcome: string;
} {
  const reader = new MessageReader();
  const frames: Frame[] = [];
  const error = thrown(() => {
    for (const chunk of chunks) {
      for (const message of reader.push(chunk)) frames.push(decodeFrame(message));
    }
  });
  if (error !== undefined) return { frames, outcome: ruleOf(error) };
  return {
    frames,
    outcome: reader.pendingBytes > 0 || frames.length === 0 ? 'INCOMPLETE' : 'accept',
  };
}

const byteByByte = (bytes: Uint8Array): Uint8Array[] =>
  Array.from(bytes, (byte) => Uint8Array.of(byte));

describe('vectors', () => {
  test.each(single)('$id: $comment', ({ input, expect: wanted }) => {
    expect(read([hexBytes(input.bytes)]).outcome).toBe(wanted);
  });

  test.each(single)('$id, byte by byte', ({ input, expect: wanted }) => {
    expect(read(byteByByte(hexBytes(input.bytes))).outcome).toBe(wanted);
  });

  test.each(single.filter((vector) => vector.expect === 'accept'))(
    '$id is read and written',
    (vector) => {
      const bytes = hexBytes(vector.input.bytes);
      const frames = read([bytes]).frames;
      expect(frames.map(asJson)).toEqual([outputOf(vector)]);
      expect(toHex(encodeFrame(fromJson(outputOf(vector))))).toBe(vector.input.bytes);
    },
  );

  test.each(vectors.filter((vector) => vector.flags.includes('link')))(
    '$id: $comment',
    ({ input, expect: wanted }) => {
      let failure: FrameError | undefined;
      const link = new Link({
        send: () => undefined,
        fail: (error) => {
          failure = error;
        },
        handle: () => new Uint8Array(0),
        onBug: () => undefined,
      });
      link.call('m', new Uint8Array(0)).catch(() => undefined);
      link.receive(hexBytes(input.bytes));
      expect(ruleOf(failure)).toBe(wanted);
      link.closed();
    },
  );
});

const frame: Frame = {
  version: 1,
  streamId: 300n,
  kind: FrameKind.FRAME_KIND_REQUEST,
  method: '/x/Y',
  body: Uint8Array.of(1, 2, 3),
  timeoutMs: 1500,
  untrustedCaller: { rank: 3, certificates: [Uint8Array.of(0x30, 0)], socket: 's' },
  code: 7,
  details: [{ key: 'ring', value: 'a' }],
};

describe('a frame', () => {
  const bytes = encodeFrame(frame);

  test('waits for its last byte', () => {
    for (const cut of truncations(bytes)) expect(read([cut]).outcome).toBe('INCOMPLETE');
  });

  test('with one bit changed is refused, waits for more, or is another frame', () => {
    for (const flipped of bitFlips(bytes)) {
      const { frames, outcome } = read([flipped]);
      if (outcome !== 'accept') continue;
      expect(frames.map(asJson)).not.toEqual([asJson(frame)]);
    }
  });

  test('does not end early when bytes follow inside its length', () => {
    const message = bytes.subarray(4);
    for (const tail of ['00', '0000', '00ff', '0c', '04', '2c', '08', '80']) {
      const error = thrown(() => decodeFrame(concatBytes(message, hexBytes(tail))));
      expect(ruleOf(error)).toBe('PROTOBUF');
    }
  });

  test('keeps fields that a later version may add', () => {
    // Field 15, wire type 0: to be additive is what protobuf is for.
    const later = decodeFrame(concatBytes(bytes.subarray(4), hexBytes('7801')));
    expect(asJson(later)).toEqual(asJson(frame));
  });

  test('has at most as many fields as the limit, those inside its messages included', () => {
    const message = bytes.subarray(4);
    // Field 15, empty.
    const unknown = (count: number): Uint8Array =>
      new Uint8Array(2 * count).map((_, i) => (i % 2 === 0 ? 0x7a : 0));
    const caller = (count: number): Uint8Array =>
      new BinaryWriter().uint32(0x3a).bytes(unknown(count)).finish();
    // Nine fields, three inside the caller, two inside the detail.
    const most = MAX_MESSAGE_FIELDS - 14;
    const outcome = (more: Uint8Array): string =>
      ruleOf(thrown(() => decodeFrame(concatBytes(message, more))));
    expect(outcome(unknown(most))).toBe('accept');
    expect(outcome(unknown(most + 1))).toBe('PROTOBUF');
    expect(outcome(caller(most - 1))).toBe('accept');
    expect(outcome(caller(most))).toBe('PROTOBUF');
  });

  test('may be as large as the limit and no larger', () => {
    const overhead = encodeFrame({
      ...frame,
      body: new Uint8Array(MAX_FRAME_BYTES - 100),
    }).byteLength;
    const fits = MAX_FRAME_BYTES - 100 + (MAX_FRAME_BYTES + 4 - overhead);
    expect(encodeFrame({ ...frame, body: new Uint8Array(fits) }).byteLength).toBe(
      MAX_FRAME_BYTES + 4,
    );
    const error = thrown(() => encodeFrame({ ...frame, body: new Uint8Array(fits + 1) }));
    expect(ruleOf(error)).toBe('LENGTH');
  });
});

describe('a reader', () => {
  const stream = concatBytes(
    ...[1n, 2n, 3n].map((streamId) => encodeFrame({ ...frame, streamId })),
  );

  test('gives the same frames however the stream is cut', () => {
    const whole = read([stream]).frames.map(asJson);
    expect(whole.map((json) => json.streamId)).toEqual(['1', '2', '3']);
    for (let cut = 0; cut <= stream.byteLength; cut += 1) {
      expect(read([stream.slice(0, cut), stream.slice(cut)]).frames.map(asJson)).toEqual(whole);
    }
    expect(read(byteByByte(stream)).frames.map(asJson)).toEqual(whole);
    const withEmpty = byteByByte(stream).flatMap((chunk) => [new Uint8Array(0), chunk]);
    expect(read(withEmpty).frames.map(asJson)).toEqual(whole);
  });

  test('counts what it keeps', () => {
    const reader = new MessageReader();
    reader.push(stream.slice(0, 6));
    expect(reader.pendingBytes).toBe(6);
    expect(reader.push(stream.slice(6))).toHaveLength(3);
    expect(reader.pendingBytes).toBe(0);
  });

  test('keeps the bytes of an unfinished message and not the pieces that brought them', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const reader = new MessageReader();
    reader.push(u32(MAX_FRAME_BYTES));
    const held = (): number => {
      collect();
      // Of this thread; other tests run beside it.
      return getHeapStatistics().external_memory;
    };
    const before = held();
    // As a socket gives them: one byte of a buffer that is larger.
    for (let i = 0; i < 2_000; i += 1) reader.push(new Uint8Array(64 * 1024).subarray(i, i + 1));
    expect(reader.pendingBytes).toBe(2_004);
    expect(held() - before).toBeLessThan(8 * 1024 * 1024);
  });

  test('refuses a length before the message arrives', () => {
    const reader = new MessageReader(16);
    expect(reader.push(concatBytes(u32(16), new Uint8Array(15)))).toHaveLength(0);
    expect(reader.push(new Uint8Array(1))).toHaveLength(1);
    expect(ruleOf(thrown(() => reader.push(u32(17))))).toBe('LENGTH');
  });

  test('reads nothing after a refusal, whatever comes', () => {
    const reader = new MessageReader();
    expect(ruleOf(thrown(() => reader.push(u32(0))))).toBe('LENGTH');
    const rules: string[] = [stream, new Uint8Array(0), u32(1)].map((chunk) =>
      ruleOf(thrown(() => reader.push(chunk))),
    );
    expect(rules).toEqual(['FAILED', 'FAILED', 'FAILED']);
  });

  test('gives messages that later chunks do not change', () => {
    const reader = new MessageReader();
    const first = encodeFrame({ ...frame, body: Uint8Array.of(5, 5, 5) });
    const [message] = reader.push(first.slice());
    reader.push(concatBytes(u32(900), new Uint8Array(100).fill(0xff)));
    expect(message === undefined ? '' : toHex(decodeFrame(message).body)).toBe('050505');
  });
});

test('every rule is a word of the list', () => {
  const rules: readonly FrameRule[] = ['length', 'protobuf', 'version', 'stream-id'];
  const named = new Set(single.map((vector) => vector.expect));
  for (const rule of rules) expect(named).toContain(rule.toUpperCase().replace('-', '_'));
});
