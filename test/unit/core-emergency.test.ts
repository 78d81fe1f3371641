import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { PlatformFailure } from '../../enclave/ports.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { KeyState } from '../../enclave/wire/gen/sealwright/v1/keys.ts';
import type { SignBatchResult } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import { SshAdmin } from '../../src/simulator/ssh-admin.ts';
import { TEST_ADMIN } from '../support/fakes/callers.ts';
import { START_WALL_MS } from '../support/fakes/clock.ts';
import type { PutFault } from '../support/fakes/memory-store.ts';
import {
  requestOf,
  ringsOf,
  World,
  type RingOptions,
  type Running,
} from '../support/fakes/world.ts';
import type { Call } from '../support/genesis.ts';
import { claimOf } from '../support/log-audit.ts';
import {
  applyEmergency,
  applyPolicy,
  approvalsOf,
  emergency,
  emergencyDigest,
  getPolicy,
  nextPolicy,
  type StatementOptions,
} from '../support/statements.ts';
import '../support/matchers.ts';

const RINGS: Record<string, RingOptions> = {
  a: { algorithm: 'ES256' },
  h: { algorithm: 'ES256', residency: 'hsm' },
};
const MESSAGE = { message: utf8('m') };
const HOUR_MS = 3_600_000;
const [bob, carol] = ['bob', 'carol'].map(
  (name) => new SshAdmin(name, generateKeyPairSync('ed25519').privateKey),
) as [SshAdmin, SshAdmin];
const THREE = {
  admins: [TEST_ADMIN, bob, carol].map(({ name, publicKey }) => ({ name, key: publicKey })),
  threshold: 3,
};

const callTo =
  (running: Running): Call =>
  (method, body) =>
    running.call(method, body);

/** As soon as there is evidence again. */
async function stateOf(running: Running, ring: string): Promise<KeyState | undefined> {
  return (await vi.waitFor(() => running.keys())).find((key) => key.ring === ring)?.state;
}

async function suspend(running: Running, ring = 'a'): Promise<void> {
  const call = callTo(running);
  await applyEmergency(call, await emergency(call, 'suspend', ring, START_WALL_MS));
}

describe('suspend and resume', () => {
  test('stop a key and let it sign again, across boots', async () => {
    const world = new World('suspend');
    let running = await world.begin(RINGS);
    await suspend(running);
    await expect(running.sign('a', MESSAGE)).toRefuseWith('KEY_STATE_FORBIDS_SIGNING', {
      keyId: 'a',
      keyState: 'suspended',
    });
    expect((await running.sign('h', MESSAGE)).ring).toBe('h');
    running = await world.reboot(running);
    await expect(running.sign('a', MESSAGE)).toRefuseWith('KEY_STATE_FORBIDS_SIGNING');
    expect(await stateOf(running, 'a')).toBe(KeyState.KEY_STATE_SUSPENDED);
    const call = callTo(running);
    const { sequence, changes } = await applyEmergency(
      call,
      await emergency(call, 'resume', 'a', START_WALL_MS),
    );
    expect(sequence).toBe(2n);
    expect(changes).toEqual([
      {
        ring: 'a',
        version: 1,
        from: KeyState.KEY_STATE_SUSPENDED,
        to: KeyState.KEY_STATE_ACTIVE,
      },
    ]);
    expect((await running.sign('a', MESSAGE)).version).toBe(1);
    expect((await (await world.reboot(running)).sign('a', MESSAGE)).version).toBe(1);
  });

  test('are in the log: who, what, why, and no signature between the two', async () => {
    const world = new World('logged');
    const running = await world.begin(RINGS);
    await running.sign('a', MESSAGE);
    await suspend(running);
    const leaves = world.logStore.leaves.map((leaf) => parseLeaf(leaf)).slice(-3);
    expect(leaves).toMatchObject([
      { kind: 'signature', ring: 'a' },
      {
        kind: 'emergency',
        call: 'suspend',
        ring: 'a',
        version: 0,
        sequence: 1,
        approvedBy: ['alice'],
      },
      {
        kind: 'key-state',
        ring: 'a',
        version: 1,
        from: 'active',
        to: 'suspended',
        reason: 'a test',
      },
    ]);
  });

  test('bring new evidence: what vouched for the key before does so no more', async () => {
    const world = new World('vouched');
    const running = await world.begin(RINGS);
    const before = await claimOf(running, 'identityKey');
    await suspend(running);
    // Evidence comes beside it: keys are drawn on another thread.
    await vi.waitFor(async () => {
      expect(await claimOf(running, 'identityKey')).not.toBe(before);
    });
    const call = callTo(running);
    world.platform.failure = new PlatformFailure('silent');
    await applyEmergency(call, await emergency(call, 'resume', 'a', START_WALL_MS));
    await expect(claimOf(running, 'identityKey')).toRefuseWith('EVIDENCE_STALE');
    expect((await running.sign('a', MESSAGE)).version).toBe(1);
    world.platform.failure = undefined;
    await vi.waitFor(async () => {
      await running.enclave.tick();
      expect(await stateOf(running, 'a')).toBe(KeyState.KEY_STATE_ACTIVE);
    });
  });

  test('leave the ring its key: the next policy bears none', async () => {
    const running = await new World('held').begin(RINGS);
    await suspend(running);
    const { changes } = await applyPolicy(callTo(running), await nextPolicy(callTo(running)));
    expect(changes).toEqual([]);
  });
});

