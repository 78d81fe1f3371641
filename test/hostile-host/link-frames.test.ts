/**
 * Frames that are none, that come twice, in another order, cut or spliced. A malformed one closes the link and
 * never the process; what was signed is signed once and logged (docs/spec/frames.md).
 */
import { describe, expect, test } from 'vitest';
import { concatBytes, u32, utf8 } from '../../enclave/wire/bytes.ts';
import { FrameKind } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { MAX_FRAME_BYTES, MAX_REQUEST_BYTES } from '../../enclave/wire/limits.ts';
import { HOST_METHODS, LOG_METHODS, METHODS, STORE_METHODS } from '../../enclave/wire/methods.ts';
import { MTLS_CALLER, signRequest } from '../support/fakes/world.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import {
  bent,
  cancelFrame,
  framed,
  NOTHING,
  prefixed,
  requestFrame,
  responseFrame,
} from '../support/hostile-host/frames.ts';
import type { Rig } from '../support/hostile-host/rig.ts';
import '../support/matchers.ts';

const theRig = attacked();

const SIGN = signRequest('signer', { message: utf8('message') });
const signFrame = (id: bigint): Uint8Array =>
  requestFrame(id, METHODS.sign, SIGN, { untrustedCaller: MTLS_CALLER });
const statusFrame = (id: bigint): Uint8Array => requestFrame(id, METHODS.getStatus);

/** Above every number that was used before: only the rule under test is broken. */
const ID = 1n << 30n;

/** The fields that every frame begins with. */
const HEAD = bent((w) => w.uint32(8).uint32(1).uint32(16).uint64(ID).uint32(24).uint32(1));
const headed = (...rest: readonly Uint8Array[]): Uint8Array => prefixed(concatBytes(HEAD, ...rest));
const repeated = (times: number, ...bytes: readonly number[]): Uint8Array =>
  Uint8Array.from({ length: times * bytes.length }, (_, i) => bytes[i % bytes.length] ?? 0);
const insideCaller = (bytes: Uint8Array): Uint8Array => bent((w) => w.uint32(58).bytes(bytes));

const NUL = Uint8Array.of(0, 1);

/** A caller whose certificate says that it is longer than the caller is; the bytes it takes are the frame's. */
const OVERRUN = concatBytes(
  bent((w) => w.uint32(58).uint32(2)),
  bent((w) => w.uint32(18).uint32(6)),
  bent((w) => w.uint32(42).bytes(Uint8Array.of(1, 2, 3, 4))),
);

const MALFORMED: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ['a length of 0', u32(0)],
  ['a length of 2^32 - 1', u32(0xffff_ffff)],
  ['a length one above the limit', u32(MAX_FRAME_BYTES + 1)],
  ['a hundred thousand lengths of 0', new Uint8Array(400_000)],
  ['no kind', framed({ streamId: ID })],
  ['an unknown kind', framed({ streamId: ID, kind: 9 as FrameKind })],
  [
    'a negative kind',
    prefixed(bent((w) => w.uint32(8).uint32(1).uint32(16).uint64(ID).uint32(24).int32(-1))),
  ],
  ['version 0', framed({ version: 0, streamId: ID, kind: FrameKind.FRAME_KIND_REQUEST })],
  ['version 2', framed({ version: 2, streamId: ID, kind: FrameKind.FRAME_KIND_REQUEST })],
  ['stream id 0', framed({ streamId: 0n, kind: FrameKind.FRAME_KIND_REQUEST })],
  ['bytes after a zero tag', headed(Uint8Array.of(0, 1, 2, 3))],
  ['bytes after a zero tag inside the caller', headed(insideCaller(Uint8Array.of(8, 3, 0, 8, 4)))],
  ['a caller that runs past its length into the frame', headed(OVERRUN)],
  ['a group', headed(Uint8Array.of(0x7b, 0x7c))],
  ['a group inside the caller', headed(insideCaller(Uint8Array.of(0x7b, 0x7c)))],
  ['field number 0', headed(Uint8Array.of(2, 0))],
  ['wire type 7', headed(Uint8Array.of(0x7f))],
  ['a number that is cut', headed(Uint8Array.of(0x78, 0x80))],
  ['a body longer than its frame', headed(bent((w) => w.uint32(42).uint32(1000)))],
  ['a hundred thousand details', headed(repeated(100_000, 74, 0))],
  ['HTTP/2', utf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  ['TLS', Uint8Array.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])],
  [
    'half of one frame and half of another',
    concatBytes(signFrame(ID).subarray(0, 20), statusFrame(ID + 1n).subarray(10)),
  ],
];

/** The enclave closes the link, and has not signed what came behind the attack. */
async function expectClosed(rig: Rig, attack: (id: bigint) => Uint8Array): Promise<void> {
  const { pid } = rig.enclave;
  const { link } = rig.host;
  const before = rig.host.ledger.intents;
  link.send(attack(rig.host.nextId()));
  link.send(signFrame(1n << 40n));
  await link.closed;
  expect(rig.host.ledger.intents).toBe(before);
  await rig.expectUnharmed(pid);
}

