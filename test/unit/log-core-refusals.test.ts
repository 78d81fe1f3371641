import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { identityInLeaf } from '../../enclave/log/leaf.ts';
import { RefusalCounter } from '../../enclave/log/refusal-counter.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import type { UntrustedCaller } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { parseSignedJson } from '../../enclave/wire/signed-json.ts';
import { Refusal, type Reason } from '../../enclave/wire/error-code.ts';
import { certified, peer, STRANGER } from '../support/fakes/callers.ts';
import { MTLS_CALLER, PEER_CALLER, World, type Running } from '../support/fakes/world.ts';
import { kindsOf, leavesOf } from '../support/log-audit.ts';
import '../support/matchers.ts';

const RINGS = {
  ec: { algorithm: 'ES256' },
  digest: { algorithm: 'ES256', payload: 'digest' },
  closed: { algorithm: 'ES256', lowestRank: 'signed' },
  open: { algorithm: 'ES256', lowestRank: 'peer' },
} as const;
const message = utf8('release 1.2.3');

async function begun(seed: string): Promise<{ readonly world: World; readonly running: Running }> {
  const world = new World(`refusals ${seed}`);
  return { world, running: await world.begin(RINGS) };
}

/** One second later. */
async function second(world: World, running: Running): Promise<void> {
  world.clock.advance(1000);
  await running.enclave.tick();
  await turn();
}

const refusals = (world: World) =>
  leavesOf(world.logStore).filter((leaf) => leaf.kind === 'refusal');

