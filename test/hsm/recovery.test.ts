import { randomBytes } from 'node:crypto';
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TokenFailure, type Token, type TokenKey } from '../../enclave/ports.ts';
import { inputFor, verifies } from '../support/softhsm-raw.ts';
import { SoftHsm, softhsmIsMissing, TestPin, until, USER_PIN } from '../support/softhsm.ts';

interface Load {
  signed: number;
  wrong: number;
  unavailable: number;
  other: unknown[];
  stop(): Promise<void>;
}

describe.skipIf(softhsmIsMissing())('a pool recovers', () => {
  let hsm: SoftHsm;
  let serial: string;

  beforeEach(async () => {
    hsm = new SoftHsm();
    serial = await hsm.initialise();
  });
  afterEach(() => hsm.dispose());

  const bear = async (token: Token, algorithm: 'ES256' | 'RS256'): Promise<TokenKey> => {
    const id = Uint8Array.from(randomBytes(16));
    return {
      id,
      algorithm,
      publicKey: (await token.generateKeyPair({ id, label: 'k', algorithm })).publicKey,
    };
  };

  const sign = async (token: Token, key: TokenKey): Promise<boolean> => {
    const message = randomBytes(20);
    const signature = await token.sign(key, inputFor(key.algorithm, message));
    return verifies(key.algorithm, key.publicKey, message, signature);
  };

  /** Callers that sign and verify until they are stopped. */
  const startLoad = (
    token: Token,
    keys: readonly [TokenKey, ...TokenKey[]],
    callers: number,
  ): Load => {
    let running = true;
    const load: Load = { signed: 0, wrong: 0, unavailable: 0, other: [], stop: () => stopped };
    const caller = async (key: TokenKey): Promise<void> => {
      while (running) {
        try {
          if (await sign(token, key)) load.signed++;
          else load.wrong++;
        } catch (error) {
          if (error instanceof TokenFailure && error.kind === 'unavailable') load.unavailable++;
          else load.other.push(error);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const all = Promise.all(
      Array.from({ length: callers }, (_, index) => caller(keys[index % keys.length] ?? keys[0])),
    );
    const stopped = (async () => {
      await new Promise<void>((resolve) => {
        load.stop = async () => {
          running = false;
          resolve();
          await all;
        };
      });
    })();
    return load;
  };

  it('kill -9 of workers under load: no wrong signature, and all are back', async () => {
    const token = await hsm.open(serial, { size: 2 });
    const keys = [await bear(token, 'ES256'), await bear(token, 'RS256')] as const;
    const load = startLoad(token, keys, 12);
    for (let round = 0; round < 6; round++) {
      await until(() => token.workersReady() === 2);
      const before = load.signed;
      const victims = hsm.readyPids().slice(0, round === 5 ? 2 : 1);
      const start = performance.now();
      for (const pid of victims) process.kill(pid, 'SIGKILL');
      await until(() => load.signed > before + 20 && token.workersReady() === 2);
      expect(performance.now() - start).toBeLessThan(2_000);
    }
    await load.stop();
    expect(load.wrong).toBe(0);
    expect(load.other).toEqual([]);
    expect(load.signed).toBeGreaterThan(100);
    expect(load.unavailable).toBeLessThan(12);
  });

  it('a call whose only worker is killed is done by its successor', async () => {
    const token = await hsm.open(serial, { size: 1 });
    const key = await bear(token, 'ES256');
    const [pid = 0] = hsm.readyPids();
    process.kill(pid, 'SIGSTOP');
    const calls = Array.from({ length: 5 }, () => sign(token, key));
    process.kill(pid, 'SIGKILL');
    expect(await Promise.all(calls)).toEqual([true, true, true, true, true]);
  });

  it('a call that must not be done twice fails as unavailable', async () => {
    const token = await hsm.open(serial, { size: 1 });
    const [pid = 0] = hsm.readyPids();
    process.kill(pid, 'SIGSTOP');
    const call = token.generateSecret({ id: randomBytes(16), label: 'once' });
    process.kill(pid, 'SIGKILL');
    await expect(call).rejects.toMatchObject({ kind: 'unavailable' });
    await until(() => token.workersReady() === 1);
    expect(await token.inventory()).toEqual([]);
  });

  it('a worker that hangs is killed at its deadline, and its calls are done elsewhere', async () => {
    const token = await hsm.open(serial, { size: 2, operationDeadlineMs: 400 });
    const key = await bear(token, 'ES256');
    await sign(token, key);
    const [stopped = 0] = hsm.readyPids();
    process.kill(stopped, 'SIGSTOP');
    const start = performance.now();
    const results = await Promise.all(Array.from({ length: 30 }, () => sign(token, key)));
    expect(results).not.toContain(false);
    expect(performance.now() - start).toBeGreaterThan(300);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(hsm.events).toContainEqual({ kind: 'worker-lost', pid: stopped, loss: 'deadline' });
    await until(() => token.workersReady() === 2);
    expect(hsm.workerPids()).not.toContain(stopped);
  });

  it('all workers hang: calls fail or succeed, and the pool is back', async () => {
    const token = await hsm.open(serial, { size: 2, operationDeadlineMs: 400 });
    const key = await bear(token, 'ES256');
    const load = startLoad(token, [key], 4);
    await until(() => load.signed > 20);
    for (const pid of hsm.readyPids()) process.kill(pid, 'SIGSTOP');
    const before = load.signed;
    await until(() => load.signed > before + 20, 5_000);
    await load.stop();
    expect(load).toMatchObject({ wrong: 0, other: [] });
  });

  it.each(['the folder of tokens', 'the folder of this token'])(
    '%s goes away and comes back',
    async (which) => {
      const token = await hsm.open(serial, { size: 2 });
      const key = await bear(token, 'ES256');
      expect(await sign(token, key)).toBe(true);
      const [tokenFolder = ''] = readdirSync(hsm.tokenFolder);
      const moved =
        which === 'the folder of tokens' ? hsm.tokenFolder : join(hsm.tokenFolder, tokenFolder);
      const away = join(hsm.folder, 'away');
      renameSync(moved, away);
      for (let call = 0; call < 5; call++) {
        await expect(token.sign(key, randomBytes(32))).rejects.toMatchObject({
          kind: 'unavailable',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await expect(token.sign(key, randomBytes(32))).rejects.toMatchObject({ kind: 'unavailable' });
      renameSync(away, moved);
      await until(() => sign(token, key).catch(() => false), 5_000);
      await until(() => token.workersReady() === 2, 5_000);
    },
  );

  it('a wrong PIN is tried once in the whole pool, and never again', async () => {
    const module = hsm.module({ size: 4 });
    const wrong = new TestPin('wrong-wrong-wrong');
    await expect(module.open(serial, wrong)).rejects.toMatchObject({
      kind: 'pin-rejected',
      rv: 0xa0,
    });
    const failed = hsm.events.filter((event) => event.kind === 'worker-failed');
    expect(failed).toMatchObject([{ rv: 0xa0, operation: 'open' }]);
    expect(hsm.countEvents('login-refused')).toBe(1);
    await until(() => hsm.workerPids().length === 0);
    const started = hsm.countEvents('worker-started');
    // Not even the right one: this boot has had its failed login.
    await expect(module.open(serial, USER_PIN)).rejects.toMatchObject({
      kind: 'pin-rejected',
      rv: 0,
    });
    expect(hsm.countEvents('worker-started')).toBe(started);
  });

  it('a PIN counter that somebody else has brought down stops the login', async () => {
    await expect(hsm.module().open(serial, new TestPin('somebody-elses'))).rejects.toMatchObject({
      kind: 'pin-rejected',
    });
    const [info] = (await hsm.module().listTokens()).filter((token) => token.serial === serial);
    expect(info?.userPinAtRisk).toBe(true);
    const later = hsm.module({ size: 2 });
    await expect(later.open(serial, USER_PIN)).rejects.toMatchObject({
      kind: 'pin-at-risk',
      rv: 0,
    });
  });

  it('refuses beyond its bound instead of growing', async () => {
    const token = await hsm.open(serial, { size: 1, maxQueued: 10 });
    const key = await bear(token, 'RS256');
    const settled = await Promise.allSettled(Array.from({ length: 100 }, () => sign(token, key)));
    const refused = settled.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(80);
    expect(settled.filter((one) => one.status === 'fulfilled' && one.value).length).toBe(
      100 - refused.length,
    );
  });

  it('refuses what does not fit into a request, and goes on', async () => {
    const token = await hsm.open(serial);
    const id = randomBytes(16);
    await token.generateSecret({ id, label: 's' });
    await expect(token.hmac(id, randomBytes(64 * 1024))).rejects.toMatchObject({
      kind: 'request-refused',
    });
    await expect(token.hmac(id, randomBytes(60 * 1024))).resolves.toHaveLength(32);
    expect(hsm.countEvents('worker-lost')).toBe(0);
  });

  it('refuses a PIN that no pipe carries', async () => {
    for (const pin of ['', 'x'.repeat(256)]) {
      await expect(hsm.module().open(serial, new TestPin(pin))).rejects.toMatchObject({
        kind: 'request-refused',
      });
    }
    const pins = { soPin: new TestPin(''), userPin: USER_PIN };
    await expect(hsm.module().initToken({ label: 'x', ...pins })).rejects.toMatchObject({
      kind: 'request-refused',
    });
    await until(() => hsm.workerPids().length === 0);
  });

  it('a token that is not there is missing, not unavailable', async () => {
    await expect(hsm.module().open('0000000000000000', USER_PIN)).rejects.toMatchObject({
      kind: 'token-missing',
    });
    await expect(hsm.module().open('', USER_PIN)).rejects.toMatchObject({ kind: 'token-missing' });
  });

  it('a module that cannot be loaded is unavailable', async () => {
    const module = hsm.module({ modulePath: '/nonexistent/module.so' });
    await expect(module.listTokens()).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(module.open(serial, USER_PIN)).rejects.toMatchObject({ kind: 'unavailable' });
    const missing = hsm.module({ command: ['/nonexistent/node'] });
    await expect(missing.listTokens()).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(missing.open(serial, USER_PIN)).rejects.toMatchObject({ kind: 'unavailable' });
  });
});
