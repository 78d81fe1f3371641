/**
 * A host that sends too much, too little at a time, or never reads: memory stays bounded, the process lives, and
 * an honest call is served afterwards. Memory is read from /proc; the bounds follow enclave/wire/limits.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { concatBytes, u32, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal, type Reason } from '../../enclave/wire/error-code.ts';
import { MAX_IN_FLIGHT, MAX_RESPONSE_BYTES } from '../../enclave/wire/limits.ts';
import { HOST_METHODS, METHODS, STORE_METHODS } from '../../enclave/wire/methods.ts';
import { MTLS_CALLER, PEER_CALLER, signRequest } from '../support/fakes/world.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import {
  bent,
  cancelFrame,
  NOTHING,
  prefixed,
  requestFrame,
} from '../support/hostile-host/frames.ts';
import type { Rig } from '../support/hostile-host/rig.ts';
import '../support/matchers.ts';

const theRig = attacked();

/** Calls in flight may hold 128 MiB, their chunks and the collector's delay as much again; an idle enclave has 70. */
const MOST_MIB = 450;
/** What an attack may leave behind that holds nothing. */
const SLACK_MIB = 64;

const SIGN = signRequest('signer', { message: utf8('message') });

const PADDING = bent((w) => w.uint32(794).bytes(new Uint8Array(4_150_000)));

/** A call in a frame of 4 MiB: the rest is a field that nobody knows. */
function padded(id: bigint, method: string): Uint8Array {
  return prefixed(concatBytes(requestFrame(id, method).subarray(4), PADDING));
}

/** From now on nothing of the store is durable, and whoever says goodbye waits; until the function is called. */
async function standstill(rig: Rig): Promise<() => void> {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  rig.host.lie(STORE_METHODS.put, async (_, honest) => {
    await gate;
    return honest();
  });
  // There is something to say goodbye for.
  await rig.sign('signer');
  return release;
}

/** How the calls ended, by reason. */
async function counted(
  calls: readonly Promise<unknown>[],
): Promise<Map<Reason | 'answered', number>> {
  const ends = new Map<Reason | 'answered', number>();
  for (const end of await Promise.allSettled(calls)) {
    if (end.status === 'rejected' && !(end.reason instanceof Refusal))
      throw new Error('cut off', { cause: end.reason });
    const key = end.status === 'fulfilled' ? 'answered' : (end.reason as Refusal).reason;
    ends.set(key, (ends.get(key) ?? 0) + 1);
  }
  return ends;
}

/** Resolves when the enclave has done what it could: it uses no processor time any more. */
async function idle(rig: Rig): Promise<void> {
  for (let last = -1; last !== rig.enclave.cpuTicks();) {
    last = rig.enclave.cpuTicks();
    await sleep(300);
  }
}

async function survives(rig: Rig, mostMib = MOST_MIB): Promise<void> {
  expect(rig.enclave.memory().peak).toBeLessThan(mostMib);
  await rig.expectUnharmed(rig.enclave.pid);
}

test('a gigabyte of frames that are too large, as fast as it goes', async () => {
  const rig = theRig();
  const body = new Uint8Array(MAX_RESPONSE_BYTES);
  const calls: Promise<Uint8Array>[] = [];
  for (let i = 0; i < 256; i += 1) {
    const id = rig.host.nextId();
    calls.push(rig.host.answerTo(id));
    const whole = requestFrame(id, 'unknown', body);
    await rig.host.link.pour(whole);
  }
  expect(await counted(calls)).toEqual(new Map([['FRAME_TOO_LARGE', 256]]));
  await survives(rig);
});

test('a frame of 4 MiB, byte by byte, costs no more than its bytes', async () => {
  const rig = theRig();
  const before = rig.enclave.memory().now;
  await rig.host.link.pour(u32(MAX_RESPONSE_BYTES));
  for (let i = 0; i < 200_000; i += 1) await rig.host.link.pour(Uint8Array.of(0));
  expect(rig.enclave.memory().now - before).toBeLessThan(SLACK_MIB / 2);
  rig.host.link.drop();
  await rig.connect();
  await survives(rig);
});