describe('closes the link, and only the link', () => {
  test.each(MALFORMED)('%s', async (_, bytes) => {
    await expectClosed(theRig(), () => bytes);
  });

  test('a response to a call that was never made', async () => {
    await expectClosed(theRig(), () => responseFrame(1n << 40n));
  });

  test('a request number that goes back to 1', async () => {
    await expectClosed(theRig(), () => concatBytes(statusFrame(1n << 63n), statusFrame(1n)));
  });

  test('two requests in exchanged order', async () => {
    await expectClosed(theRig(), (id) => concatBytes(statusFrame(id + 2n), statusFrame(id + 1n)));
  });
});

describe('a recorded Sign', () => {
  test('that is sent again on its connection closes the link and signs nothing more', async () => {
    const rig = theRig();
    const { host } = rig;
    const { pid } = rig.enclave;
    const id = host.nextId();
    const answer = host.answerTo(id);
    host.link.send(signFrame(id));
    await answer;
    const signed = host.ledger.intents;
    host.link.send(signFrame(id));
    await host.link.closed;
    expect(host.ledger.intents).toBe(signed);
    await rig.expectUnharmed(pid);
  });

  test('that is sent twice in one write is signed once at most', async () => {
    const rig = theRig();
    const { host } = rig;
    const { pid } = rig.enclave;
    const before = host.ledger.intents;
    const id = host.nextId();
    host.link.send(concatBytes(signFrame(id), signFrame(id)));
    await host.link.closed;
    await rig.connect();
    expect(host.ledger.intents - before).toBeLessThanOrEqual(1);
    await rig.expectUnharmed(pid);
  });

  test('that is replayed on a new connection is a call of its own, with a leaf of its own', async () => {
    const rig = theRig();
    const { host } = rig;
    await rig.sign('signer');
    const recorded = host.sent.findLast(({ method }) => method === METHODS.sign);
    if (recorded === undefined) throw new Error('nothing recorded');
    const before = host.ledger.intents;
    host.link.drop();
    await rig.connect();
    const id = host.nextId();
    const answer = host.answerTo(id);
    host.link.send(framed({ ...recorded, streamId: id }));
    await answer;
    expect(host.ledger.intents).toBe(before + 1);
  });
});

describe('a Sign that is cut', () => {
  const whole = signFrame(1n << 20n);
  const header = whole.byteLength - SIGN.byteLength;

  test('after each byte of its header is never signed', async () => {
    const rig = theRig();
    const { pid } = rig.enclave;
    const before = rig.host.ledger.intents;
    for (let cut = 0; cut < header; cut += 1) {
      rig.host.link.send(whole.subarray(0, cut));
      rig.host.link.drop();
      await rig.connect();
    }
    expect(rig.host.ledger.intents).toBe(before);
    await rig.expectUnharmed(pid);
  });

  test('out of any one byte of its header closes the link before long', async () => {
    const rig = theRig();
    const { host } = rig;
    const { pid } = rig.enclave;
    // What follows is read as the rest of it, however long it says that it is: a frame of less than 4 KiB without the
    // first byte of its length says less than 1 MiB, or more than a frame may have.
    const padding = new Uint8Array(1024 * 1024);
    expect(whole.byteLength).toBeLessThan(4096);
    for (let at = 0; at < header; at += 1) {
      const rest = concatBytes(whole.subarray(0, at), whole.subarray(at + 1));
      host.link.send(concatBytes(rest, signFrame(1n << 21n), padding));
      await host.link.closed;
      await rig.connect();
    }
    await rig.expectUnharmed(pid);
  });

  test('into single bytes is signed once', async () => {
    const rig = theRig();
    const { host } = rig;
    const before = host.ledger.intents;
    const id = host.nextId();
    const answer = host.answerTo(id);
    for (const byte of signFrame(id)) host.link.send(Uint8Array.of(byte));
    await answer;
    expect(host.ledger.intents).toBe(before + 1);
  });
});

describe('leaves the link open', () => {
  test('a CANCEL of a call that never was, and of one that was answered', async () => {
    const rig = theRig();
    await rig.status();
    rig.host.link.send(concatBytes(cancelFrame(1n << 50n), cancelFrame(1n), cancelFrame(1n)));
    await rig.expectUnharmed(rig.enclave.pid);
  });

  test('an answer that is given twice: the second is nobody’s', async () => {
    const rig = theRig();
    rig.host.lie(LOG_METHODS.append, async ({ connection, streamId }, honest) => {
      connection.send(responseFrame(streamId, await honest()));
      connection.send(responseFrame(streamId, utf8('no answer')));
      return undefined;
    });
    const { link } = rig.host;
    await rig.sign('signer');
    await rig.sign('signer');
    expect(link.open).toBe(true);
  });

  test('a Sign that is cancelled after its leaf was sent keeps the leaf and loses the answer', async () => {
    const rig = theRig();
    const { host } = rig;
    const id = host.nextId();
    host.lie(LOG_METHODS.append, ({ connection }, honest) => {
      connection.send(cancelFrame(id));
      return honest();
    });
    const { intents, released } = host.ledger;
    host.link.send(signFrame(id));
    await rig.sign('signer');
    expect(host.ledger.intents - intents).toBe(2);
    expect(host.ledger.released - released).toBe(1);
  });
});

