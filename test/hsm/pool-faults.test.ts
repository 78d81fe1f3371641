/** A pool of several workers on a module that misbehaves: logins, back-off, queue, deadlines. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PoolOptions } from '../../enclave/hsm/options.ts';
import { TokenFailure, type Token, type TokenKey } from '../../enclave/ports.ts';
import { Shim, shimIsMissing, type Action, type FunctionName } from '../support/pkcs11-shim.ts';
import { inputFor, verifies } from '../support/softhsm-raw.ts';
import { SoftHsm, TestPin, until, USER_PIN } from '../support/softhsm.ts';

const WORKERS = 3;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(shimIsMissing())('a pool on a misbehaving module', () => {
  let hsm: SoftHsm;
  let shim: Shim;
  let serial: string;
  let token: Token;
  let key: TokenKey;

  beforeEach(async () => {
    hsm = new SoftHsm();
    shim = new Shim(hsm.folder);
    serial = await hsm.initialise();
  });
  afterEach(() => hsm.dispose());

  const open = async (options: Partial<PoolOptions> = {}): Promise<void> => {
    token = await hsm.open(serial, { modulePath: shim.modulePath, size: WORKERS, ...options });
    const id = Uint8Array.from(randomBytes(16));
    const born = await token.generateKeyPair({ id, label: 'k', algorithm: 'ES256' });
    key = { id, algorithm: 'ES256', publicKey: born.publicKey };
  };
  const sign = async (): Promise<boolean> => {
    const message = randomBytes(20);
    const signature = await token.sign(key, inputFor('ES256', message));
    return verifies('ES256', key.publicKey, message, signature);
  };
  const every = (name: FunctionName, ...action: Action): void => {
    shim.set([{ function: name, first: 1, count: Infinity, action }]);
  };
  const killAll = (): void => {
    for (const pid of hsm.readyPids()) process.kill(pid, 'SIGKILL');
  };
  /** How many calls ended how, and the longest that one took. */
  const volley = async (calls: number): Promise<{ outcomes: Map<string, number>; ms: number }> => {
    const outcomes = new Map<string, number>();
    const start = performance.now();
    let ms = 0;
    await Promise.all(
      Array.from({ length: calls }, async () => {
        const outcome = await sign().catch((error: unknown) =>
          error instanceof TokenFailure ? error.kind : String(error),
        );
        outcomes.set(String(outcome), (outcomes.get(String(outcome)) ?? 0) + 1);
        ms = performance.now() - start;
      }),
    );
    return { outcomes, ms };
  };

  it('logs in one worker after the other, never two at once', async () => {
    await open();
    every('C_Login', 'delay', 300);
    killAll();
    // Each login takes 300 ms: with two at once the third would have begun before 600 ms.
    await until(() => shim.counts().C_Login === 1);
    const start = performance.now();
    await until(() => shim.counts().C_Login === WORKERS);
    expect(performance.now() - start).toBeGreaterThan((WORKERS - 1) * 290);
    await until(() => token.workersReady() === WORKERS);
    expect(await sign()).toBe(true);
  });

  it.each([
    ['CKR_PIN_INCORRECT', 0xa0],
    ['CKR_PIN_LOCKED', 0xa4],
  ])('%s: one login in the whole pool, whoever asks for another', async (_name, rv) => {
    await open();
    every('C_Login', 'rv', rv);
    killAll();
    await expect(token.broken).resolves.toMatchObject({ kind: 'pin-rejected', rv });
    await volley(20);
    await until(() => hsm.workerPids().length === 0);
    await sleep(500);
    expect(shim.counts().C_Login).toBe(1);
    await expect(sign()).rejects.toMatchObject({ kind: 'pin-rejected', rv });
  });

  it('a wrong PIN, counted by the module itself: one try a boot', async () => {
    const module = hsm.module({ modulePath: shim.modulePath, size: WORKERS });
    const wrong = new TestPin('wrong-wrong-wrong');
    shim.set([]);
    await expect(module.open(serial, wrong)).rejects.toMatchObject({ kind: 'pin-rejected' });
    for (const pin of [wrong, USER_PIN]) {
      await expect(module.open(serial, pin)).rejects.toMatchObject({ kind: 'pin-rejected' });
    }
    expect(shim.counts().C_Login).toBe(1);
  });

  it('a module that never initialises: few processes, longer and longer pauses, instant refusals', async () => {
    await open();
    every('C_Initialize', 'rv', 0x30);
    killAll();
    await until(() => token.workersReady() === 0);
    await until(async () => (await volley(1)).ms < 50);
    const start = performance.now();
    while (performance.now() - start < 2_500) {
      const { outcomes, ms } = await volley(50);
      expect([...outcomes.keys()]).toEqual(['unavailable']);
      expect(ms).toBeLessThan(500);
      await sleep(20);
    }
    // Doubling from 50 ms: 3 at once, then at most one each 25, 50, 100, 200, 400, 800, 1,000 ms.
    expect(shim.counts().C_Initialize).toBeLessThanOrEqual(12);
    shim.set([]);
    const healing = performance.now();
    await until(() => token.workersReady() === WORKERS, 5_000);
    expect(performance.now() - healing).toBeLessThan(5_000);
    expect(await sign()).toBe(true);
  });

  it('pauses are jittered', async () => {
    const pauses: number[] = [];
    await open({
      clock: {
        monotonicMs: () => performance.now(),
        after(ms, callback) {
          pauses.push(ms);
          const timer = setTimeout(callback, ms);
          return () => {
            clearTimeout(timer);
          };
        },
        random: () => (pauses.length % 2 === 0 ? 0 : 0.999),
      },
    });
    every('C_Initialize', 'rv', 0x30);
    killAll();
    await until(() => pauses.length >= 4);
    // Half of the whole and all of it in turns; the whole doubles.
    const [first = 0, second = 0, third = 0, fourth = 0] = pauses;
    expect(second / first).toBeGreaterThan(3.9);
    expect(third / second).toBeCloseTo(1, 1);
    expect(fourth / third).toBeGreaterThan(3.9);
  });

  it('hung workers: the queue stays within its bound, every call is answered in time', async () => {
    await open({ operationDeadlineMs: 600, queueDeadlineMs: 800, maxQueued: 40 });
    await volley(WORKERS * 4);
    every('C_Sign', 'hang');
    const { outcomes, ms } = await volley(2_000);
    expect([...outcomes]).toEqual([['unavailable', 2_000]]);
    // Two workers' deadlines and the queue's between them; ticks and a busy machine besides.
    expect(ms).toBeLessThan(600 + 800 + 600 + 2_000);
    shim.set([]);
    await until(() => sign().catch(() => false), 5_000);
    await until(() => token.workersReady() === WORKERS, 5_000);
  });

  it.each<[string, Action]>([
    ['wrong signature', ['flip', 7]],
    ['device error', ['rv', 0x30]],
    ['crash', ['segv']],
  ])(
    'after a %s another worker serves the call; nobody waits for the next one',
    async (_n, action) => {
      await open({ size: 2 });
      await volley(8);
      shim.set([
        { function: 'C_Sign', first: 1, count: 1, action },
        { function: 'C_Initialize', first: 1, count: Infinity, action: ['rv', 0x30] },
      ]);
      expect(await sign()).toBe(true);
      expect(shim.counts().fired).toBeGreaterThan(0);
      expect(hsm.countEvents('worker-ready')).toBe(2);
    },
  );

  it('a slow module is slow and nothing else', async () => {
    await open();
    every('C_Sign', 'delay', 15);
    const { outcomes } = await volley(90);
    expect([...outcomes]).toEqual([['true', 90]]);
    expect(hsm.countEvents('worker-lost')).toBe(0);
  });

  it.each<[string, Action]>([
    ['dies at every tenth signature', ['segv']],
    ['fails every tenth signature', ['rv', 0x30]],
    ['loses its session at every tenth signature', ['rv', 0xb3]],
    ['makes every tenth signature wrong', ['flip', 7]],
  ])('under load, a module that %s: nothing wrong comes out', async (_name, action) => {
    await open();
    await volley(WORKERS * 4);
    shim.set(
      Array.from({ length: 12 }, (_, index) => ({
        function: 'C_Sign' as const,
        first: 10 * (index + 1),
        count: 1,
        action,
      })),
    );
    const { outcomes } = await volley(200);
    expect(outcomes.get('false')).toBeUndefined();
    expect(outcomes.get('true')).toBeGreaterThan(0);
    expect([...outcomes.keys()].every((kind) => ['true', 'unavailable'].includes(kind))).toBe(true);
    expect(shim.counts().fired).toBeGreaterThan(0);
    shim.set([]);
    await until(() => token.workersReady() === WORKERS, 5_000);
    expect(await sign()).toBe(true);
  });
});
