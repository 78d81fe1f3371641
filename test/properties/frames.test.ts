import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concatBytes } from '../../enclave/wire/bytes.ts';
import { decodeFrame, encodeFrame, FrameError, MessageReader } from '../../enclave/wire/frame.ts';
import { FrameKind, type Frame } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { Link, LinkClosed } from '../../enclave/wire/link.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { runs } from '../support/runs.ts';
import { thrown } from '../support/vectors.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 60 });

const frame: fc.Arbitrary<Frame> = fc.record({
  version: fc.constant(1),
  streamId: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
  kind: fc.constantFrom(
    FrameKind.FRAME_KIND_REQUEST,
    FrameKind.FRAME_KIND_RESPONSE,
    FrameKind.FRAME_KIND_CANCEL,
  ),
  method: text,
  body: bytes,
  timeoutMs: fc.integer({ min: 0, max: 0xffff_ffff }),
  untrustedCaller: fc.option(
    fc.record({ rank: fc.nat(9), certificates: fc.array(bytes, { maxLength: 5 }), socket: text }),
    { nil: undefined },
  ),
  code: fc.integer({ min: 0, max: 0xffff_ffff }),
  details: fc.array(fc.record({ key: text, value: text }), { maxLength: 4 }),
});

/** A stream cut at arbitrary places. */
function cut(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (stream.byteLength + 1)))].sort(
    (a, b) => a - b,
  );
  return [0, ...at].map((from, i) => stream.slice(from, at[i] ?? stream.byteLength));
}

test('frames are read as they were written, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 5 }), fc.array(fc.nat()), (frames, places) => {
      const reader = new MessageReader();
      const stream = concatBytes(...frames.map(encodeFrame));
      const read = cut(stream, places).flatMap((chunk) => reader.push(chunk).map(decodeFrame));
      expect(read).toEqual(frames);
      expect(reader.pendingBytes).toBe(0);
    }),
    runs(300),
  );
});

test('any bytes are frames, an unfinished frame, or a refusal', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (stream) => {
      const error = thrown(() => new MessageReader(64).push(stream).map(decodeFrame));
      if (error !== undefined) expect(error).toBeInstanceOf(FrameError);
    }),
    runs(1000),
  );
});

/** What a hostile other side does to a link that has three calls of its own under way. */
const hostile = fc.array(fc.oneof(frame.map(encodeFrame), fc.uint8Array({ maxLength: 12 })), {
  maxLength: 12,
});

test('whatever the other side sends, every call of ours ends and nothing is thrown', async () => {
  await fc.assert(
    fc.asyncProperty(hostile, async (chunks) => {
      let failures = 0;
      const answered: bigint[] = [];
      const reader = new MessageReader();
      const link = new Link({
        send: (sent) => {
          for (const message of reader.push(sent)) {
            const { kind, streamId } = decodeFrame(message);
            if (kind === FrameKind.FRAME_KIND_RESPONSE) answered.push(streamId);
          }
        },
        fail: () => {
          failures += 1;
        },
        handle: (call) => {
          if (call.method.length > 10) throw new TypeError('bug');
          return call.body.byteLength > 30 ? Promise.reject(new Error('bug')) : call.body;
        },
        onBug: () => undefined,
      });
      const calls = [1, 2, 3].map(() => link.call('m', new Uint8Array(0)));
      for (const chunk of chunks) link.receive(chunk);
      link.closed();
      for (const outcome of await Promise.allSettled(calls)) {
        if (outcome.status === 'fulfilled') continue;
        const error: unknown = outcome.reason;
        expect(error instanceof LinkClosed || error instanceof Refusal).toBe(true);
      }
      expect(failures).toBeLessThanOrEqual(1);
      expect(new Set(answered).size).toBe(answered.length);
      expect(link.inFlight).toBe(0);
      expect(link.serving).toBe(0);
    }),
    runs(300),
  );
});