describe('mark-compromised', () => {
  test('stops a key for ever; the next policy bears another version', async () => {
    const world = new World('compromised');
    let running = await world.begin(RINGS);
    const call = callTo(running);
    await applyEmergency(call, await emergency(call, 'mark-compromised', 'h', START_WALL_MS));
    await expect(running.sign('h', MESSAGE)).toRefuseWith('KEY_STATE_FORBIDS_SIGNING');
    const resume = await emergency(call, 'resume', 'h', START_WALL_MS);
    await expect(applyEmergency(call, resume)).toRefuseWith('KEY_STATE_FORBIDS_CALL', {
      keyId: 'h/1',
      keyState: 'compromised',
    });
    running = await world.reboot(running);
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
    await applyPolicy(callTo(running), await nextPolicy(callTo(running)));
    expect((await running.sign('h', MESSAGE)).version).toBe(2);
    expect(await stateOf(running, 'h')).toBe(KeyState.KEY_STATE_COMPROMISED);
  });
});

describe('a statement', () => {
  test.each<[string, StatementOptions, string, object]>([
    [
      'of another cluster',
      { clusterId: '00'.repeat(32) },
      'STATEMENT_INVALID',
      { field: '/clusterId' },
    ],
    [
      'that would use the numbers up',
      { sequence: 1001 },
      'STATEMENT_INVALID',
      { field: '/sequence' },
    ],
    [
      'that follows one that was never applied',
      { previous: 'cd'.repeat(32) },
      'STATEMENT_REPLAYED',
      { field: '/previous', expected: '00'.repeat(32), actual: 'cd'.repeat(32) },
    ],
    ['whose time is over', { notAfter: START_WALL_MS - 1 }, 'STATEMENT_NOT_IN_TIME', {}],
    ['kept for later', { notAfter: START_WALL_MS + 8 * 24 * HOUR_MS }, 'STATEMENT_NOT_IN_TIME', {}],
    ['about a version that is not there', { version: 2 }, 'KEY_NOT_FOUND', { keyId: 'a/2' }],
  ])('%s changes nothing', async (_name, options, reason, details) => {
    const world = new World('statement');
    const running = await world.begin(RINGS);
    const leaves = world.logStore.leaves.length;
    const call = callTo(running);
    const statement = await emergency(call, 'suspend', 'a', START_WALL_MS, options);
    await expect(applyEmergency(call, statement)).rejects.toMatchObject({ reason, details });
    expect(world.logStore.leaves).toHaveLength(leaves);
    expect((await running.sign('a', MESSAGE)).version).toBe(1);
  });

  test('counts once: the old one is nothing after a newer', async () => {
    const running = await new World('replay').begin(RINGS);
    const call = callTo(running);
    await suspend(running);
    const resume = await emergency(call, 'resume', 'a', START_WALL_MS);
    await applyEmergency(call, resume);
    await suspend(running);
    const replayed = { expected: 'more than 3', actual: '2' };
    await expect(applyEmergency(call, resume)).toRefuseWith('STATEMENT_REPLAYED', replayed);
    await expect(running.sign('a', MESSAGE)).toRefuseWith('KEY_STATE_FORBIDS_SIGNING');
    expect((await getPolicy(call)).adminSequence).toBe(3n);
  });

  test('may be written before the one that it follows is applied', async () => {
    const running = await new World('ahead').begin(RINGS);
    const call = callTo(running);
    const first = await emergency(call, 'suspend', 'a', START_WALL_MS);
    const then = { sequence: 2, previous: emergencyDigest(first) };
    const resume = await emergency(call, 'resume', 'a', START_WALL_MS, then);
    await expect(applyEmergency(call, resume)).toRefuseWith('STATEMENT_REPLAYED', {
      field: '/previous',
      expected: '00'.repeat(32),
      actual: then.previous,
    });
    await applyEmergency(call, first);
    await applyEmergency(call, resume);
    expect((await running.sign('a', MESSAGE)).version).toBe(1);
  });

  test('is nothing after another that was applied meanwhile, whatever its number', async () => {
    const running = await new World('kept back').begin(RINGS);
    const call = callTo(running);
    await suspend(running);
    const resume = await emergency(call, 'resume', 'a', START_WALL_MS, { sequence: 900 });
    const other = await emergency(call, 'suspend', 'h', START_WALL_MS);
    await applyEmergency(call, other);
    await expect(applyEmergency(call, resume)).rejects.toMatchObject({
      reason: 'STATEMENT_REPLAYED',
      details: { field: '/previous', expected: emergencyDigest(other) },
    });
    await expect(running.sign('a', MESSAGE)).toRefuseWith('KEY_STATE_FORBIDS_SIGNING');
  });

  test('keeps its number and its digest across boots', async () => {
    const world = new World('replay after boot');
    let running = await world.begin(RINGS);
    const statement = await emergency(callTo(running), 'suspend', 'a', START_WALL_MS);
    await applyEmergency(callTo(running), statement);
    running = await world.reboot(running);
    await expect(applyEmergency(callTo(running), statement)).toRefuseWith('STATEMENT_REPLAYED');
    const { adminSequence, adminDigest } = await getPolicy(callTo(running));
    expect([adminSequence, toHex(adminDigest)]).toEqual([1n, emergencyDigest(statement)]);
  });

  test('does not end later because the host sets the clock back', async () => {
    const world = new World('clock');
    let running = await world.begin(RINGS);
    const statement = await emergency(callTo(running), 'suspend', 'a', START_WALL_MS);
    world.clock.advance(2 * HOUR_MS);
    running = await world.reboot(running);
    world.clock.setWall(START_WALL_MS);
    running = await world.reboot(running);
    await expect(applyEmergency(callTo(running), statement)).toRefuseWith('STATEMENT_NOT_IN_TIME');
  });

  test.each([
    ['suspend', 1],
    ['mark-compromised', 2],
    ['resume', 3],
  ] as const)('to %s takes %d of three where M is three', async (kind, needed) => {
    const running = await new World('thresholds').begin(RINGS);
    const call = callTo(running);
    const all = [TEST_ADMIN, bob, carol];
    const policy = await nextPolicy(call, { ...THREE, noSpareAdmin: true });
    await applyPolicy(call, policy, approvalsOf('policy', policy, all));
    if (kind === 'resume') await suspend(running);
    const statement = await emergency(call, kind, 'a', START_WALL_MS);
    const few = approvalsOf('emergency', statement, all.slice(0, needed - 1));
    await expect(applyEmergency(call, statement, few)).toRefuseWith('APPROVALS_MISSING', {
      expected: String(needed),
      actual: String(needed - 1),
    });
    const enough = approvalsOf('emergency', statement, all.slice(0, needed));
    expect((await applyEmergency(call, statement, enough)).changes).toHaveLength(1);
  });
});