describe('refusals of authenticated callers', () => {
  test('are one leaf for all equal ones, a second later', async () => {
    const { world, running } = await begun('counted');
    const before = world.logStore.leaves.length;
    const ask = (ring: string, reason: Reason, untrustedCaller = MTLS_CALLER) =>
      expect(running.sign(ring, { message, call: { untrustedCaller } })).toRefuseWith(reason);
    for (let i = 0; i < 3; i += 1) await ask('digest', 'PAYLOAD_KIND_MISMATCH');
    for (let i = 0; i < 2; i += 1) await ask('closed', 'SIGNING_POLICY_DENIED');
    await ask('ec', 'SIGNING_POLICY_DENIED', PEER_CALLER);
    expect(world.logStore.leaves).toHaveLength(before);
    await second(world, running);
    const instanceId = toHex((await running.status()).instanceId);
    const common = { v: 1, kind: 'refusal', timeMs: world.clock.wallMs(), instanceId };
    const ci = { caller: 'ci', callerId: 'spiffe://test.example/ci', rank: 'mtls' };
    expect(world.logStore.leaves.slice(before).map((leaf) => parseSignedJson(leaf))).toEqual([
      {
        ...common,
        ring: 'digest',
        ...ci,
        reason: 'PAYLOAD_KIND_MISMATCH',
        count: 3,
      },
      {
        ...common,
        ring: 'closed',
        ...ci,
        reason: 'SIGNING_POLICY_DENIED',
        count: 2,
      },
      {
        ...common,
        ring: 'ec',
        caller: 'local',
        callerId: 'peer:local',
        rank: 'peer',
        reason: 'SIGNING_POLICY_DENIED',
        count: 1,
      },
    ]);
    await second(world, running);
    expect(refusals(world)).toHaveLength(3);
  });

  test('are ten leaves a second at most, and none is forgotten', async () => {
    const { world, running } = await begun('capped');
    for (let i = 0; i < 25; i += 1) {
      const untrustedCaller = peer(`caller-${String(i)}`);
      for (let n = 0; n <= i; n += 1) {
        await expect(running.sign('ec', { message, call: { untrustedCaller } })).toRefuseWith(
          'SIGNING_POLICY_DENIED',
        );
      }
    }
    const growth: number[] = [];
    for (let s = 0; s < 4; s += 1) {
      const before = refusals(world).length;
      await second(world, running);
      growth.push(refusals(world).length - before);
    }
    expect(growth).toEqual([10, 10, 5, 0]);
    const counts = refusals(world).map(({ caller, callerId, count }) => [caller, callerId, count]);
    expect(counts).toEqual(
      Array.from({ length: 25 }, (_, i) => [undefined, `peer:caller-${String(i)}`, i + 1]),
    );
  });

  test('of a request id for another request stand in the log, those of an early retry do not', async () => {
    const { world, running } = await begun('reused');
    const requestId = new Uint8Array(16).fill(1);
    const release = world.logStore.hold();
    const first = running.sign('open', { message, requestId });
    await expect(running.sign('open', { message, requestId })).toRefuseWith('REQUEST_IN_FLIGHT');
    release();
    await first;
    for (const other of ['another', 'a third']) {
      const reused = running.sign('open', { message: utf8(other), requestId });
      await expect(reused).toRefuseWith('REQUEST_ID_REUSED');
    }
    await second(world, running);
    expect(refusals(world).map(({ reason, count }) => [reason, count])).toEqual([
      ['REQUEST_ID_REUSED', 2],
    ]);
  });

  test('that nobody asked the enclave to decide leave nothing', async () => {
    const { world, running } = await begun('nothing');
    const before = world.logStore.leaves.length;
    const strangers: (UntrustedCaller | undefined)[] = [
      undefined,
      { rank: 3, certificates: [], socket: '' },
      { rank: 3, certificates: [], socket: 'local' },
      { rank: 4, certificates: [Uint8Array.of(0x30, 0)], socket: '' },
      { rank: 1, certificates: [Uint8Array.of(0x30, 0)], socket: 'local' },
      { rank: 2, certificates: [Uint8Array.of(0x30, 0)], socket: 'local' },
      { rank: 0, certificates: [Uint8Array.of(0x30, 0)], socket: 'local' },
      { rank: 5, certificates: [Uint8Array.of(0x30, 0)], socket: 'local' },
    ];
    for (const untrustedCaller of strangers) {
      await expect(running.call(METHODS.sign, new Uint8Array(0), { untrustedCaller })).toRefuseWith(
        'CALLER_UNAUTHENTICATED',
        {},
      );
    }
    for (const certificate of [new Uint8Array(16_385), Uint8Array.of(0x30, 0)]) {
      const call = { untrustedCaller: certified(certificate) };
      await expect(running.sign('ec', { message, call })).toRefuseWith('CALLER_UNAUTHENTICATED', {
        policyId: 'caller',
        actual: 'decode',
      });
    }
    // A ring that there is not has no name of ours, and bytes that are no request have no ring.
    await expect(running.sign('none"}', { message })).toRefuseWith('KEY_NOT_FOUND');
    const call = { untrustedCaller: STRANGER };
    await expect(running.sign('none"}', { message, call })).toRefuseWith('SIGNING_POLICY_DENIED');
    await expect(running.call(METHODS.sign, Uint8Array.of(0xff))).toRefuseWith('REQUEST_MALFORMED');
    await second(world, running);
    expect(world.logStore.leaves).toHaveLength(before);
  });

  test.each(['', 'a b', 'a\n', '\u0000', 'a\u007f', 'ä', '\ud800', '\u2028', 'x'.repeat(108)])(
    'of a socket named %j are those of nobody',
    async (socket) => {
      const { world, running } = await begun(`socket ${toHex(utf8(socket))}`);
      const before = world.logStore.leaves.length;
      await expect(
        running.sign('open', { message, call: { untrustedCaller: peer(socket) } }),
      ).toRefuseWith('CALLER_UNAUTHENTICATED', {});
      await second(world, running);
      expect(world.logStore.leaves).toHaveLength(before);
    },
  );

  test.each([
    '"',
    '\\',
    '","count":9,"x":"',
    '</script>',
    '__proto__',
    '../../x',
    '{}',
    'x'.repeat(107),
  ])('of a socket named %j are written as that name and nothing else', async (socket) => {
    const { world, running } = await begun(`odd ${socket}`);
    const call = { untrustedCaller: peer(socket) };
    await expect(running.sign('ec', { message, call })).toRefuseWith('SIGNING_POLICY_DENIED');
    await second(world, running);
    const refusal = leavesOf(world.logStore).at(-1);
    expect(refusal).toMatchObject({
      kind: 'refusal',
      caller: undefined,
      callerId: `peer:${socket}`,
      count: 1,
    });
  });

  test('wait, and go on being counted, while the log stalls', async () => {
    const { world, running } = await begun('stalled');
    const refuse = () =>
      expect(running.sign('closed', { message })).toRefuseWith('SIGNING_POLICY_DENIED');
    await refuse();
    const release = world.logStore.hold();
    const wait = world.logStore.beforeAppend;
    world.logStore.beforeAppend = (onStall) => {
      onStall();
      return wait(onStall);
    };
    for (let s = 0; s < 5; s += 1) {
      await second(world, running);
      await refuse();
    }
    expect(refusals(world)).toEqual([]);
    release();
    await turn();
    await second(world, running);
    expect(refusals(world).map(({ count }) => count)).toEqual([1, 5]);
  });

  test('of a halted enclave are not counted, and do not stop it from being halted', async () => {
    const { world, running } = await begun('halted');
    await expect(running.sign('closed', { message })).toRefuseWith('SIGNING_POLICY_DENIED');
    world.logStore.failAppend(1, new Refusal('LOG_STORE_FAILED'));
    await second(world, running);
    await expect(running).toHaltWith('LOG_STORE_FAILED');
    const { appends } = world.logStore;
    await second(world, running);
    expect(world.logStore.appends).toBe(appends);
  });

  test('that are not decisions about a request leave no leaf', async () => {
    const { world, running } = await begun('weather');
    const before = kindsOf(world.logStore).length;
    await expect(running.sign('ec', { message, call: { cancelled: true } })).toRefuseWith(
      'DEADLINE_EXCEEDED',
    );
    await second(world, running);
    expect(kindsOf(world.logStore)).toHaveLength(before);
  });
});

