/** What callers and operators see of a misbehaving HSM: the enclave's core on a real pool. */
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { cpSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../enclave/wire/bytes.ts';
import type { HaltReason } from '../../enclave/wire/error-code.ts';
import { SignatureEncoding } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import type { Running } from '../support/fakes/world.ts';
import { HsmWorld } from '../support/hsm-world.ts';
import {
  shimIsMissing,
  type Action,
  type FunctionName,
  type Rule,
} from '../support/pkcs11-shim.ts';
import { until } from '../support/softhsm.ts';
import '../support/matchers.ts';

const message = randomBytes(40);
const RINGS = {
  hsm: { algorithm: 'ES256', residency: 'hsm' },
  digest: { algorithm: 'ES384', residency: 'hsm', payload: 'digest' },
} as const;
const RECOVERY_MS = 5_000;

const every = (name: FunctionName, ...action: Action): Rule[] => [
  { function: name, first: 1, count: Infinity, action },
];
const once = (name: FunctionName, ...action: Action): Rule[] => [
  { function: name, first: 1, count: 1, action },
];

describe.skipIf(shimIsMissing())('an enclave on a misbehaving HSM', () => {
  let world: HsmWorld;
  let running: Running;
  const publicKeys = new Map<string, Uint8Array>();

  const begin = async (): Promise<void> => {
    world = new HsmWorld(toHex(randomBytes(8)));
    running = await world.begin(RINGS);
    for (const { ring, publicKey } of await running.keys()) publicKeys.set(ring, publicKey);
    await until(async () => (await running.status()).workersReady === 2);
  };
  const end = async (): Promise<void> => {
    world.shim.set([]);
    await running.enclave.close();
    await world.hsm.dispose();
  };

  const sign = async (ring: keyof typeof RINGS = 'hsm'): Promise<boolean> => {
    const hash = ring === 'hsm' ? 'sha256' : 'sha384';
    const digest = createHash(hash).update(message).digest();
    const { signature } = await running.sign(ring, ring === 'hsm' ? { message } : { digest });
    const spki = Buffer.from(publicKeys.get(ring) ?? []);
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    return verify(hash, message, key, signature);
  };

  /** Clears the rules; the same instance signs again. */
  const expectHealed = async (): Promise<void> => {
    const { instanceId } = await running.status();
    world.shim.set([]);
    await until(() => sign().catch(() => false), RECOVERY_MS);
    await until(async () => (await running.status()).workersReady === 2, RECOVERY_MS);
    expect(await running.status()).toMatchObject({ phase: Phase.PHASE_SERVING, instanceId });
  };

  describe('heals', () => {
    beforeAll(begin);
    afterAll(end);

    it('one wrong signature is an alarm, and not released', async () => {
      expect((await running.status()).alarms).toEqual([]);
      for (const ring of ['hsm', 'digest'] as const) {
        // A worker's first use of a key is a self-test: both have it behind them.
        const first = await Promise.all(Array.from({ length: 16 }, () => sign(ring)));
        expect(first).not.toContain(false);
        world.shim.set(once('C_Sign', 'flip', 9));
        expect(await sign(ring)).toBe(true);
        expect(world.shim.counts().fired).toBe(1);
        expect((await running.status()).alarms).toEqual(['HSM_SIGNATURE_WRONG']);
        await expectHealed();
      }
    });

    it('signatures come in the form that was asked for, after they were verified', async () => {
      const encoding = SignatureEncoding.SIGNATURE_ENCODING_P1363;
      const { signature } = await running.sign('hsm', { message, encoding });
      expect(signature).toHaveLength(64);
    });

    it.each([
      ['session', 0xb3, 'TOKEN_UNAVAILABLE'],
      ['login', 0x101, 'TOKEN_UNAVAILABLE'],
      ['device', 0x30, 'TOKEN_UNAVAILABLE'],
      ['credential, without a PIN', 0xa0, 'TOKEN_UNAVAILABLE'],
      ['request', 0x70, 'TOKEN_REFUSED'],
    ] as const)(
      'class %s, always: callers get the word, and it heals',
      async (_name, rv, reason) => {
        world.shim.set(every('C_SignInit', 'rv', rv));
        for (let call = 0; call < 4; call++) {
          await expect(running.sign('hsm', { message })).toRefuseWith(reason, {});
        }
        await expectHealed();
      },
    );

    it('hung for good: callers are told in time, and it heals', async () => {
      world.shim.set(every('C_Sign', 'hang'));
      const start = performance.now();
      const calls = Array.from({ length: 20 }, () => running.sign('hsm', { message }));
      await Promise.all(calls.map((call) => expect(call).toRefuseWith('TOKEN_UNAVAILABLE', {})));
      // A deadline, the retry's deadline, the queue's deadline, and what a busy machine adds.
      expect(performance.now() - start).toBeLessThan(9_000);
      await expectHealed();
    });

    it.each<[string, Action, FunctionName]>([
      ['an attribute is another', ['attribute', '162', '01'], 'C_GetAttributeValue'],
      ['an object is not found', ['truncate', 0], 'C_FindObjects'],
      ['an object is there twice', ['double'], 'C_FindObjects'],
    ])('%s, for a moment: another worker is believed', async (_name, action, name) => {
      world.shim.set(every(name, ...action));
      await world.killWorkers();
      const answer = sign();
      await until(() => world.shim.counts().fired > 0);
      world.shim.set([]);
      expect(await answer).toBe(true);
      await expectHealed();
    });

    it.each(['all tokens', 'this token'])(
      'the folder of %s goes away and comes back: unavailable, then healed',
      async (which) => {
        const { tokenFolder, folder } = world.hsm;
        const token = join(tokenFolder, readdirSync(tokenFolder)[0] ?? '');
        const moved = which === 'all tokens' ? tokenFolder : token;
        const away = join(folder, 'away');
        for (let round = 0; round < 3; round++) {
          renameSync(moved, away);
          for (let call = 0; call < 5; call++) {
            await expect(running.sign('hsm', { message })).toRefuseWith('TOKEN_UNAVAILABLE', {});
          }
          renameSync(away, moved);
          await expectHealed();
        }
      },
    );
  });

  describe('halts', () => {
    beforeEach(begin);
    afterEach(end);

    it.each([
      ['CKR_PIN_INCORRECT', 0xa0],
      ['CKR_PIN_LOCKED', 0xa4],
      ['CKR_PIN_EXPIRED', 0xa3],
      ["a vendor's code", 0x80000001],
    ])('%s at a respawn: one login, then halted', async (_name, rv) => {
      world.shim.set(every('C_Login', 'rv', rv));
      await world.killWorkers();
      await until(async () => (await running.status()).phase === Phase.PHASE_HALTED);
      await expect(running).toHaltWith('PIN_REJECTED', {
        operation: 'open',
        rv: `0x${rv.toString(16)}`,
      });
      await until(() => world.hsm.workerPids().length === 0);
      expect(world.shim.counts().C_Login).toBe(1);
      await expect(running.sign('hsm', { message })).toRefuseWith('ENCLAVE_HALTED');
    });

    it.each([
      ['CKF_USER_PIN_COUNT_LOW', 0x10000],
      ['CKF_USER_PIN_FINAL_TRY', 0x20000],
      ['CKF_USER_PIN_LOCKED', 0x40000],
    ])('%s: no login, and halted', async (_name, flag) => {
      world.shim.set(every('C_GetTokenInfo', 'flags', flag));
      await world.killWorkers();
      await until(async () => (await running.status()).phase === Phase.PHASE_HALTED);
      await expect(running).toHaltWith('PIN_AT_RISK', { operation: 'open' });
      expect(world.shim.counts().C_Login).toBe(0);
    });

    it('a wrong PIN at boot: one login, then halted', async () => {
      await running.enclave.close();
      world.shim.set(every('C_Login', 'rv', 0xa0));
      running = await world.boot();
      await expect(running).toHaltWith('PIN_REJECTED', { rv: '0xa0' });
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(world.shim.counts().C_Login).toBe(1);
    });

    it('a wrong MAC at boot, and at a birth, costs a worker and no key', async () => {
      await running.enclave.close();
      world.shim.set(once('C_Sign', 'flip', 3));
      running = await world.boot();
      expect(world.shim.counts().fired).toBe(1);
      expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
      expect(await sign()).toBe(true);
      const other = new HsmWorld('birth');
      try {
        // The first MAC seals the root key.
        other.shim.set([{ function: 'C_Sign', first: 1, count: 1, action: ['flip', 3] }]);
        const born = await other.begin({ ec: { algorithm: 'ES256' } });
        expect(other.shim.counts().fired).toBe(1);
        const again = await other.reboot(born);
        expect((await again.status()).phase).toBe(Phase.PHASE_SERVING);
        await again.enclave.close();
      } finally {
        await other.hsm.dispose();
      }
    });

    describe('whose objects are not what was recorded', () => {
      /** Files of the token's objects, newest last. */
      const objectFiles = (): string[] => {
        const folder = join(world.hsm.tokenFolder, readdirSync(world.hsm.tokenFolder)[0] ?? '');
        return readdirSync(folder)
          .filter((name) => name.endsWith('.object') && name !== 'token.object')
          .map((name) => join(folder, name));
      };

      it.each<[string, HaltReason, string, () => void]>([
        [
          'an attribute is another',
          'TOKEN_OBJECT_REJECTED',
          'object-altered',
          () => {
            world.shim.set(every('C_GetAttributeValue', 'attribute', '162', '01'));
          },
        ],
        [
          'an object is not found',
          'TOKEN_INVENTORY_MISMATCH',
          'object-missing',
          () => {
            world.shim.set(every('C_FindObjects', 'truncate', 0));
          },
        ],
        [
          'an object is there twice',
          'TOKEN_INVENTORY_MISMATCH',
          'object-ambiguous',
          () => {
            world.shim.set(every('C_FindObjects', 'double'));
          },
        ],
        [
          'all files of objects are gone',
          'TOKEN_INVENTORY_MISMATCH',
          'object-missing',
          () => {
            for (const file of objectFiles()) rmSync(file);
          },
        ],
        [
          'all files of objects are there twice',
          'TOKEN_INVENTORY_MISMATCH',
          'object-ambiguous',
          () => {
            for (const file of objectFiles()) cpSync(file, file.replace(/.\.object$/, 'z.object'));
          },
        ],
      ])('%s: halted', async (_name, haltReason, failure, act) => {
        expect(await sign()).toBe(true);
        act();
        await world.killWorkers();
        await expect(running.sign('hsm', { message })).toRefuseWith('TOKEN_UNAVAILABLE');
        await expect(running).toHaltWith(haltReason, { operation: 'sign', failure });
        const { haltDetails } = await running.status();
        expect(haltDetails['id']).toMatch(/^[0-9a-f]{32}$/);
        await expect(running.sign('hsm', { message })).toRefuseWith('ENCLAVE_HALTED', {
          haltReason,
        });
      });
    });
  });
});