test('three hundred connections that each promise 4 MiB and hang up', async () => {
  const rig = theRig();
  for (let i = 0; i < 300; i += 1) {
    rig.host.link.drop();
    await rig.connect();
    await rig.host.link.pour(concatBytes(u32(MAX_RESPONSE_BYTES), new Uint8Array(1000)));
  }
  rig.host.link.drop();
  await rig.connect();
  await survives(rig);
});

test('calls in flight of 4 MiB each are refused beyond what is kept for calls', async () => {
  const rig = theRig();
  const release = await standstill(rig);
  const calls: Promise<Uint8Array>[] = [];
  for (let i = 0; i < 100; i += 1) {
    const id = rig.host.nextId();
    calls.push(rig.host.answerTo(id));
    await rig.host.link.pour(padded(id, HOST_METHODS.drained));
  }
  release();
  expect(await counted(calls)).toEqual(
    new Map([
      ['answered', 32],
      ['RATE_LIMITED', 68],
    ]),
  );
  await survives(rig);
});

test('a host that hangs up and calls again gets no more in flight', async () => {
  const rig = theRig();
  const release = await standstill(rig);
  for (let connection = 0; connection < 4; connection += 1) {
    const calls: Promise<Uint8Array>[] = [];
    for (let i = 0; i < 40; i += 1) {
      const id = rig.host.nextId();
      calls.push(rig.host.answerTo(id));
      await rig.host.link.pour(padded(id, HOST_METHODS.drained));
    }
    const refused = connection === 0 ? calls.slice(32) : calls;
    expect(await counted(refused)).toEqual(new Map([['RATE_LIMITED', refused.length]]));
    rig.host.link.drop();
    await rig.connect();
  }
  release();
  await survives(rig);
});

test('a hundred thousand calls beside a thousand that wait', async () => {
  const rig = theRig();
  const release = await standstill(rig);
  const waiting = Array.from({ length: MAX_IN_FLIGHT }, () =>
    rig.host.call(HOST_METHODS.drained, NOTHING),
  );
  const calls: Promise<Uint8Array>[] = [];
  const frames: Uint8Array[] = [];
  for (let i = 0; i < 100_000; i += 1) {
    const id = rig.host.nextId();
    calls.push(rig.host.answerTo(id));
    frames.push(requestFrame(id, METHODS.sign, SIGN, { untrustedCaller: MTLS_CALLER }));
  }
  await rig.host.link.pour(concatBytes(...frames));
  expect(await counted(calls)).toEqual(new Map([['RATE_LIMITED', 100_000]]));
  release();
  expect(await counted(waiting)).toEqual(new Map([['answered', MAX_IN_FLIGHT]]));
  await survives(rig);
});

test('a hundred thousand calls of nothing', async () => {
  const rig = theRig();
  const calls: Promise<Uint8Array>[] = [];
  const frames: Uint8Array[] = [];
  for (let i = 0; i < 100_000; i += 1) {
    const id = rig.host.nextId();
    calls.push(rig.host.answerTo(id));
    frames.push(requestFrame(id, 'x'));
  }
  await rig.host.link.pour(concatBytes(...frames));
  expect(await counted(calls)).toEqual(new Map([['METHOD_UNKNOWN', 100_000]]));
  await survives(rig);
});

test('a hundred thousand cancels of calls that never were, and of one that is', async () => {
  const rig = theRig();
  const release = rig.host.services.log.hold();
  const id = rig.host.nextId();
  const sign = requestFrame(id, METHODS.sign, SIGN, { untrustedCaller: MTLS_CALLER });
  const cancels = Array.from({ length: 100_000 }, (_, i) => cancelFrame(id + BigInt(i)));
  await rig.host.link.pour(concatBytes(sign, ...cancels));
  release();
  await survives(rig);
});

test('a million empty certificates in one frame close the link', async () => {
  const rig = theRig();
  const certificates = new Uint8Array(2_000_000).map((_, i) => (i % 2 === 0 ? 18 : 0));
  const caller = concatBytes(
    bent((w) => w.uint32(8).uint32(4).uint32(26).string('x')),
    certificates,
  );
  const head = requestFrame(rig.host.nextId(), METHODS.sign, SIGN).subarray(4);
  const { link } = rig.host;
  await link.pour(
    prefixed(
      concatBytes(
        head,
        bent((w) => w.uint32(58).bytes(caller)),
      ),
    ),
  );
  await link.closed;
  await survives(rig);
});

