import { beforeEach, describe, expect, test } from 'vitest';
import { PlatformFailure } from '../../enclave/ports.ts';
import { HARDENING } from '../../enclave/wire/hardening.ts';
import {
  GetEvidenceRequest,
  GetEvidenceResponse,
} from '../../enclave/wire/gen/sealwright/v1/attestation.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { MAX_RENEWAL_PAUSE_MS } from '../../enclave/wire/limits.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import '../support/matchers.ts';
import { World, type Running } from '../support/fakes/world.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const message = new Uint8Array(32);

let world: World;
let running: Running;

interface Claims {
  readonly hardening: readonly string[];
  readonly issuedAt: number;
}

async function claims({ fresh = false, nonce = new Uint8Array(0) } = {}): Promise<Claims> {
  const request = GetEvidenceRequest.encode({ nonce, fresh }).finish();
  const { bundle } = GetEvidenceResponse.decode(await running.call(METHODS.getEvidence, request));
  const { claims } = JSON.parse(new TextDecoder().decode(bundle)) as { claims: string };
  return JSON.parse(claims) as Claims;
}

/** As the entry does it: once a second. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += SECOND_MS) {
    world.clock.advance(SECOND_MS);
    await running.enclave.tick();
  }
}

function countQuotes(): () => number {
  const { platform } = world;
  const quote = platform.quote.bind(platform);
  let count = 0;
  platform.quote = (reportData) => {
    count += 1;
    return quote(reportData);
  };
  return () => count;
}

beforeEach(async () => {
  world = new World();
  running = await world.begin({ ed: { algorithm: 'EdDSA', payload: 'message' } });
});

describe('evidence', () => {
  test('is renewed at half its age, by itself', async () => {
    const first = await claims();
    await pass(29 * MINUTE_MS);
    expect((await claims()).issuedAt).toBe(first.issuedAt);
    await pass(2 * MINUTE_MS);
    expect((await claims()).issuedAt).toBeGreaterThan(first.issuedAt);
  });

  test('is asked for again with longer and longer pauses, with an alarm, while the platform fails', async () => {
    const quotes = countQuotes();
    const first = await claims();
    world.platform.failure = new PlatformFailure('silent');
    await pass(31 * MINUTE_MS);
    expect(quotes()).toBeGreaterThan(3);
    const alarmed = await running.status();
    expect(alarmed).toMatchObject({
      phase: Phase.PHASE_SERVING,
      alarms: ['EVIDENCE_RENEWAL_FAILS'],
    });
    expect((await claims()).issuedAt).toBe(first.issuedAt);
    const before = quotes();
    await pass(10 * MINUTE_MS);
    expect(quotes() - before).toBeLessThanOrEqual((10 * MINUTE_MS) / MAX_RENEWAL_PAUSE_MS + 1);

    world.platform.failure = undefined;
    await pass(MAX_RENEWAL_PAUSE_MS);
    expect((await running.status()).alarms).toEqual([]);
    expect((await claims()).issuedAt).toBeGreaterThan(first.issuedAt);
    // The next failure begins with a short pause again.
    world.platform.failure = new PlatformFailure('silent');
    const renewed = quotes();
    while (quotes() === renewed) await pass(SECOND_MS);
    await pass(3 * SECOND_MS);
    expect(quotes() - renewed).toBe(3);
  });

  test('is not served past its end; signing goes on', async () => {
    world.platform.failure = new PlatformFailure('silent');
    await pass(60 * MINUTE_MS - SECOND_MS);
    await claims();
    await pass(SECOND_MS);
    await expect(claims()).toRefuseWith('EVIDENCE_STALE');
    await expect(claims({ nonce: new Uint8Array(32) })).toRefuseWith('EVIDENCE_STALE');
    await expect(running.keys()).toRefuseWith('EVIDENCE_STALE');
    const signed = await running.sign('ed', { message });
    expect(signed.signature).toHaveLength(64);
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);

    world.platform.failure = undefined;
    await pass(MAX_RENEWAL_PAUSE_MS);
    await claims();
    expect(await running.keys()).toHaveLength(1);
  });

  test('of a platform that fails for one fresh question fails that one', async () => {
    world.platform.failure = new PlatformFailure('silent');
    const fresh = claims({ fresh: true, nonce: new Uint8Array(32) });
    await expect(fresh).toRefuseWith('PLATFORM_UNAVAILABLE');
    await claims();
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
  });

  test('that fails for any other reason halts', async () => {
    world.platform.failure = new RangeError('a bug');
    await pass(31 * MINUTE_MS);
    await expect(running).toHaltWith('INVARIANT_BROKEN');
  });
});

describe('a platform that gives nothing', () => {
  test.each(['refused', 'silent'] as const)('%s: halts the boot by name', async (kind) => {
    world.platform.failure = new PlatformFailure(kind);
    running = await world.reboot(running);
    await expect(running).toHaltWith('PLATFORM_UNAVAILABLE', { failure: kind });
  });

  test('refuses setup evidence by name, and gives it later', async () => {
    const empty = new World('empty');
    running = await empty.boot();
    empty.platform.failure = new PlatformFailure('silent');
    await expect(claims()).toRefuseWith('PLATFORM_UNAVAILABLE');
    empty.platform.failure = undefined;
    expect((await claims()).hardening).toEqual(['no-network', 'own-uid']);
  });
});

describe('the process', () => {
  test('is shown in status and claims as it is at that time', async () => {
    expect((await running.status()).hardening).toEqual(['no-network', 'own-uid']);
    expect((await claims()).hardening).toEqual(['no-network', 'own-uid']);
    world.process = { fault: undefined, hardening: () => [...HARDENING] };
    running = await world.reboot(running);
    expect((await running.status()).hardening).toEqual([...HARDENING]);
    expect((await claims()).hardening).toEqual([...HARDENING]);
  });

  test.each([
    { reason: 'LAUNCH_UNSAFE', details: { field: 'environment', actual: 'LD_PRELOAD' } },
    { reason: 'HARDENING_MISSING', details: { expected: 'own-uid', actual: '' } },
  ] as const)('with $reason halts before it asks for a secret', async (fault) => {
    world.process = { fault, hardening: () => [] };
    const asked = world.platform.asked.length;
    running = await world.reboot(running);
    await expect(running).toHaltWith(fault.reason, fault.details);
    expect(world.platform.asked.length).toBe(asked);
    await expect(claims()).toRefuseWith('ENCLAVE_HALTED', { haltReason: fault.reason });
    await expect(running.sign('ed', { message })).toRefuseWith('ENCLAVE_HALTED', {
      haltReason: fault.reason,
    });
  });
});

test('words stand in ascending order, which the verifier requires', () => {
  expect([...HARDENING].sort()).toEqual([...HARDENING]);
});
