/** The pool's reaction to each class of error, with a stand-in for the worker: no token is needed. */
import { createHash, generateKeyPairSync, randomBytes, verify, createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PoolEvent, PoolOptions } from '../../enclave/hsm/options.ts';
import { openTokenModule } from '../../enclave/hsm/pool.ts';
import type { Token, TokenKey } from '../../enclave/ports.ts';
import { bundledWorker } from '../support/bundled-worker.ts';
import type { Lie, Plan } from '../support/softhsm-lying-worker.ts';
import { until, USER_PIN } from '../support/softhsm.ts';

const LYING_WORKER = bundledWorker(new URL('../support/softhsm-lying-worker.ts', import.meta.url));
const failure = (rv: number, name: string): Lie => ({ kind: 'failure', rv, function: name });
const word = (name: string): Lie => failure(0, name);

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' });
const privateKey = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

describe('what the pool makes of a failure', () => {
  let folder: string;
  let events: PoolEvent[];
  let token: Token;
  const key: TokenKey = { id: randomBytes(16), algorithm: 'RS256', publicKey };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sw-lie-'));
    events = [];
  });
  afterEach(async () => {
    await token.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = async (lies: Partial<Plan>, options: Partial<PoolOptions> = {}): Promise<void> => {
    const plan: Plan = { privateKey, folder, open: [], sign: [], ...lies };
    for (const kind of ['open', 'sign'] as const) {
      plan[kind].forEach((_, index) => {
        writeFileSync(join(folder, `${kind}-${String(index)}`), '');
      });
    }
    const path = join(folder, 'plan.json');
    writeFileSync(path, JSON.stringify(plan));
    const module = openTokenModule({
      command: [process.execPath, '--disable-warning=ExperimentalWarning', LYING_WORKER],
      environment: {},
      modulePath: path,
      size: 1,
      operationDeadlineMs: 500,
      onEvent: (event) => {
        events.push(event);
      },
      ...options,
    });
    token = await module.open('serial', USER_PIN);
    await until(() => token.workersReady() === (options.size ?? 1));
  };
  const sign = async (): Promise<boolean> => {
    const message = randomBytes(30);
    const signature = await token.sign(key, createHash('sha256').update(message).digest());
    return verify(
      'sha256',
      message,
      createPublicKey({ key: publicKey, format: 'der', type: 'spki' }),
      signature,
    );
  };
  const count = (kind: PoolEvent['kind']): number =>
    events.filter((event) => event.kind === kind).length;

  it.each([
    ['session, when the worker could not mend it', failure(0xb3, 'C_SignInit')],
    ['session: operation active', failure(0x90, 'C_SignInit')],
    ['login', failure(0x101, 'C_SignInit')],
    ['login, by the state of the session', word('login-lost')],
    ['device error', failure(0x30, 'C_Sign')],
    ['device removed', failure(0x32, 'C_Sign')],
    ['token not present', failure(0xe0, 'C_Sign')],
    ['general error', failure(0x05, 'C_Sign')],
    ['not initialised', failure(0x190, 'C_Sign')],
    ['a vendor code', failure(0x80000123, 'C_Sign')],
    ['a credential code from a function without a PIN', failure(0xa0, 'C_Sign')],
    ['token missing, said while it was open', word('token-missing')],
    ['object missing, said by a worker that was open before', word('object-missing')],
    ['object altered, likewise', word('object-altered')],
    ['a wrong signature', { kind: 'wrong-signature' }],
    ['a signature of a wrong length', { kind: 'short-signature' }],
    ['another result than the one asked for', { kind: 'other-result' }],
    ['an answer without a result', { kind: 'no-result' }],
    ['bytes that are no answer', { kind: 'garbage' }],
    ['a length beyond the limit', { kind: 'giant' }],
    ['the death of the worker', { kind: 'die' }],
    ['a worker that hangs', { kind: 'hang' }],
    ['a word that no worker of ours says', word('nonsense')],
  ] satisfies [string, Lie][])('%s: another worker does it', async (_name, lie) => {
    await open({ sign: [lie] });
    expect(await sign()).toBe(true);
    expect(count('worker-started')).toBe(2);
    expect(count('login-refused')).toBe(0);
  });

  it.each([
    ['mechanism invalid', failure(0x70, 'C_SignInit')],
    ['key function not permitted', failure(0x68, 'C_SignInit')],
    ['data length', failure(0x21, 'C_Sign')],
    ['template', failure(0xd1, 'C_GenerateKey')],
    ['a request that the worker does not know', word('bad-request')],
  ])('request (%s): permanent, and the worker stays', async (_name, lie) => {
    await open({ sign: [lie] });
    await expect(sign()).rejects.toMatchObject({
      kind: 'request-refused',
      rv: lie.kind === 'failure' ? lie.rv : -1,
    });
    expect(await sign()).toBe(true);
    expect(count('worker-started')).toBe(1);
  });

  it('an answer too much ends the worker, not the pool', async () => {
    await open({ sign: [{ kind: 'twice' }] });
    expect(await sign()).toBe(true);
    await until(() => count('worker-lost') === 1);
    expect(await sign()).toBe(true);
  });

  it.each([
    ['wrong signatures', { kind: 'wrong-signature' }, 'unavailable'],
    ['an object that is missing', word('object-missing'), 'object-missing'],
    ['an ambiguous object', word('object-ambiguous'), 'object-ambiguous'],
    ['a device that stays broken', failure(0x30, 'C_Sign'), 'unavailable'],
    ['workers that die', { kind: 'die' }, 'unavailable'],
    ['workers that hang', { kind: 'hang' }, 'unavailable'],
  ] satisfies [string, Lie, string][])('%s, again and again: %s', async (_name, lie, kind) => {
    await open({ signAlways: lie });
    await expect(sign()).rejects.toMatchObject({ kind });
    await expect(sign()).rejects.toMatchObject({ kind });
  });

  it('a rejected signature is an alarm', async () => {
    await open({ sign: [{ kind: 'wrong-signature' }] });
    expect(await sign()).toBe(true);
    expect(count('signature-rejected')).toBe(1);
  });

  it('back-off: a device that stays broken does not make a storm of processes', async () => {
    await open({ signAlways: failure(0x30, 'C_Sign') }, { size: 2 });
    const end = performance.now() + 1_500;
    while (performance.now() < end) {
      await expect(sign()).rejects.toMatchObject({ kind: 'unavailable' });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(count('worker-started')).toBeLessThan(30);
  });

  it.each([
    ['PIN incorrect', failure(0xa0, 'C_Login'), 'pin-rejected', 0xa0],
    ['PIN locked', failure(0xa4, 'C_Login'), 'pin-rejected', 0xa4],
    ['PIN expired', failure(0xa3, 'C_Login'), 'pin-rejected', 0xa3],
    ['PIN at risk', word('pin-at-risk'), 'pin-at-risk', 0],
  ])(
    'credential (%s) at a respawn: the whole pool is down for good',
    async (_name, lie, kind, rv) => {
      await open({ sign: [{ kind: 'die' }], open: [] }, { size: 3 });
      const plan = { privateKey, folder, open: [], sign: [{ kind: 'die' }], openAlways: lie };
      writeFileSync(join(folder, 'plan.json'), JSON.stringify(plan));
      await sign().catch(() => false);
      await until(() => token.workersReady() === 0);
      await expect(sign()).rejects.toMatchObject({ kind, rv });
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(count('login-refused')).toBe(1);
      expect(count('worker-started')).toBe(4);
      await expect(sign()).rejects.toMatchObject({ kind, rv });
    },
  );
});
