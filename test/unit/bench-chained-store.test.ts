import { describe, expect, test } from 'vitest';
import { ChainedLogStore } from '../../scripts/bench/enclave/chained-log-store.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import type { LogStore } from '../../enclave/ports.ts';

const EDGE = utf8('edge');

/** A store that acknowledges when the test says so. */
class HeldStore implements LogStore {
  readonly firsts: number[] = [];
  readonly held: { resolve: () => void; reject: (error: Error) => void }[] = [];

  append(firstIndex: number): Promise<void> {
    this.firsts.push(firstIndex);
    return new Promise((resolve, reject) => this.held.push({ resolve, reject }));
  }
  state(): Promise<{ size: number; sealedEdge: Uint8Array }> {
    return Promise.resolve({ size: 7, sealedEdge: EDGE });
  }
  read(firstIndex: number, count: number): Promise<readonly Uint8Array[]> {
    return Promise.resolve([utf8(`${String(firstIndex)} ${String(count)}`)]);
  }
  publishCheckpoint(): void {
    this.firsts.push(-1);
  }
}

const chained = (): { held: HeldStore; append: (first: number) => Promise<void> } => {
  const held = new HeldStore();
  const store = new ChainedLogStore(held);
  return { held, append: (first) => store.append(first, [EDGE], EDGE) };
};

async function settled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise((resolve) => setImmediate(resolve, pending));
  return (await Promise.race([promise, turn])) !== pending;
}

describe('the log store of the benchmark', () => {
  test('calls a batch durable when it is on its way, which is a lie', async () => {
    const { held, append } = chained();
    for (const first of [0, 1, 2]) await append(first);
    expect(held.firsts).toEqual([0, 1, 2]);
  });

  test('waits for the oldest when 64 are on their way', async () => {
    const { held, append } = chained();
    for (let first = 0; first < 64; first += 1) await append(first);
    const next = append(64);
    expect(await settled(next)).toBe(false);
    expect(held.firsts).toHaveLength(64);
    held.held[0]?.resolve();
    await next;
    expect(held.firsts).toHaveLength(65);
  });

  test('fails one batch late', async () => {
    const { held, append } = chained();
    await append(0);
    held.held[0]?.reject(new Error('the disk failed'));
    await settled(Promise.resolve());
    await expect(append(1)).rejects.toThrow('the disk failed');
    expect(held.firsts).toEqual([0]);
  });

  test('hands everything else through', async () => {
    const held = new HeldStore();
    const store = new ChainedLogStore(held);
    expect(await store.state()).toEqual({ size: 7, sealedEdge: EDGE });
    expect(await store.read(3, 4)).toEqual([utf8('3 4')]);
    store.publishCheckpoint('note');
    expect(held.firsts).toEqual([-1]);
  });
});
