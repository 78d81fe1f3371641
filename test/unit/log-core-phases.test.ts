import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Enclave } from '../../enclave/core/enclave.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { GetEvidenceRequest } from '../../enclave/wire/gen/sealwright/v1/attestation.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { HOST_METHODS, METHODS } from '../../enclave/wire/methods.ts';
import { manifestOf, Running, World } from '../support/fakes/world.ts';
import { expectNoFork } from '../support/log-audit.ts';
import '../support/matchers.ts';

const RINGS = {
  ed: { algorithm: 'EdDSA' },
  hsm: { algorithm: 'ES256', residency: 'hsm' },
} as const;
const message = utf8('release 1.2.3');
const EMPTY = new Uint8Array(0);

const phaseOf = async (running: Running): Promise<Phase> => (await running.status()).phase;

/** A promise that a test opens. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** The enclave halts for a reason that has nothing to do with the log: the index can't be written. */
async function haltByIndex(world: World, running: Running): Promise<void> {
  world.store.putFailure = new Refusal('STORE_UNAVAILABLE');
  world.store.failPut(1, 'refused');
  await running.call(HOST_METHODS.drained, EMPTY);
  await expect(running).toHaltWith('STORE_UNAVAILABLE');
}

describe('a halt while calls are on their way', () => {
  test('to the disk lets no signature out, and signs no checkpoint', async () => {
    const world = new World('halt log');
    const running = await world.begin(RINGS);
    await running.sign('ed', { message });
    const release = world.logStore.hold();
    const calls = ['ed', 'hsm', 'ed'].map((ring) => running.sign(ring, { message }));
    await turn();
    calls.push(running.sign('ed', { message }));
    await haltByIndex(world, running);
    const checkpoints = world.logStore.checkpoints.length;
    release();
    for (const call of calls) {
      const error: unknown = await call.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Refusal);
    }
    expect(world.logStore.checkpoints).toHaveLength(checkpoints);
    expect(world.tokens.openTokens).toBe(0);
    // The batch that was on its way is durable: its intents count as issued.
    const again = await world.boot();
    expect(await phaseOf(again)).toBe(Phase.PHASE_SERVING);
    expectNoFork(world.logStore);
  });

  test('to the token lets no signature out, though its leaf is durable', async () => {
    const world = new World('halt token');
    const running = await world.begin(RINGS);
    const { opened, open } = gate();
    const { tokens } = world;
    const enter = tokens.enter.bind(tokens);
    tokens.enter = async (operation) => {
      if (operation === 'sign') await opened;
      await enter(operation);
    };
    const before = world.logStore.leaves.length;
    const call = running.sign('hsm', { message });
    call.catch(() => undefined);
    for (let i = 0; i < 5; i += 1) await turn();
    expect(world.logStore.leaves).toHaveLength(before + 1);
    await haltByIndex(world, running);
    open();
    await expect(call).toRefuseWith('ENCLAVE_HALTED', { haltReason: 'STORE_UNAVAILABLE' });
  });

  test('to the platform lets no evidence out', async () => {
    const world = new World('halt quote');
    const running = await world.begin(RINGS);
    await running.sign('ed', { message });
    const { opened, open } = gate();
    world.platform.quote = async () => {
      await opened;
      return new Uint8Array(1);
    };
    const body = GetEvidenceRequest.encode({ nonce: new Uint8Array(32), fresh: true }).finish();
    const call = running.call(METHODS.getEvidence, body);
    call.catch(() => undefined);
    await turn();
    await haltByIndex(world, running);
    open();
    await expect(call).toRefuseWith('ENCLAVE_HALTED');
  });

  test('stands with its first reason', async () => {
    const world = new World('first');
    const running = await world.begin(RINGS);
    const release = world.logStore.hold();
    world.logStore.failAppend(1, new Refusal('LOG_STORE_CONFLICT'));
    const calls = [running.sign('ed', { message }), running.sign('hsm', { message })];
    for (const call of calls) call.catch(() => undefined);
    await turn();
    release();
    for (const call of calls) await expect(call).toRefuseWith('LOG_UNAVAILABLE');
    world.store.failPut(1, 'refused');
    await running.call(HOST_METHODS.drained, EMPTY);
    await running.enclave.tick();
    running.enclave.startDraining();
    await expect(running).toHaltWith('LOG_DAMAGED', { refusal: 'LOG_STORE_CONFLICT' });
  });
});

