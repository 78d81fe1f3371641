/** Messages of sessions have one form each: what a reader takes, a writer gives back byte for byte. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LayoutError } from '../../enclave/wire/byte-cursor.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import {
  encodeAccept,
  encodeAcceptContent,
  parseAccept,
  parseAcceptContent,
} from '../../enclave/wire/session/accept-message.ts';
import {
  encodeHello,
  encodeOpen,
  encodeOpenContent,
  parseOpen,
  parseOpenContent,
} from '../../enclave/wire/session/open-message.ts';
import {
  encodeRequest,
  encodeResponse,
  parseRequest,
  parseResponse,
} from '../../enclave/wire/session/record-content.ts';
import { runs } from '../support/runs.ts';

const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const u32 = fc.nat({ max: 0xffff_ffff });
const safe = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const status = fc.oneof(
  fc.constant({ code: 0, details: [] }),
  fc.record({
    code: fc.integer({ min: 1, max: 0xffff_ffff }),
    details: fc.uniqueArray(
      fc.record({
        key: fc.stringMatching(/^[A-Za-z]{1,64}$/),
        value: fc.string({ unit: 'grapheme', maxLength: 60 }),
      }),
      { maxLength: 16, selector: ({ key }) => key },
    ),
  }),
);
const place = fc
  .tuple(u32, u32, fc.boolean())
  .map(([channel, channelSeq, end]) =>
    channel === 0 ? { channel, channelSeq: 0, end: true } : { channel, channelSeq, end },
  );

const open = fc
  .record({
    suite: fc.nat({ max: 0xffff }),
    evidenceDigest: bytes(32, 32),
    enc1: bytes(1, 80),
    ct1: bytes(1, 400),
  })
  .map(encodeOpen);
const openContent = fc
  .record({
    publicKey: bytes(1, 80),
    clientTimeMs: safe,
    lastCheckpoint: bytes(0, 300),
    certificates: fc.array(bytes(1, 400), { minLength: 1, maxLength: 5 }),
    algorithm: fc.nat({ max: 255 }),
    signature: bytes(1, 200),
  })
  .map((content) => encodeOpenContent(encodeHello(content), content));
const accept = fc.record({ enc2: bytes(1, 80), ct2: bytes(1, 400) }).map(encodeAccept);
const acceptContent = fc
  .record({
    sessionId: bytes(16, 16),
    principal: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }),
    notAfterMs: fc.integer({ min: 2, max: Number.MAX_SAFE_INTEGER }),
    policyVersion: safe,
    enclaveTimeMs: fc.constantFrom(0, 1),
    checkpoint: bytes(0, 5000),
    maxRecords: fc.integer({ min: 1, max: 2 ** 24 }),
    maxStreams: fc.integer({ min: 1, max: 64 }),
  })
  .map(encodeAcceptContent);
const request = fc
  .tuple(
    fc.record({
      method: fc.stringMatching(/^\/[A-Za-z0-9_.]{1,40}\/[A-Za-z0-9_]{1,40}$/),
      requestId: bytes(16, 16),
      deadlineMs: fc.integer({ min: 1, max: 0xffff_ffff }),
      body: bytes(0, 600),
    }),
    place,
  )
  .map(([call, at]) => encodeRequest({ ...call, ...at }));
const response = fc
  .tuple(fc.record({ inReplyTo: safe, status, body: bytes(0, 600) }), place)
  .map(([{ inReplyTo, status: said, body }, at]) =>
    encodeResponse(
      said.code === 0
        ? { inReplyTo, status: said, body, ...at }
        : { inReplyTo, status: said, body: new Uint8Array(0), ...at, end: true },
    ),
  );

/** Name, what is written, and what becomes of it when it is read and written again. */
const MESSAGES: readonly [string, fc.Arbitrary<Uint8Array>, (given: Uint8Array) => Uint8Array][] = [
  ['Open', open, (given) => encodeOpen(parseOpen(given))],
  [
    'the content of Open',
    openContent,
    (given) => {
      const content = parseOpenContent(given);
      expect(toHex(encodeHello(content))).toBe(toHex(content.hello));
      return encodeOpenContent(content.hello, content);
    },
  ],
  ['Accept', accept, (given) => encodeAccept(parseAccept(given))],
  [
    'the content of Accept',
    acceptContent,
    (given) => encodeAcceptContent(parseAcceptContent(given)),
  ],
  ['a request', request, (given) => encodeRequest(parseRequest(given))],
  ['a response', response, (given) => encodeResponse(parseResponse(given))],
];

/** Undefined for what is refused; anything but a LayoutError fails the test. */
function again(rewrite: (given: Uint8Array) => Uint8Array, given: Uint8Array): string | undefined {
  try {
    return toHex(rewrite(given));
  } catch (error) {
    if (error instanceof LayoutError) return undefined;
    throw error;
  }
}

describe.each(MESSAGES)('%s', (_name, made, rewrite) => {
  test('comes back as it went', () => {
    fc.assert(
      fc.property(made, (given) => {
        expect(again(rewrite, given)).toBe(toHex(given));
      }),
      runs(200),
    );
  });

  test('cut off, or with more behind it, is refused', () => {
    fc.assert(
      fc.property(made, fc.nat(), bytes(1, 300), (given, cut, more) => {
        expect(again(rewrite, given.slice(0, cut % given.byteLength))).toBeUndefined();
        expect(again(rewrite, Uint8Array.from([...given, ...more]))).toBeUndefined();
      }),
      runs(200),
    );
  });

  test('changed anywhere is refused, or is another message in its one form', () => {
    const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(made, fc.array(change, { minLength: 1, maxLength: 4 }), (given, changes) => {
        const changed = Uint8Array.from(given);
        for (const { at, byte } of changes) {
          // Most of a message is padding; half of the changes go to what stands before it.
          const place = at % (at % 2 === 0 ? changed.byteLength : Math.min(64, changed.byteLength));
          changed[place] = (changed[place] ?? 0) ^ byte;
        }
        const result = again(rewrite, changed);
        if (result !== undefined) expect(result).toBe(toHex(changed));
      }),
      runs(1000),
    );
  });
});
