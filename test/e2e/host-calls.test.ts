import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GetStatusResponse, Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { FrameKind, type Frame } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { encodeFrame } from '../../enclave/wire/frame.ts';
import {
  MAX_BATCH_REQUEST_BYTES,
  MAX_DEADLINE_MS,
  MAX_DOCUMENT_REQUEST_BYTES,
  MAX_REQUEST_BYTES,
} from '../../enclave/wire/limits.ts';
import type { CallHandler, IncomingCall } from '../../enclave/wire/link.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { MAX_OPEN_CALLS } from '../../src/host/limits.ts';
import { SIGN_RESPONSE } from '../support/fake-enclave.ts';
import { HostBed, call, until, type HostProcess } from '../support/host-harness.ts';

const bed = new HostBed();
let host: HostProcess;
let client: Client;

const never: CallHandler = () => new Promise(() => undefined);
const echo: CallHandler = ({ body }) => Uint8Array.from(body);

beforeAll(async () => {
  host = await bed.serve();
  client = bed.client(host);
});
beforeEach(() => {
  bed.enclave.calls.length = 0;
  bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
});
afterAll(() => bed.close());

const lastCall = async (count = 1): Promise<IncomingCall> => {
  await until(() => bed.enclave.calls.length >= count, 'a call at the enclave');
  const seen = bed.enclave.calls.at(-1);
  if (seen === undefined) throw new Error('no call');
  return seen;
};

describe('sizes', () => {
  it.each([
    [METHODS.sign, MAX_REQUEST_BYTES],
    [METHODS.signBatch, MAX_BATCH_REQUEST_BYTES],
    [METHODS.getKey, MAX_REQUEST_BYTES],
    [METHODS.proposeGenesis, MAX_DOCUMENT_REQUEST_BYTES],
  ])('%s takes %d bytes and not one more', async (path, limit) => {
    bed.enclave.on(path, echo);
    const full = Buffer.alloc(limit, 7);
    const outcome = await call(client, path, full);
    expect(outcome.code).toBe(0);
    expect(outcome.answer?.equals(full)).toBe(true);
    const before = bed.enclave.calls.length;
    expect(await call(client, path, Buffer.alloc(limit + 1))).toMatchObject({
      code: 8,
      reason: 'FRAME_TOO_LARGE',
      metadata: { limitBytes: String(limit), actualBytes: String(limit + 1) },
      retryAfterMs: undefined,
    });
    expect(bed.enclave.calls).toHaveLength(before);
  });

  it('forwards an empty request and an empty answer', async () => {
    bed.enclave.on(METHODS.sign, echo);
    expect((await call(client, METHODS.sign)).answer).toHaveLength(0);
  });

  it('forwards a large answer', async () => {
    bed.enclave.on(METHODS.listKeys, () => new Uint8Array(3 * 1024 * 1024).fill(9));
    expect((await call(client, METHODS.listKeys)).answer).toHaveLength(3 * 1024 * 1024);
  });
});

describe('time', () => {
  it('hands the deadline on, cut to the limit', async () => {
    await call(client, METHODS.sign, undefined, { deadlineMs: 5_000 });
    const { timeoutMs } = await lastCall();
    expect(timeoutMs).toBeGreaterThan(3_000);
    expect(timeoutMs).toBeLessThanOrEqual(5_000);
    await call(client, METHODS.sign, undefined, { deadlineMs: 3_600_000 });
    expect((await lastCall(2)).timeoutMs).toBe(MAX_DEADLINE_MS);
  });

  it('tells the enclave when the deadline passes', async () => {
    bed.enclave.on(METHODS.sign, never);
    expect((await call(client, METHODS.sign, undefined, { deadlineMs: 150 })).code).toBe(4);
    const seen = await lastCall();
    await until(() => seen.cancelled, 'CANCEL');
  });

  it('tells the enclave when the caller gives up', async () => {
    bed.enclave.on(METHODS.sign, never);
    let cancel = (): void => undefined;
    const outcome = call(client, METHODS.sign, undefined, { onStart: (by) => (cancel = by) });
    const seen = await lastCall();
    expect(seen.cancelled).toBe(false);
    cancel();
    expect((await outcome).code).toBe(1);
    await until(() => seen.cancelled, 'CANCEL');
    await until(
      async () => (await host.metrics()).includes('sealwright_open_calls 0'),
      'no open call',
    );
  });
});

describe('an enclave that dies', () => {
  it('fails calls in flight with a hint to call again, and is found again', async () => {
    bed.enclave.on(METHODS.sign, never);
    const waiting = [1, 2, 3].map(() => call(client, METHODS.sign));
    await lastCall(3);
    await bed.enclave.kill();
    for (const outcome of await Promise.all(waiting)) {
      expect(outcome).toMatchObject({ code: 14, reason: 'ENCLAVE_NOT_READY', retryAfterMs: 250 });
    }
    expect(await call(client, METHODS.sign)).toMatchObject({
      code: 14,
      reason: 'ENCLAVE_NOT_READY',
    });
    const status = await call(client, METHODS.getStatus);
    expect(GetStatusResponse.decode(status.answer ?? new Uint8Array(1)).phase).toBe(
      Phase.PHASE_UNSPECIFIED,
    );

    bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
    const since = Date.now();
    await bed.enclave.listen();
    await until(async () => (await call(client, METHODS.sign)).code === 0, 'the enclave');
    expect(Date.now() - since).toBeLessThan(1_000);
  });

  it('survives ten restarts in a row', async () => {
    for (let round = 0; round < 10; round += 1) {
      await bed.enclave.kill();
      await bed.enclave.listen();
      await until(async () => (await call(client, METHODS.sign)).code === 0, 'the enclave');
    }
    expect(host.child.exitCode).toBeNull();
  });

  it('answers with an error, not with a guess, when an answer never comes', async () => {
    bed.enclave.on(METHODS.sign, never);
    const outcome = await call(client, METHODS.sign, undefined, { deadlineMs: 300 });
    expect(outcome.code).toBe(4);
  });
});

