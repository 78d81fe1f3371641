import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { BACK_OFF, BackOff } from '../../src/supervisor/back-off.ts';
import { howItEnded } from '../../src/supervisor/how-it-ended.ts';
import { KeptAlive } from '../../src/supervisor/kept-alive.ts';

describe('back-off', () => {
  test('starts again at once, then ever later, up to a limit', () => {
    const backOff = new BackOff();
    expect([1, 2, 3, 4, 5].map(() => backOff.next(0))).toEqual([0, 100, 200, 400, 800]);
    expect([6, 7, 8, 9, 10, 2000].map(() => backOff.next(0)).at(-1)).toBe(BACK_OFF.maxMs);
  });
  test('forgets after a long life', () => {
    const backOff = new BackOff();
    backOff.next(0);
    backOff.next(0);
    expect(backOff.next(BACK_OFF.forgetAfterMs)).toBe(0);
    expect(backOff.next(0)).toBe(BACK_OFF.stepMs);
  });
});

/** Lives that the test ends by hand. */
class Lives {
  readonly ends: ((how: string) => void)[] = [];
  readonly readies: (() => void)[] = [];
  readonly told: string[] = [];
  readonly kept: KeptAlive<undefined>;
  constructor(firstPatienceMs = 0) {
    this.kept = new KeptAlive({
      begin: () => ({
        ready: new Promise((resolve) => {
          this.readies.push(() => {
            resolve(undefined);
          });
        }),
        ended: new Promise((resolve) => {
          this.ends.push(resolve);
        }),
      }),
      onReady: () => this.told.push('ready'),
      onEnd: (how) => this.told.push(how),
      onFirstFailure: (how) => new Error(how),
      firstPatienceMs,
    });
  }
}

describe('kept alive', () => {
  test('is started again after it ended', async () => {
    const lives = new Lives();
    lives.readies[0]?.();
    await lives.kept.first;
    lives.ends[0]?.('killed');
    await sleep(20);
    expect(lives.ends.length).toBe(2);
    expect(lives.told).toEqual(['ready', 'killed']);
    const over = lives.kept.stop();
    lives.ends[1]?.('stopped');
    await over;
    expect(lives.ends.length).toBe(2);
  });

  test('fails when the first life ends before it is ready, and is not started again', async () => {
    const lives = new Lives();
    lives.ends[0]?.('wrong configuration');
    await expect(lives.kept.first).rejects.toThrow('wrong configuration');
    await sleep(20);
    expect(lives.ends.length).toBe(1);
    await lives.kept.stop();
  });

  test('is patient after a run that was cut off', async () => {
    const lives = new Lives(1_000);
    lives.ends[0]?.('the port is in use');
    await sleep(20);
    lives.readies[1]?.();
    await lives.kept.first;
    const over = lives.kept.stop();
    lives.ends[1]?.('stopped');
    await over;
  });

  test('is stopped while it waits', async () => {
    const lives = new Lives();
    lives.readies[0]?.();
    await lives.kept.first;
    lives.ends[0]?.('one');
    await sleep(20);
    lives.ends[1]?.('two');
    await sleep(20);
    await lives.kept.stop();
    expect(lives.ends.length).toBe(2);
  });

  test('is stopped before it was ready', async () => {
    const lives = new Lives();
    const over = lives.kept.stop();
    lives.ends[0]?.('stopped');
    await over;
    await expect(lives.kept.first).rejects.toThrow(Error);
  });
});

describe('the end of a process in words', () => {
  const end = { code: 1, signal: null, log: '' };
  test.each([
    [{ ...end }, 'status 1'],
    [{ ...end, code: null, signal: 'SIGKILL' as const, log: 'x\n' }, 'signal SIGKILL'],
    [{ ...end, log: 'a\nb\n' }, 'status 1, last words: b'],
    [
      { ...end, log: 'x\nTypeError: y\n    at z\n\nNode.js v24\n' },
      'status 1, last words: TypeError: y',
    ],
    [
      { ...end, log: '{"event":"host.refused-to-start","problems":["/a: b","/c: d"]}\n' },
      '/a: b; /c: d',
    ],
    [
      { ...end, log: '{"event":"host.refused-to-start"}\n' },
      'status 1, last words: {"event":"host.refused-to-start"}',
    ],
  ])('%o', (ended, words) => {
    expect(howItEnded(ended)).toBe(words);
  });
});