test('ten thousand empty certificates of a peer are no chain', async () => {
  const certificates = Array<Uint8Array>(10_000).fill(NOTHING);
  const caller = { ...PEER_CALLER, certificates };
  await expect(theRig().sign('peer', { caller })).toRefuseWith('CALLER_UNAUTHENTICATED', {
    policyId: 'caller',
    actual: 'chain-length',
  });
  await expect(theRig().host.call(METHODS.getStatus, NOTHING, { caller })).toRefuseWith(
    'CALLER_UNAUTHENTICATED',
  );
});

test('a host that asks and never reads is not read, and is served when it reads', async () => {
  const rig = theRig();
  const { link } = rig.host;
  const before = rig.enclave.memory().now;
  link.deafen();
  // Answers of 300 bytes each.
  const frames = Array.from({ length: 40_000 }, () =>
    requestFrame(rig.host.nextId(), METHODS.getStatus),
  );
  const poured = link.pour(concatBytes(...frames));
  await idle(rig);
  expect(link.unsent).toBeGreaterThan(0);
  expect(rig.enclave.memory().now - before).toBeLessThan(SLACK_MIB);
  link.listen();
  await poured;
  await survives(rig);
});

test('a host that asks for large answers and never reads them is cut off', async () => {
  const rig = theRig();
  const { link } = rig.host;
  const before = rig.enclave.memory().now;
  link.deafen();
  const frames = Array.from({ length: 20_000 }, () =>
    requestFrame(rig.host.nextId(), METHODS.listKeys),
  );
  void link.pour(concatBytes(...frames));
  await idle(rig);
  expect(rig.enclave.memory().now - before).toBeLessThan(2 * SLACK_MIB);
  link.drop();
  await rig.connect();
  await survives(rig);
});

test('five hundred goodbyes at once write one head after the other', async () => {
  const rig = theRig();
  let puts = 0;
  let atOnce = 0;
  let most = 0;
  rig.host.lie(STORE_METHODS.put, async (_, honest) => {
    puts += 1;
    atOnce += 1;
    most = Math.max(most, atOnce);
    await sleep(2);
    atOnce -= 1;
    return honest();
  });
  await rig.sign('signer');
  const calls = Array.from({ length: 500 }, () => rig.host.call(HOST_METHODS.drained, NOTHING));
  const signs = Array.from({ length: 20 }, () => rig.sign('signer'));
  expect(await counted(calls)).toEqual(new Map([['answered', 500]]));
  await Promise.all(signs);
  expect(most).toBe(1);
  expect(puts).toBeLessThanOrEqual(signs.length + 1);
  await survives(rig);
});

test('requests for evidence of the platform itself are refused beyond its rate', async () => {
  const rig = theRig();
  // Field 1: nonce; field 2: fresh.
  const body = bent((w) => w.uint32(10).bytes(new Uint8Array(32)).uint32(16).bool(true));
  const calls = Array.from({ length: 200 }, () => rig.host.call(METHODS.getEvidence, body));
  const ends = await counted(calls);
  expect(ends.get('answered')).toBeLessThanOrEqual(4);
  expect(ends.get('RATE_LIMITED')).toBeGreaterThanOrEqual(196);
  await survives(rig);
});

test('more calls for the token than it signs are refused or wait their turn', async () => {
  const rig = theRig();
  const calls = Array.from({ length: 2 * MAX_IN_FLIGHT }, () => rig.sign('token'));
  const ends = await counted(calls);
  expect([...ends.keys()].filter((end) => !TOKEN_ENDS.has(end))).toEqual([]);
  expect(ends.get('answered')).toBeGreaterThan(0);
  await survives(rig);
});

const TOKEN_ENDS = new Set<string>(['answered', 'RATE_LIMITED', 'TOKEN_UNAVAILABLE']);
