/** A misbehaving HSM under a whole service: what callers get on the wire, and that no enclave is restarted. */
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { status as grpcStatus } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SealwrightClient } from '../../src/client/client.ts';
import { SignerError } from '../../src/client/signer-error.ts';
import { KillStack } from '../support/kill-stack.ts';
import { Shim, shimIsMissing, type Action, type FunctionName } from '../support/pkcs11-shim.ts';
import { until } from '../support/softhsm.ts';

const ring = (name: string, algorithm: string, kind: 'digest' | 'message') => ({
  name,
  algorithm,
  residency: 'hsm',
  payload: { kind },
  lowestRank: 'mtls',
  acceptHostAsserted: 'a test',
  callers: ['alice'],
});
const POLICY = {
  rings: [ring('message', 'ES256', 'message'), ring('digest', 'ES256', 'digest')],
} as const;
const RINGS = ['message', 'digest'] as const;
const RECOVERY_MS = 5_000;

describe.skipIf(shimIsMissing())('a service on a misbehaving HSM', () => {
  let stack: KillStack;
  let shim: Shim;
  let client: SealwrightClient;
  let enclavePid = 0;
  const publicKeys = new Map<string, Uint8Array>();

  beforeAll(async () => {
    stack = await KillStack.start({
      policy: POLICY,
      module: (folder) => {
        shim = new Shim(folder);
        return shim.modulePath;
      },
    });
    ({ enclavePid } = stack);
    client = stack.client();
    for (const key of await client.listKeys()) publicKeys.set(key.ring, key.publicKey);
  });
  afterAll(async () => {
    client.close();
    await stack.close();
  });

  /** Whether the signature that was released verifies. */
  const sign = async (name: (typeof RINGS)[number]): Promise<boolean> => {
    const message = randomBytes(20);
    const digest = createHash('sha256').update(message).digest();
    const payload =
      name === 'digest'
        ? ({ $case: 'digest', value: { digest } } as const)
        : ({ $case: 'message', value: { message } } as const);
    const { signature } = await client.sign({ ring: name, payload });
    const spki = Buffer.from(publicKeys.get(name) ?? []);
    return verify(
      'sha256',
      message,
      createPublicKey({ key: spki, format: 'der', type: 'spki' }),
      signature,
    );
  };
  const every = (name: FunctionName, ...action: Action): void => {
    shim.set([{ function: name, first: 1, count: Infinity, action }]);
  };
  const expectHealed = async (): Promise<void> => {
    shim.set([]);
    const start = performance.now();
    for (const name of RINGS) await until(() => sign(name).catch(() => false), RECOVERY_MS);
    expect(performance.now() - start).toBeLessThan(RECOVERY_MS);
    expect(existsSync(`/proc/${String(enclavePid)}`)).toBe(true);
    expect((await stack.readiness())?.phase).toBe('SERVING');
  };

  it.each([
    ['device error', 0x30, 'TOKEN_UNAVAILABLE', grpcStatus.UNAVAILABLE, 1_000],
    ['user not logged in', 0x101, 'TOKEN_UNAVAILABLE', grpcStatus.UNAVAILABLE, 1_000],
    ['mechanism invalid', 0x70, 'TOKEN_REFUSED', grpcStatus.FAILED_PRECONDITION, undefined],
  ] as const)('%s for good: %#', async (_name, rv, reason, status, retryAfterMs) => {
    every('C_SignInit', 'rv', rv);
    for (const name of RINGS) {
      const error: unknown = await sign(name).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(SignerError);
      expect(error).toMatchObject({ reason, grpcStatus: status, retryAfterMs });
      // The cause is nobody's business.
      expect(error).toMatchObject({ metadata: {} });
    }
    await expectHealed();
  });

  it.each<[string, FunctionName, Action]>([
    ['a crash', 'C_Sign', ['segv']],
    ['a device error', 'C_SignInit', ['rv', 0x30]],
    ['a closed session', 'C_Sign', ['rv', 0xb0]],
    ['a signature of other data', 'C_Sign', ['other-data']],
    ['a flipped bit', 'C_Sign', ['flip', 5]],
  ])('%s now and then, under load: nothing wrong comes out', async (_name, name, action) => {
    shim.set([5, 15, 25, 35].map((first) => ({ function: name, first, count: 1, action })));
    const results = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) => sign(index % 2 === 0 ? 'message' : 'digest')),
    );
    expect(shim.counts().fired).toBeGreaterThan(0);
    const good = results.filter((result) => result.status === 'fulfilled' && result.value);
    const refused = results.filter(
      ({ status, ...rest }) =>
        status === 'rejected' &&
        'reason' in rest &&
        (rest.reason as SignerError).reason === 'TOKEN_UNAVAILABLE',
    );
    expect(good.length).toBeGreaterThan(0);
    expect(good.length + refused.length).toBe(60);
    await expectHealed();
  });

  it('wrong signatures were an alarm, in the status and in the log of the host', async () => {
    expect((await client.getStatus()).alarms).toEqual(['HSM_SIGNATURE_WRONG']);
    const alarmed = (): boolean =>
      stack.host.logs.some(
        ({ event, level, alarm }) =>
          event === 'enclave.alarm' && level === 'error' && alarm === 'HSM_SIGNATURE_WRONG',
      );
    await until(alarmed);
  });

  it('the folder of the tokens goes away and comes back: unavailable, then healed', async () => {
    const away = `${stack.tokenFolder}-away`;
    renameSync(stack.tokenFolder, away);
    for (const name of RINGS) {
      await expect(sign(name)).rejects.toMatchObject({ reason: 'TOKEN_UNAVAILABLE' });
    }
    renameSync(away, stack.tokenFolder);
    await expectHealed();
  });

  // Last: it ends the service.
  it('an object that is not what it was halts the enclave, which stays to say so', async () => {
    shim.set([
      { function: 'C_Sign', first: 1, count: 1, action: ['segv'] },
      {
        function: 'C_GetAttributeValue',
        first: 1,
        count: Infinity,
        action: ['attribute', '162', '01'],
      },
    ]);
    await expect(sign('message')).rejects.toMatchObject({ reason: 'TOKEN_UNAVAILABLE' });
    expect(await stack.halted()).toBe('TOKEN_OBJECT_REJECTED');
    await expect(sign('digest')).rejects.toMatchObject({
      reason: 'ENCLAVE_HALTED',
      grpcStatus: grpcStatus.FAILED_PRECONDITION,
    });
    expect(existsSync(`/proc/${String(enclavePid)}`)).toBe(true);
    const { haltDetails } = await client.getStatus();
    expect(haltDetails).toMatchObject({ operation: 'sign', failure: 'object-altered' });
  });
});
