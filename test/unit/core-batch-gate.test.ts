import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { BatchGate } from '../../enclave/core/batch-gate.ts';
import {
  MAX_BATCH_BYTES_WAITING,
  MAX_BATCH_BYTES_WAITING_OF_CALLER,
  MAX_BATCH_ITEMS,
  MAX_BATCH_ITEMS_SIGNING,
  MAX_BATCH_REQUEST_BYTES,
  MAX_BATCHES_WAITING,
  MAX_BATCHES_WAITING_OF_CALLER,
  MAX_IN_FLIGHT,
  MAX_REQUEST_BYTES,
} from '../../enclave/wire/limits.ts';
import '../support/matchers.ts';

const FULL = { items: MAX_BATCH_ITEMS, bytes: MAX_BATCH_REQUEST_BYTES };
const SMALL = { items: 1, bytes: 100 };
const wanted = (): boolean => true;
/** Full batches that sign at once. */
const AT_ONCE = MAX_BATCH_ITEMS_SIGNING / MAX_BATCH_ITEMS;

class Bench {
  readonly gate = new BatchGate();
  /** Names of the batches in the order in which they were let in. */
  readonly entered: string[] = [];
  readonly #open = new Map<string, () => void>();

  /** The batch runs until it is ended by its name. */
  run(caller: string, name: string, size = FULL): Promise<string> {
    return this.gate.run(caller, size, wanted, async () => {
      this.entered.push(name);
      await new Promise<void>((resolve) => this.#open.set(name, resolve));
      return name;
    });
  }

  async end(name: string): Promise<void> {
    this.#open.get(name)?.();
    this.#open.delete(name);
    await turn();
  }

  /** Ends batches one after the other until none is open. */
  async endAll(): Promise<void> {
    for (;;) {
      const [name] = this.#open.keys();
      if (name === undefined) return;
      await this.end(name);
    }
  }
}

const named = (caller: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${caller}${String(i)}`);

describe('the gate of batches', () => {
  test('lets as many items in as may sign at once, and one more for each that ends', async () => {
    const bench = new Bench();
    const all = named('a', 6).map((name) => bench.run('a', name));
    await turn();
    expect(bench.entered).toEqual(named('a', AT_ONCE));
    await bench.end('a1');
    expect(bench.entered).toEqual(named('a', AT_ONCE + 1));
    await bench.endAll();
    expect(await Promise.all(all)).toEqual(named('a', 6));
  });

  test('counts items, not batches', async () => {
    const bench = new Bench();
    const small = named('s', MAX_BATCH_ITEMS_SIGNING + 1);
    const all = small.map((name) => bench.run('a', name, SMALL));
    await turn();
    expect(bench.entered).toHaveLength(MAX_BATCH_ITEMS_SIGNING);
    await bench.endAll();
    await Promise.all(all);
  });

  test('gives callers turns: who comes late with one is not behind a hundred', async () => {
    const bench = new Bench();
    const all = named('greedy', 12).map((name) => bench.run('greedy', name));
    all.push(bench.run('late', 'late0'), bench.run('late', 'late1'), bench.run('third', 'third0'));
    await bench.endAll();
    await Promise.all(all);
    expect(bench.entered.slice(AT_ONCE, AT_ONCE + 6)).toEqual([
      'greedy2',
      'late0',
      'third0',
      'greedy3',
      'late1',
      'greedy4',
    ]);
  });

  test('lets no small batch overtake a large one for which there is no room yet', async () => {
    const bench = new Bench();
    const all = [bench.run('a', 'a0'), bench.run('a', 'a1', { ...FULL, items: 200 })];
    all.push(bench.run('b', 'large'), bench.run('c', 'small', SMALL));
    await turn();
    expect(bench.entered).toEqual(['a0', 'a1']);
    await bench.end('a1');
    expect(bench.entered).toEqual(['a0', 'a1', 'large']);
    await bench.endAll();
    await Promise.all(all);
    expect(bench.entered.at(-1)).toBe('small');
  });

  test('turns a caller away who has too many bytes waiting, and no other', async () => {
    const bench = new Bench();
    const most = AT_ONCE + MAX_BATCH_BYTES_WAITING_OF_CALLER / MAX_BATCH_REQUEST_BYTES;
    const all = named('a', most).map((name) => bench.run('a', name));
    await expect(bench.run('a', 'too much')).toRefuseWith('RATE_LIMITED', {});
    await expect(bench.run('a', 'a little', SMALL)).toRefuseWith('RATE_LIMITED', {});
    all.push(bench.run('b', 'b0'));
    await bench.endAll();
    await Promise.all(all);
    expect(bench.entered).toHaveLength(most + 1);
    // It has room again.
    const last = bench.run('a', 'again');
    await bench.endAll();
    expect(await last).toBe('again');
  });

  test('counts a small batch that waits as a call', async () => {
    const bench = new Bench();
    const all = named('b', AT_ONCE).map((name) => bench.run('b', name));
    const most = MAX_BATCHES_WAITING_OF_CALLER;
    expect(most * MAX_REQUEST_BYTES).toBeLessThan(MAX_BATCH_BYTES_WAITING_OF_CALLER);
    all.push(...named('a', most).map((name) => bench.run('a', name, SMALL)));
    await expect(bench.run('a', 'one more', SMALL)).toRefuseWith('RATE_LIMITED', {});
    await bench.endAll();
    await Promise.all(all);
  });

  test('turns everybody away when all that waits is too much', async () => {
    const bench = new Bench();
    const all = named('first', AT_ONCE).map((name) => bench.run('first', name));
    const callers = MAX_BATCH_BYTES_WAITING / MAX_BATCH_BYTES_WAITING_OF_CALLER;
    for (const caller of named('caller', callers)) {
      const most = MAX_BATCH_BYTES_WAITING_OF_CALLER / MAX_BATCH_REQUEST_BYTES;
      all.push(...named(caller, most).map((name) => bench.run(caller, name)));
    }
    await expect(bench.run('newcomer', 'newcomer0', SMALL)).toRefuseWith('RATE_LIMITED', {});
    await bench.endAll();
    await Promise.all(all);
  });

  test('turns everybody away when small ones wait in masses, and leaves calls in flight to others', async () => {
    const bench = new Bench();
    const all = named('first', AT_ONCE).map((name) => bench.run('first', name));
    for (const caller of named('caller', MAX_BATCHES_WAITING / MAX_BATCHES_WAITING_OF_CALLER)) {
      const most = named(`${caller}-`, MAX_BATCHES_WAITING_OF_CALLER);
      all.push(...most.map((name) => bench.run(caller, name, SMALL)));
    }
    await expect(bench.run('newcomer', 'newcomer0', SMALL)).toRefuseWith('RATE_LIMITED', {});
    expect(MAX_BATCHES_WAITING).toBeLessThanOrEqual(MAX_IN_FLIGHT / 4);
    await bench.endAll();
    await Promise.all(all);
  });

  test('does nothing for a batch that nobody wants any more', async () => {
    const { gate } = new Bench();
    const unwanted = gate.run(
      'a',
      FULL,
      () => false,
      () => Promise.resolve('done'),
    );
    await expect(unwanted).toRefuseWith('DEADLINE_EXCEEDED', {});
    await expect(gate.run('a', FULL, wanted, () => Promise.resolve('done'))).resolves.toBe('done');
  });

  test('goes on after batches that failed', async () => {
    const { gate } = new Bench();
    const failing = Array.from({ length: 9 }, () =>
      gate.run('a', FULL, wanted, () => Promise.reject(new TypeError('a bug'))),
    );
    for (const end of await Promise.allSettled(failing)) {
      expect(end).toMatchObject({ status: 'rejected', reason: new TypeError('a bug') });
    }
    await expect(gate.run('a', FULL, wanted, () => Promise.resolve('done'))).resolves.toBe('done');
  });
});