describe('a host that says it drained', () => {
  const drained = (running: Running) => running.call(HOST_METHODS.drained, EMPTY);

  test('is answered before there is a cluster, and nothing comes of it', async () => {
    const world = new World('drained early');
    const booting = new Running(new Enclave(world.ports));
    expect(await drained(booting)).toEqual(EMPTY);
    expect(await phaseOf(booting)).toBe(Phase.PHASE_BOOTING);
    const setup = await world.boot();
    expect(await drained(setup)).toEqual(EMPTY);
    expect(await phaseOf(setup)).toBe(Phase.PHASE_SETUP);
    expect(world.store.puts).toBe(0);
    await setup.genesis(manifestOf(RINGS));
    expect(await phaseOf(setup)).toBe(Phase.PHASE_SERVING);
  });

  test('during a genesis, again and again, does not disturb it', async () => {
    const world = new World('drained genesis');
    const running = await world.boot();
    const release = world.logStore.hold();
    const born = running.genesis(manifestOf(RINGS));
    for (let i = 0; i < 5; i += 1) {
      await drained(running);
      await running.enclave.tick();
      await turn();
    }
    expect(world.store.puts).toBe(0);
    release();
    await born;
    expect((await running.status()).epoch).toBe(1n);
  });

  test('while the first evidence is made writes nothing', async () => {
    const world = new World('drained unsealed');
    await (await world.begin(RINGS)).enclave.close();
    const { opened, open } = gate();
    const quote = world.platform.quote.bind(world.platform);
    world.platform.quote = async (data) => {
      await opened;
      return quote(data);
    };
    const enclave = new Enclave(world.ports);
    const booted = enclave.boot();
    const running = new Running(enclave);
    while ((await phaseOf(running)) !== Phase.PHASE_UNSEALED) await turn();
    const { puts } = world.store;
    await drained(running);
    expect(world.store.puts).toBe(puts);
    open();
    await booted;
    expect(await phaseOf(running)).toBe(Phase.PHASE_SERVING);
  });

  test('goes on being served: it has only its own word for it', async () => {
    const world = new World('drained serving');
    const running = await world.begin(RINGS);
    for (let i = 0; i < 5; i += 1) {
      await running.sign('ed', { message });
      await drained(running);
    }
    expect((await running.status()).epoch).toBe(6n);
    running.enclave.startDraining();
    await running.sign('hsm', { message });
    await drained(running);
    expect(await running.status()).toMatchObject({ phase: Phase.PHASE_DRAINING, epoch: 7n });
  });

  test('gets nothing from a halted enclave', async () => {
    const world = new World('drained halted');
    const running = await world.begin(RINGS);
    await running.sign('ed', { message });
    await haltByIndex(world, running);
    const { puts } = world.store;
    expect(await drained(running)).toEqual(EMPTY);
    expect(world.store.puts).toBe(puts);
  });
});

describe('a signal to end', () => {
  test('while the enclave boots is no broken invariant', async () => {
    const world = new World('signal boot');
    await (await world.begin(RINGS)).enclave.close();
    for (const turns of [0, 1, 3, 10]) {
      const enclave = new Enclave(world.ports);
      const release = world.logStore.hold();
      const booted = enclave.boot();
      for (let i = 0; i < turns; i += 1) await turn();
      enclave.startDraining();
      release();
      await booted;
      const running = new Running(enclave);
      expect(await running.status()).toMatchObject({
        phase: Phase.PHASE_DRAINING,
        haltReason: '',
      });
      await enclave.close();
    }
    expect(await phaseOf(await world.boot())).toBe(Phase.PHASE_SERVING);
  });

  test('before there is a cluster ends in draining, and a genesis is refused', async () => {
    const world = new World('signal setup');
    const enclave = new Enclave(world.ports);
    enclave.startDraining();
    await enclave.boot();
    const running = new Running(enclave);
    expect(await phaseOf(running)).toBe(Phase.PHASE_DRAINING);
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('ENCLAVE_NOT_READY');
    expect(world.tokens.operations).not.toContain('initToken');
  });

  test('during a genesis leaves a whole cluster', async () => {
    const world = new World('signal genesis');
    const running = await world.boot();
    const release = world.logStore.hold();
    const born = running.genesis(manifestOf(RINGS));
    for (let i = 0; i < 3; i += 1) await turn();
    running.enclave.startDraining();
    release();
    expect(await born).toMatchObject({ rings: 2 });
    expect(await running.status()).toMatchObject({ phase: Phase.PHASE_DRAINING, haltReason: '' });
    const again = await world.reboot(running);
    expect(await phaseOf(again)).toBe(Phase.PHASE_SERVING);
  });
});

describe('a genesis whose log', () => {
  test.each([
    ['LOG_STORE_FAILED', 'LOG_STORE_FAILED'],
    ['LOG_STORE_CONFLICT', 'LOG_DAMAGED'],
    ['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE'],
  ] as const)('fails with %s halts as %s, logged out', async (refusal, haltReason) => {
    const world = new World(`genesis ${refusal}`);
    const running = await world.boot();
    world.logStore.failAppend(1, new Refusal(refusal));
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('ENCLAVE_HALTED', {
      haltReason,
    });
    await expect(running).toHaltWith(haltReason, { refusal });
    expect(world.tokens.openTokens).toBe(0);
    expect(world.store.keys).toEqual([]);
    expect(world.logStore.checkpoints).toEqual([]);
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('ENCLAVE_HALTED');
    await expect(await world.boot()).toHaltWith('STATE_MISSING');
  });

  test('stalls waits, and is one at a time', async () => {
    const world = new World('genesis stall');
    const running = await world.boot();
    const release = world.logStore.hold();
    const wait = world.logStore.beforeAppend;
    world.logStore.beforeAppend = (onStall) => {
      onStall();
      return wait(onStall);
    };
    const born = running.genesis(manifestOf(RINGS));
    for (let i = 0; i < 10; i += 1) await turn();
    await expect(running.genesis(manifestOf(RINGS))).toRefuseWith('GENESIS_NOT_ALLOWED', {
      actual: 'in progress',
    });
    await expect(running.sign('ed', { message })).toRefuseWith('ENCLAVE_NOT_READY');
    release();
    expect(await born).toMatchObject({ rings: 2 });
    await running.sign('ed', { message });
    expectNoFork(world.logStore);
  });
});