describe('an enclave that sends rubbish', () => {
  const frame = (fields: Partial<Frame>): Uint8Array =>
    encodeFrame({
      version: 1,
      streamId: 1n,
      kind: FrameKind.FRAME_KIND_RESPONSE,
      method: '',
      body: new Uint8Array(0),
      timeoutMs: 0,
      untrustedCaller: undefined,
      code: 0,
      details: [],
      ...fields,
    });

  it.each<[string, Uint8Array]>([
    ['a length of zero', new Uint8Array(4)],
    ['a length of four gigabytes', new Uint8Array(4).fill(0xff)],
    ['bytes that are no protobuf', Uint8Array.of(0, 0, 0, 3, 0xff, 0xff, 0xff)],
    ['another version', frame({ version: 2 })],
    ['stream 0', frame({ streamId: 0n })],
    ['an answer to a call never made', frame({ streamId: 1n << 60n })],
    ['no kind', frame({ kind: FrameKind.FRAME_KIND_UNSPECIFIED })],
  ])('%s closes the link, and a new one is made', async (_name, bytes) => {
    await until(() => bed.enclave.connected, 'link');
    bed.enclave.on(METHODS.sign, never);
    const waiting = call(client, METHODS.sign);
    await lastCall();
    const before = host.events('link.down').length;
    bed.enclave.sendRaw(bytes);
    expect(await waiting).toMatchObject({ code: 14, reason: 'ENCLAVE_NOT_READY' });
    await until(() => host.events('link.down').length > before, 'link down');
    expect(host.events('link.down').at(-1)).toMatchObject({ because: 'malformed-frame' });
    bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
    await until(async () => (await call(client, METHODS.sign)).code === 0, 'a new link');
  });

  it('takes an unknown code for a bug', async () => {
    // A fresh link counts its calls from 1, so the fake can answer before the call is made known to it.
    await bed.enclave.kill();
    await bed.enclave.listen();
    await until(async () => (await host.readyz()).status === 200, 'ready');
    bed.enclave.on(METHODS.sign, never);
    const waiting = call(client, METHODS.sign);
    await lastCall();
    const ids = Array.from({ length: 50 }, (_, index) => BigInt(index + 1));
    bed.enclave.sendRaw(Buffer.concat(ids.map((streamId) => frame({ streamId, code: 4711 }))));
    expect(['INTERNAL', 'ENCLAVE_NOT_READY']).toContain((await waiting).reason);
    bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
    await until(async () => (await call(client, METHODS.sign)).code === 0, 'service');
  });
});

describe('too much at once', () => {
  it('refuses calls beyond the limit, and serves again when they end', async () => {
    const release: (() => void)[] = [];
    bed.enclave.on(
      METHODS.sign,
      () =>
        new Promise((resolve) => {
          release.push(() => {
            resolve(SIGN_RESPONSE);
          });
        }),
    );
    const clients = Array.from({ length: 9 }, () => bed.client(host));
    const waiting = Array.from({ length: MAX_OPEN_CALLS }, (_, index) =>
      call(clients[index % 9] ?? client, METHODS.sign, undefined, { deadlineMs: 30_000 }),
    );
    await until(() => release.length === MAX_OPEN_CALLS, 'all calls');
    expect(await call(client, METHODS.sign)).toMatchObject({
      code: 8,
      reason: 'RATE_LIMITED',
      retryAfterMs: 1000,
    });
    expect((await host.readyz()).status).toBe(200);
    for (const answer of release) answer();
    const codes = new Set((await Promise.all(waiting)).map(({ code }) => code));
    expect(codes).toEqual(new Set([0]));
    bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
    expect(await call(client, METHODS.sign)).toMatchObject({ code: 0 });
  });

  it('keeps answers apart under load', async () => {
    bed.enclave.on(METHODS.sign, async ({ body }) => {
      const copy = Uint8Array.from(body);
      await sleep(copy[0] ?? 0);
      return copy;
    });
    await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const body = Buffer.from([index % 20, index >> 8, index & 0xff]);
        expect((await call(client, METHODS.sign, body)).answer?.equals(body)).toBe(true);
      }),
    );
  });

  it('does not grow when the enclave stops reading', async () => {
    bed.enclave.on(METHODS.sign, never);
    bed.enclave.pause();
    const clients = Array.from({ length: 6 }, () => bed.client(host));
    const body = Buffer.alloc(MAX_REQUEST_BYTES);
    const outcomes = await Promise.all(
      Array.from({ length: 600 }, (_, index) =>
        call(clients[index % 6] ?? client, METHODS.sign, body, { deadlineMs: 1_500 }),
      ),
    );
    const reasons = new Set(outcomes.map(({ code, reason }) => (code === 4 ? 'late' : reason)));
    expect(reasons).toContain('RATE_LIMITED');
    bed.enclave.resume();
    bed.enclave.on(METHODS.sign, () => SIGN_RESPONSE);
    await until(async () => (await call(client, METHODS.sign)).code === 0, 'service');
  });
});

describe('unknown things', () => {
  it('answers UNIMPLEMENTED for paths that no service has', async () => {
    for (const path of ['/sealwright.v1.SigningService/Nothing', '/a.B/C', '/%00%ff/ä']) {
      expect((await call(client, path)).code).toBe(12);
    }
  });
});

it('says nothing on stderr but JSON lines, and no bug', () => {
  expect(host.noise).toEqual([]);
  expect(host.events('host.bug').filter(({ where }) => where !== METHODS.sign)).toEqual([]);
});