describe('is refused by name', () => {
  test.each([
    ['no method', ''],
    ['a method of the host’s store', STORE_METHODS.get],
    ['a method of the host’s log', LOG_METHODS.append],
    ['a path with another case', METHODS.sign.toUpperCase()],
    ['a path with a slash more', `${METHODS.sign}/`],
    ['a method of four million characters', 'x'.repeat(4_000_000)],
    ['a method of control characters', '\0\r\n\u001b[2J'],
    ['a name of every object', '__proto__'],
  ])('%s', async (_, method) => {
    await expect(theRig().host.call(method, NOTHING)).toRefuseWith('METHOD_UNKNOWN', {});
  });

  test.each([
    ['Sign', METHODS.sign, MAX_REQUEST_BYTES],
    ['GetEvidence', METHODS.getEvidence, MAX_REQUEST_BYTES],
    ['a drained host', HOST_METHODS.drained, MAX_REQUEST_BYTES],
    ['a method that nobody knows', 'unknown', MAX_REQUEST_BYTES],
    ['SignBatch', METHODS.signBatch, 16 * MAX_REQUEST_BYTES],
    ['ProposeGenesis', METHODS.proposeGenesis, 16 * MAX_REQUEST_BYTES],
  ])('%s with a body one byte too long', async (_, method, limit) => {
    const call = theRig().host.call(method, new Uint8Array(limit + 1));
    await expect(call).toRefuseWith('FRAME_TOO_LARGE', {
      limitBytes: String(limit),
      actualBytes: String(limit + 1),
    });
  });

  test.each([
    ['no message', Uint8Array.of(0xff)],
    ['bytes after a zero tag', concatBytes(SIGN, Uint8Array.of(0, 1))],
    [
      'bytes after a zero tag inside its payload',
      concatBytes(SIGN, Uint8Array.of(26, 3, 0, 10, 0)),
    ],
    ['a payload that runs past its length', concatBytes(SIGN, Uint8Array.of(26, 1, 10, 1, 65))],
    ['twenty thousand fields', concatBytes(SIGN, new Uint8Array(40_000).fill(0x78))],
    ['a group', concatBytes(SIGN, Uint8Array.of(0x7b, 0x7c))],
  ])('a Sign of %s', async (_, body) => {
    const call = theRig().host.call(METHODS.sign, body, { caller: MTLS_CALLER });
    await expect(call).toRefuseWith('REQUEST_MALFORMED', {});
  });

  test.each([
    ['half a million empty items', repeated(500_000, 10, 0)],
    [
      'bytes after a zero tag',
      concatBytes(
        bent((w) => w.uint32(10).bytes(SIGN)),
        NUL,
      ),
    ],
    ['an item that runs past the end', Uint8Array.of(10, 9, 10)],
  ])('a SignBatch of %s', async (_, body) => {
    const call = theRig().host.call(METHODS.signBatch, body, { caller: MTLS_CALLER });
    await expect(call).toRefuseWith('REQUEST_MALFORMED', {});
  });

  test('a genesis of a cluster that is served', async () => {
    await expect(theRig().genesis()).toRefuseWith('GENESIS_NOT_ALLOWED', {});
  });
});

describe('a deadline', () => {
  test.each([
    ['of 0', bent((w) => w.uint32(48).uint32(0))],
    ['of 2^32 - 1', bent((w) => w.uint32(48).uint32(0xffff_ffff))],
    ['of 2^64 - 1', bent((w) => w.uint32(48).uint64(0xffff_ffff_ffff_ffffn))],
    ['of -1', bent((w) => w.uint32(48).int32(-1))],
  ])('%s is one that a call can be signed under', async (_, deadline) => {
    const { host } = theRig();
    const id = host.nextId();
    const answer = host.answerTo(id);
    host.link.send(prefixed(concatBytes(signFrame(id).subarray(4), deadline)));
    expect((await answer).byteLength).toBeGreaterThan(0);
  });
});

describe('a second host', () => {
  test('that connects meanwhile is turned away, and the first is served', async () => {
    const rig = theRig();
    const first = rig.host.link;
    for (let i = 0; i < 20; i += 1) {
      const watcher = { fromEnclave: () => undefined, toEnclave: () => undefined };
      const second = await first.again(watcher);
      second.send(statusFrame(1n));
      await second.closed;
    }
    expect(first.open).toBe(true);
    await rig.expectUnharmed(rig.enclave.pid);
  });

  test('takes the place of one that closed its half of the connection', async () => {
    const rig = theRig();
    const first = rig.host.link;
    first.halfClose();
    await first.closed;
    await rig.expectUnharmed(rig.enclave.pid);
  });
});