describe('the counter of refusals', () => {
  const caller = (n: number) => ({ name: undefined, identity: `peer:${String(n)}`, rank: 'peer' });
  /** All that was counted. */
  function drained(counter: RefusalCounter) {
    const leaves: ReturnType<RefusalCounter['take']> = [];
    for (;;) {
      const some = counter.take();
      if (some.length === 0) return leaves;
      leaves.push(...some);
    }
  }

  test('tells 1,024 apart; the rest are others, and those it knows it goes on counting', () => {
    const counter = new RefusalCounter();
    const total = 5000;
    for (let n = 0; n < total; n += 1) counter.count('ring', caller(n), 'SIGNING_POLICY_DENIED');
    counter.count('ring', caller(3), 'SIGNING_POLICY_DENIED');
    counter.count('ring', caller(4000), 'SIGNING_POLICY_DENIED');
    const leaves = drained(counter).filter((leaf) => leaf.kind === 'refusal');
    expect(leaves).toHaveLength(1025);
    const sum = leaves.reduce((counted, { count }) => counted + count, 0);
    expect(sum).toBe(total + 2);
    expect(leaves[3]).toMatchObject({ callerId: 'peer:3', count: 2 });
    expect(leaves.at(-1)).toMatchObject({ callerId: 'others', count: total - 1024 + 1 });
  });

  test('has room for others only by ring, rank and reason', () => {
    const counter = new RefusalCounter();
    for (let n = 0; n < 20_000; n += 1) {
      const rank = n % 2 === 0 ? 'peer' : 'mtls';
      counter.count(
        'ring',
        { name: undefined, identity: `peer:${String(n)}`, rank },
        'SIGNING_POLICY_DENIED',
      );
    }
    expect(drained(counter)).toHaveLength(1026);
  });

  test('takes the oldest first, ten at a time', () => {
    const counter = new RefusalCounter();
    for (let n = 0; n < 12; n += 1) counter.count('ring', caller(n), 'SIGNING_POLICY_DENIED');
    const names = (leaves: ReturnType<RefusalCounter['take']>) =>
      leaves.map((leaf) => (leaf.kind === 'refusal' ? leaf.callerId : ''));
    expect(names(counter.take())).toEqual(
      Array.from({ length: 10 }, (_, n) => `peer:${String(n)}`),
    );
    counter.count('ring', caller(0), 'SIGNING_POLICY_DENIED');
    expect(names(counter.take())).toEqual(['peer:10', 'peer:11', 'peer:0']);
    expect(counter.take()).toEqual([]);
  });
});

test('a leaf for others is one that readers know, and only in refusals', async () => {
  const { encodeLeaf } = await import('../../enclave/log/leaf.ts');
  const { parseLeaf } = await import('../../src/tlog/leaf.ts');
  const origin = { timeMs: 1, instanceId: new Uint8Array(16) };
  const common = { ring: 'ec', callerId: 'others', rank: 'peer' } as const;
  const refusal = encodeLeaf(
    { kind: 'refusal', ...common, reason: 'SIGNING_POLICY_DENIED', count: 9 },
    origin,
  );
  expect(parseLeaf(refusal)).toMatchObject({ caller: undefined, callerId: 'others', count: 9 });
  const signature = encodeLeaf(
    {
      kind: 'signature',
      ...common,
      caller: 'ci',
      version: 1,
      kid: 'k'.repeat(43),
      alg: 'ES256',
      toBeSignedHash: 'ab'.repeat(32),
      policyVersion: 1,
    },
    origin,
  );
  expect(() => parseLeaf(signature)).toThrow('callerId');
});

test('an identity of more than 256 characters stands in a leaf by its digest', () => {
  const longest = `x509:corp:${'a'.repeat(246)}`;
  expect(identityInLeaf(longest)).toBe(longest);
  const longer = `${longest}a`;
  const digest = createHash('sha256').update(longer).digest('hex');
  expect(identityInLeaf(longer)).toBe(`sha256:${digest}`);
  const counter = new RefusalCounter();
  const caller = { name: undefined, identity: longer, rank: 'mtls' };
  counter.count('ring', caller, 'SIGNING_POLICY_DENIED');
  expect(counter.take()).toMatchObject([{ callerId: `sha256:${digest}` }]);
});
