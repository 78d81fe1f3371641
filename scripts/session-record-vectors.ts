// Vectors of "Records" in docs/spec/session.md: contents, records, and what a receiver makes of a sequence of them.
import { fixedBytes, hex, vector, type VectorCase } from './vector-file.ts';
import {
  KEYS,
  concat,
  keys,
  pad,
  record,
  requestContent,
  responseContent,
  type Direction,
  type Request,
  type Response,
  type Sealing,
  type Suite,
} from './vector-records.ts';

function contentCases(): VectorCase[] {
  const request = (id: string, comment: string, value: Request, rule = 'accept'): VectorCase =>
    vector(id, comment, { content: hex(pad(requestContent(value))) }, rule, undefined, ['request']);
  const response = (id: string, comment: string, value: Response, rule = 'accept'): VectorCase =>
    vector(id, comment, { content: hex(pad(responseContent(value))) }, rule, undefined, [
      'response',
    ]);
  const raw = (id: string, comment: string, content: Uint8Array): VectorCase =>
    vector(id, comment, { content: hex(content) }, 'CONTENT', undefined, ['request']);
  const none = { body: new Uint8Array(0) };
  const refusal = { code: 302, ...none };
  return [
    request('request-unary', 'a unary call', {}),
    request('request-empty-body', 'an empty body', none),
    request('request-bucket', 'the content fills 256 bytes', {
      body: fixedBytes('b', 64).slice(0, 64),
      method: `/${'a'.repeat(60)}/${'b'.repeat(64)}`,
    }),
    request('request-stream', 'first of a stream', { channel: 1, end: 0 }),
    request('request-largest', 'largest numbers', {
      channel: 0xffff_ffff,
      channelSeq: 0xffff_ffff,
      deadlineMs: 0xffff_ffff,
    }),
    request('request-no-deadline', 'no deadline', { deadlineMs: 0 }, 'CONTENT'),
    request('request-no-method', 'no method', { method: '' }, 'CONTENT'),
    request('request-method', 'not a path', { method: 'Sign' }, 'CONTENT'),
    request(
      'request-method-long',
      '129 characters',
      { method: `/a/${'b'.repeat(126)}` },
      'CONTENT',
    ),
    request('request-unary-open', 'a unary call without end', { end: 0 }, 'CONTENT'),
    request('request-unary-second', 'a second record on channel 0', { channelSeq: 1 }, 'CONTENT'),
    request('request-end', 'end is 2', { channel: 1, end: 2 }, 'CONTENT'),
    raw('request-no-padding', 'not padded', requestContent()),
    raw(
      'request-long-padding',
      'a bucket too long',
      concat(pad(requestContent()), new Uint8Array(256)),
    ),
    raw('request-padding', 'padding that says something', pad(requestContent()).fill(1, -1)),
    raw('request-truncated', 'a body longer than the content', pad(requestContent()).slice(0, 80)),
    response('response-unary', 'an answer', {}),
    response('response-refusal', 'RATE_LIMITED with its detail', {
      ...refusal,
      details: [['limitPerSecond', '20']],
    }),
    response('response-details', 'two details, ascending', {
      ...refusal,
      details: [
        ['actualBytes', '31'],
        ['expectedBytes', '32'],
      ],
    }),
    response(
      'response-details-order',
      'two details, descending',
      {
        ...refusal,
        details: [
          ['expectedBytes', '32'],
          ['actualBytes', '31'],
        ],
      },
      'CONTENT',
    ),
    response(
      'response-details-twice',
      'one detail twice',
      {
        ...refusal,
        details: [
          ['ring', 'a'],
          ['ring', 'a'],
        ],
      },
      'CONTENT',
    ),
    response('response-details-count', 'one fewer than said', { ...refusal, count: 1 }, 'CONTENT'),
    response(
      'response-success-detail',
      'success with a detail',
      { ...none, details: [['ring', 'a']] },
      'CONTENT',
    ),
    response('response-refusal-body', 'a refusal with a body', { code: 302 }, 'CONTENT'),
    response(
      'response-refusal-open',
      'a refusal after which more follows',
      { ...refusal, channel: 1, end: 0 },
      'CONTENT',
    ),
    response('response-reply-large', 'in reply to 2^53', { inReplyTo: 2n ** 53n }, 'CONTENT'),
  ];
}