describe('from acceptance on', () => {
  /** Statements that are on their way while the log's disk does not answer. */
  async function accepted(world: World, running: Running) {
    const call = callTo(running);
    const statement = await emergency(call, 'suspend', 'a', START_WALL_MS);
    const release = world.logStore.hold();
    const applying = applyEmergency(call, statement);
    for (let turns = 0; turns < 20; turns += 1) await world.clock.turn();
    return { release, applying };
  }

  test('no signature begins, however long the rest takes', async () => {
    const world = new World('slow disk');
    const running = await world.begin(RINGS);
    const { release, applying } = await accepted(world, running);
    await expect(running.sign('a', MESSAGE)).toRefuseWith('KEY_STATE_FORBIDS_SIGNING', {
      keyId: 'a',
      keyState: 'suspended',
    });
    // What is published changes when it is durable.
    expect(await stateOf(running, 'a')).toBe(KeyState.KEY_STATE_ACTIVE);
    release();
    await applying;
    expect(await stateOf(running, 'a')).toBe(KeyState.KEY_STATE_SUSPENDED);
  });

  test('no item of a batch that was allowed before is signed', async () => {
    const world = new World('batch');
    const running = await world.begin(RINGS);
    const release = world.logStore.hold();
    // The token takes its time over the first items, so that the others still wait.
    let wait: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (wait = resolve));
    world.tokens.delay = () => gate;
    const batch = running.signBatch(Array.from({ length: 64 }, () => requestOf('h', MESSAGE)));
    for (let turns = 0; turns < 20; turns += 1) await world.clock.turn();
    const call = callTo(running);
    const applying = applyEmergency(call, await emergency(call, 'suspend', 'h', START_WALL_MS));
    for (let turns = 0; turns < 20; turns += 1) await world.clock.turn();
    wait();
    release();
    const { results } = await batch;
    await applying;
    const reason = ({ outcome }: SignBatchResult): string =>
      outcome?.$case === 'refused' ? outcome.value.reason : 'signed';
    const reasons = new Set(results.slice(32).map(reason));
    expect([...reasons]).toEqual(['KEY_STATE_FORBIDS_SIGNING']);
  });

  test('a policy that is being applied does not hold it up, and does not undo it', async () => {
    const world = new World('during a policy');
    const running = await world.begin(RINGS);
    const call = callTo(running);
    const rings = ringsOf({ ...RINGS, b: { algorithm: 'ES256', residency: 'hsm' } });
    const document = await nextPolicy(call, { rings });
    const statement = await emergency(call, 'suspend', 'a', START_WALL_MS);
    let wait: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (wait = resolve));
    world.tokens.delay = () => gate;
    const applying = applyPolicy(call, document);
    for (let turns = 0; turns < 20; turns += 1) await world.clock.turn();
    const suspending = applyEmergency(call, statement);
    for (let turns = 0; turns < 20; turns += 1) await world.clock.turn();
    await expect(running.sign('a', MESSAGE)).toRefuseWith('KEY_STATE_FORBIDS_SIGNING');
    wait();
    expect((await applying).version).toBe(2n);
    await suspending;
    await vi.waitFor(async () => {
      expect(await stateOf(running, 'a')).toBe(KeyState.KEY_STATE_SUSPENDED);
    });
    expect((await (await world.reboot(running)).status()).phase).toBe(Phase.PHASE_SERVING);
  });

  test.each([
    ['with the same number', 1, { actual: '1' }],
    ['with the next number', 2, { field: '/previous', actual: '00'.repeat(32) }],
  ])('what is refused in its turn, %s, lets the key sign on', async (_name, sequence, details) => {
    const world = new World('refused in turn');
    const running = await world.begin(RINGS);
    const call = callTo(running);
    // Both follow none.
    const first = await emergency(call, 'suspend', 'h', START_WALL_MS);
    const second = await emergency(call, 'suspend', 'a', START_WALL_MS, { sequence });
    const outcomes = await Promise.allSettled(
      [first, second].map((statement) => applyEmergency(call, statement)),
    );
    expect(outcomes).toMatchObject([
      { status: 'fulfilled' },
      { reason: { reason: 'STATEMENT_REPLAYED', details } },
    ]);
    expect((await running.sign('a', MESSAGE)).version).toBe(1);
    await expect(running.sign('h', MESSAGE)).toRefuseWith('KEY_STATE_FORBIDS_SIGNING');
  });
});

describe.each<PutFault>(['refused', 'lost', 'done'])('a put that is %s', (fault) => {
  test('leaves the key as it was or suspended, and number and digest with it', async () => {
    const puts = 2;
    for (let n = 1; n <= puts; n += 1) {
      const world = new World(`emergency ${fault} ${String(n)}`);
      const running = await world.begin(RINGS);
      world.store.failPut(n, fault);
      const call = callTo(running);
      const statement = await emergency(call, 'suspend', 'a', START_WALL_MS);
      await expect(applyEmergency(call, statement)).toRefuseWith('ENCLAVE_HALTED');
      const again = await world.boot();
      const done = fault === 'done' && n === puts;
      const { adminSequence, adminDigest } = await getPolicy(callTo(again));
      const last = done ? [1n, emergencyDigest(statement)] : [0n, '00'.repeat(32)];
      expect([adminSequence, toHex(adminDigest)]).toEqual(last);
      const [now, suspended] = [await stateOf(again, 'a'), KeyState.KEY_STATE_SUSPENDED];
      expect(now).toBe(done ? suspended : KeyState.KEY_STATE_ACTIVE);
    }
  });
});
