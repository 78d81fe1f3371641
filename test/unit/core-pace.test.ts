import { describe, expect, test } from 'vitest';
import { Pace } from '../../enclave/core/pace.ts';
import { BATCH_SLICE_MS } from '../../enclave/wire/limits.ts';
import { FakeClock } from '../support/fakes/clock.ts';

/** Runs `workers` at once, each with pieces of work that take so long; says how much was done in each turn. */
async function perTurn(workers: number, pieces: number, pieceMs: number): Promise<number[]> {
  const clock = new FakeClock();
  const pace = new Pace(clock);
  const done: number[] = [];
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let i = 0; i < pieces; i += 1) {
        await pace.run(() => {
          clock.advance(pieceMs);
          done[clock.turns] = (done[clock.turns] ?? 0) + 1;
        });
      }
    }),
  );
  return done;
}

describe('the pace of batches', () => {
  test('gives away the event loop after each slice, and not before', async () => {
    expect(await perTurn(1, 8, BATCH_SLICE_MS / 4)).toEqual([4, 4]);
    expect(await perTurn(1, 3, 5 * BATCH_SLICE_MS)).toEqual([1, 1, 1]);
  });

  test('is one for all: many at once take no more of a turn than one', async () => {
    expect(await perTurn(16, 2, BATCH_SLICE_MS)).toEqual(Array<number>(32).fill(1));
    expect(await perTurn(100, 1, BATCH_SLICE_MS / 4)).toEqual(Array<number>(25).fill(4));
  });

  test('lets everybody have a turn in order', async () => {
    const clock = new FakeClock();
    const pace = new Pace(clock);
    const order: string[] = [];
    await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        for (let i = 0; i < 3; i += 1) {
          await pace.run(() => {
            clock.advance(BATCH_SLICE_MS);
            order.push(name);
          });
        }
      }),
    );
    expect(order.join('')).toBe('abcabcabc');
  });

  test('takes items in order and many at once, and lets others between', async () => {
    const pace = new Pace(new FakeClock());
    const seen: string[] = [];
    const items = [...Array(70).keys()];
    const work = (name: string) => (item: number, index: number) => {
      expect(index).toBe(item);
      seen.push(name);
    };
    await Promise.all([pace.each(items, work('a')), pace.each(items, work('b'))]);
    const runs = seen
      .join('')
      .match(/a+|b+/g)
      ?.map((run) => `${run.slice(0, 1)}${String(run.length)}`);
    expect(runs).toEqual(['a32', 'b32', 'a32', 'b32', 'a6', 'b6']);
    await expect(pace.each([], work('none'))).resolves.toBeUndefined();
  });

  test('goes on after work that fails, at once or later', async () => {
    const pace = new Pace(new FakeClock());
    const bug = new TypeError('a bug');
    await expect(
      pace.run(() => {
        throw bug;
      }),
    ).rejects.toBe(bug);
    await expect(pace.run(() => Promise.reject(bug))).rejects.toBe(bug);
    await expect(pace.run(() => 'done')).resolves.toBe('done');
  });
});