function recordCases(): VectorCase[] {
  const sealed = (id: string, comment: string, suite: Suite, direction: Direction): VectorCase => {
    const content = pad(direction === 0 ? requestContent() : responseContent());
    const input = { ...keys, suite, direction, seq: 5, content: hex(content) };
    const output = { record: hex(record(direction, 5, content, { suite })) };
    return vector(id, comment, input, 'accept', output, ['record']);
  };
  return [
    sealed('record-chacha-request', 'suites 1 and 3, to the enclave', 1, 0),
    sealed('record-chacha-response', 'suites 1 and 3, to the client', 1, 1),
    sealed('record-aes-request', 'suite 2, to the enclave', 2, 0),
    sealed('record-aes-response', 'suite 2, to the client', 2, 1),
  ];
}

/** A record and what becomes of it. */
type Step = readonly [Uint8Array, string];

const ok = (bytes: Uint8Array): Step => [bytes, 'accept'];

function sequenceCases(): VectorCase[] {
  const sequence = (
    id: string,
    comment: string,
    flag: 'to-enclave' | 'to-client',
    input: object,
    ...steps: readonly Step[]
  ): VectorCase =>
    vector(
      id,
      comment,
      { ...keys, suite: 1, ...input, records: steps.map(([bytes]) => hex(bytes)) },
      'accept',
      { outcomes: steps.map(([, outcome]) => outcome) },
      [flag],
    );
  const unary = (seq: number, request: Request = {}, sealing: Sealing = {}): Uint8Array =>
    record(0, seq, pad(requestContent(request)), sealing);
  const stream = (seq: number, channel: number, channelSeq: number, more: Request = {}) =>
    unary(seq, { channel, channelSeq, end: 0, ...more });
  const toEnclave = (id: string, comment: string, ...steps: readonly Step[]): VectorCase =>
    sequence(id, comment, 'to-enclave', {}, ...steps);
  const answer = (seq: number, response: Response = {}): Uint8Array =>
    record(1, seq, pad(responseContent(response)));
  /** The client has begun these calls, each with one record: its first unary call is answered by `inReplyTo` 0. */
  const toClient = (
    id: string,
    comment: string,
    calls: readonly ('unary' | 'stream')[],
    ...steps: readonly Step[]
  ): VectorCase => sequence(id, comment, 'to-client', { calls }, ...steps);
  const changed = (bytes: Uint8Array, at: number): Uint8Array =>
    bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  return [
    toEnclave('replay', 'a record twice', ok(unary(0)), [unary(0), 'REPLAYED']),
    toEnclave('reorder', 'unary calls in any order', ok(unary(2)), ok(unary(0)), ok(unary(1)), [
      unary(0),
      'REPLAYED',
    ]),
    toEnclave(
      'window',
      'the window is 4,096 wide',
      ok(unary(4096)),
      [unary(0), 'TOO_OLD'],
      ok(unary(1)),
      [unary(1), 'REPLAYED'],
    ),
    toEnclave('window-jump', 'what left the window stays out', ok(unary(0)), ok(unary(9000)), [
      unary(0),
      'TOO_OLD',
    ]),
    toEnclave(
      'stream',
      'a stream beside unary calls',
      ok(stream(0, 1, 0)),
      ok(unary(2)),
      ok(stream(1, 1, 1)),
      ok(stream(3, 1, 2, { end: 1 })),
      [stream(3, 1, 2, { end: 1 }), 'STREAM_CLOSED'],
    ),
    toEnclave(
      'stream-slow',
      'a stream is not bound to the window',
      ok(stream(0, 1, 0)),
      ok(unary(9000)),
      ok(stream(1, 1, 1)),
    ),
    toEnclave('stream-gap', 'a record of a stream is missing', ok(stream(0, 1, 0)), [
      stream(2, 1, 2),
      'STREAM_ORDER',
    ]),
    toEnclave(
      'stream-replay',
      'a record of a stream twice',
      ok(stream(0, 1, 0)),
      ok(stream(1, 1, 1)),
      [stream(1, 1, 1), 'STREAM_ORDER'],
    ),
    toEnclave('stream-first-replay', 'the first record of a stream twice', ok(stream(0, 1, 0)), [
      stream(0, 1, 0),
      'REPLAYED',
    ]),
    toEnclave('stream-twice', 'a channel that is open', ok(stream(0, 1, 0)), [
      stream(1, 1, 0),
      'STREAM_OPEN',
    ]),
    toEnclave('stream-unknown', 'no first record', [stream(0, 1, 1), 'STREAM_CLOSED']),
    toEnclave(
      'stream-splice',
      'a record of an earlier stream of the same channel',
      ok(stream(0, 1, 0, { end: 1 })),
      ok(stream(2, 1, 0)),
      [stream(1, 1, 1), 'STREAM_ORDER'],
      ok(stream(3, 1, 1)),
    ),
    toEnclave('stream-method', 'another method later', ok(stream(0, 1, 0)), [
      stream(1, 1, 1, { method: '/sealwright.v1.KeyService/GetKey' }),
      'STREAM_CHANGED',
    ]),
    toEnclave('stream-request-id', 'another request id later', ok(stream(0, 1, 0)), [
      stream(1, 1, 1, { requestId: fixedBytes('other request', 16) }),
      'STREAM_CHANGED',
    ]),
    toEnclave('stream-deadline', 'another deadline later', ok(stream(0, 1, 0)), [
      stream(1, 1, 1, { deadlineMs: 6000 }),
      'STREAM_CHANGED',
    ]),
    toEnclave(
      'streams',
      'one more than 64',
      ...Array.from({ length: 64 }, (_, i) => ok(stream(i, i + 1, 0))),
      [stream(64, 65, 0), 'STREAMS'],
      ok(stream(65, 1, 1, { end: 1 })),
      ok(stream(66, 65, 0)),
    ),
    toEnclave('other-version', 'another version', [unary(0, {}, { version: 2 }), 'VERSION']),
    toEnclave('other-direction', 'a record for the client', [answer(0), 'DIRECTION']),
    toEnclave('other-session', 'of another session', [
      unary(0, {}, { sessionId: fixedBytes('other session', 16) }),
      'SESSION',
    ]),
    toEnclave('other-key', 'of another key', [unary(0, {}, { key: KEYS[1] }), 'AEAD']),
    toEnclave(
      'sequence',
      'the number after the last',
      [unary(2 ** 24), 'SEQUENCE'],
      ok(unary(2 ** 24 - 1)),
    ),
    toEnclave('header', 'a changed number', [changed(unary(0), 25), 'AEAD'], ok(unary(0))),
    toEnclave('ciphertext', 'a changed bit', [changed(unary(0), 30), 'AEAD'], ok(unary(0))),
    toEnclave(
      'short',
      'a byte short',
      [unary(0).slice(0, -1), 'LENGTH'],
      [new Uint8Array(0), 'LENGTH'],
    ),
    toEnclave('long', 'a byte more', [concat(unary(0), Uint8Array.of(0)), 'AEAD']),
    toEnclave('malformed', 'sealed by the client, and no request', [
      record(0, 0, new Uint8Array(256)),
      'CONTENT',
    ]),
    toClient(
      'answer',
      'answers in any order',
      ['unary', 'unary'],
      ok(answer(0, { inReplyTo: 1 })),
      ok(answer(1)),
    ),
    toClient('answer-twice', 'a second answer', ['unary'], ok(answer(0)), [
      answer(1),
      'IN_REPLY_TO',
    ]),
    toClient('answer-replay', 'an answer twice', ['unary'], ok(answer(0)), [answer(0), 'REPLAYED']),
    toClient(
      'answer-never-asked',
      'to a request never sent',
      ['unary'],
      [answer(0, { inReplyTo: 1 }), 'IN_REPLY_TO'],
    ),
    toClient(
      'answer-channel',
      'on another channel',
      ['unary'],
      [answer(0, { channel: 1 }), 'IN_REPLY_TO'],
    ),
    toClient('answer-window', 'below the window', ['unary', 'unary'], ok(answer(4096)), [
      answer(0, { inReplyTo: 1 }),
      'TOO_OLD',
    ]),
    toClient(
      'answers',
      'a stream of answers',
      ['stream'],
      ok(answer(0, { channel: 1, end: 0 })),
      ok(answer(1, { channel: 1, channelSeq: 1 })),
      [answer(2, { channel: 1, channelSeq: 2 }), 'IN_REPLY_TO'],
    ),
    toClient(
      'answers-gap',
      'one of them is missing',
      ['stream'],
      ok(answer(0, { channel: 1, end: 0 })),
      [answer(2, { channel: 1, channelSeq: 2 }), 'STREAM_ORDER'],
    ),
    toClient(
      'answers-order',
      'numbers that fall',
      ['stream'],
      ok(answer(5, { channel: 1, end: 0 })),
      [answer(4, { channel: 1, channelSeq: 1 }), 'STREAM_ORDER'],
    ),
    toClient(
      'answers-first',
      'the second one first',
      ['stream'],
      [answer(0, { channel: 1, channelSeq: 1 }), 'STREAM_ORDER'],
    ),
    toClient('request-returned', "the client's own record", ['unary'], [unary(0), 'DIRECTION']),
  ];
}

export function sessionRecordCases(): VectorCase[] {
  return [...contentCases(), ...recordCases(), ...sequenceCases()];
}
