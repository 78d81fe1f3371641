import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { HOST_METHODS } from '../../enclave/wire/methods.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { MemoryAnchor } from '../support/fakes/memory-anchor.ts';
import { World, type Running } from '../support/fakes/world.ts';
import '../support/matchers.ts';

const RINGS = { ed: { algorithm: 'EdDSA' } } as const;
const message = utf8('release 1.2.3');
const EMPTY = new Uint8Array(0);

class Bench {
  readonly world: World;
  readonly anchor: MemoryAnchor;
  readonly running: Running;

  constructor(world: World, anchor: MemoryAnchor, running: Running) {
    this.world = world;
    this.anchor = anchor;
    this.running = running;
  }

  static async begin(seed: string): Promise<Bench> {
    const world = new World(`head ${seed}`);
    const anchor = new MemoryAnchor();
    world.anchor = anchor;
    return new Bench(world, anchor, await world.begin(RINGS));
  }

  /** Epoch of the index: every write is one more. */
  async epoch(): Promise<number> {
    return Number((await this.running.status()).epoch);
  }

  sign = (): Promise<unknown> => this.running.sign('ed', { message });
  tick = (): Promise<void> => this.running.enclave.tick();
  drained = (): Promise<Uint8Array> => this.running.call(HOST_METHODS.drained, EMPTY);

  /** Leaves that a boot would have to read back. */
  async behind(): Promise<number> {
    const { logStore } = this.world;
    logStore.reads.length = 0;
    const again = await this.world.boot();
    await again.enclave.close();
    return logStore.reads.reduce((sum, count) => sum + count, 0);
  }

  /** Writes of the index wait until the returned function is called. */
  holdPuts(): () => void {
    const { store } = this.world;
    const put = store.put.bind(store);
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    store.put = async (records, remove) => {
      await gate;
      await put(records, remove);
    };
    return () => {
      store.put = put;
      release();
    };
  }
}

describe('the log’s head', () => {
  test('is not written when nothing changed', async () => {
    const bench = await Bench.begin('idle');
    for (let minute = 0; minute < 20; minute += 1) {
      bench.world.clock.advance(60_000);
      await bench.tick();
    }
    await bench.drained();
    expect(await bench.epoch()).toBe(1);
    expect(bench.world.store.puts).toBe(2);
  });

  test('is written when it grew and is sixty seconds old', async () => {
    const bench = await Bench.begin('minute');
    await bench.sign();
    bench.world.clock.advance(59_999);
    await bench.tick();
    expect(await bench.epoch()).toBe(1);
    bench.world.clock.advance(1);
    await bench.tick();
    expect(await bench.epoch()).toBe(2);
    await bench.tick();
    expect(await bench.epoch()).toBe(2);
    await bench.sign();
    bench.world.clock.advance(59_000);
    await bench.tick();
    expect(await bench.epoch()).toBe(2);
    bench.world.clock.advance(1_000);
    await bench.tick();
    expect(await bench.epoch()).toBe(3);
    expect(bench.anchor.written).toEqual([1n, 2n, 3n]);
    expect(bench.anchor.value?.logSize).toBe(BigInt(bench.world.logStore.leaves.length));
    expect(await bench.behind()).toBe(0);
  });

  test('is written at the first tick after a long rest', async () => {
    const bench = await Bench.begin('rest');
    bench.world.clock.advance(3_600_000);
    await bench.sign();
    await bench.tick();
    expect(await bench.epoch()).toBe(2);
  });

  test('is written when the host says that it drained, once', async () => {
    const bench = await Bench.begin('drained');
    await bench.sign();
    expect(await bench.drained()).toEqual(EMPTY);
    await bench.drained();
    expect(await bench.epoch()).toBe(2);
    expect(await bench.behind()).toBe(0);
  });

  test('is one state change for all who ask at once', async () => {
    const bench = await Bench.begin('at once');
    await bench.sign();
    bench.world.clock.advance(60_000);
    const release = bench.holdPuts();
    const all = [
      bench.drained(),
      bench.tick(),
      bench.drained(),
      bench.running.enclave.writeLogHead(),
    ];
    await turn();
    release();
    await Promise.all(all);
    expect(await bench.epoch()).toBe(2);
  });

  test('is written again for what came while it was written', async () => {
    const bench = await Bench.begin('grown meanwhile');
    await bench.sign();
    const release = bench.holdPuts();
    const first = bench.drained();
    await turn();
    await bench.sign();
    const second = [bench.drained(), bench.drained(), bench.drained()];
    await turn();
    release();
    await Promise.all([first, ...second]);
    expect(await bench.epoch()).toBe(3);
    expect(await bench.behind()).toBe(0);
  });

  test('that is on its way does not keep calls from being signed', async () => {
    const bench = await Bench.begin('beside');
    await bench.sign();
    const release = bench.holdPuts();
    const drained = bench.drained();
    await turn();
    await bench.sign();
    release();
    await drained;
    expect(await bench.behind()).toBe(1);
  });

  test.each([
    [new Refusal('STORE_UNAVAILABLE'), 'STORE_UNAVAILABLE'],
    [new TypeError('x'), 'INVARIANT_BROKEN'],
  ] as const)('that can’t be written (%s) halts, and all who asked hear of it', async (...row) => {
    const [failure, reason] = row;
    const bench = await Bench.begin(`fails ${reason}`);
    await bench.sign();
    bench.world.store.putFailure = failure;
    bench.world.store.failPut(1, 'refused');
    // Whoever waits for the write is told nothing: status tells.
    await Promise.all([bench.drained(), bench.drained(), bench.tick()]);
    await expect(bench.running).toHaltWith(reason);
    await expect(bench.sign()).toRefuseWith('ENCLAVE_HALTED');
    const { puts } = bench.world.store;
    await bench.drained();
    await bench.tick();
    expect(bench.world.store.puts).toBe(puts);
  });

  test('that can’t be anchored halts', async () => {
    const bench = await Bench.begin('anchor');
    await bench.sign();
    bench.anchor.failure = new Error('anchor');
    await bench.drained();
    await expect(bench.running).toHaltWith('INVARIANT_BROKEN');
    bench.anchor.failure = undefined;
    await expect(await bench.world.boot()).not.toHaltWith('ROLLBACK_DETECTED');
  });

  test('asked of a host that is gone hurts nobody else', async () => {
    const bench = await Bench.begin('gone');
    await bench.sign();
    bench.holdPuts();
    const asked = bench.running.enclave.writeLogHead();
    let written = false;
    void asked.then(() => {
      written = true;
    });
    for (let i = 0; i < 10; i += 1) await turn();
    expect(written).toBe(false);
    // What SIGTERM does after half a second: log out and end.
    await bench.running.enclave.close();
    expect(bench.world.tokens.openTokens).toBe(0);
  });
});
