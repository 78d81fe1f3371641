import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SignResponse } from '../../src/gen/sealwright/v1/signing.ts';
import { SignerError } from '../../src/client/signer-error.ts';
import type { KnownLog } from '../../src/tlog/verify-checkpoint.ts';
import { until } from '../support/host-harness.ts';
import { KillStack, RING } from '../support/kill-stack.ts';
import { knownLog, LogReader } from '../support/log-reader.ts';
import { LogReplica } from '../support/log-replica.ts';

let stack: KillStack;
let log: KnownLog;
let reader: LogReader;
const answers: SignResponse[] = [];

async function sign(text: string): Promise<string> {
  const client = stack.client();
  try {
    const answer = await client.sign(
      {
        ring: RING,
        payload: { $case: 'message', value: { message: Buffer.from(text) } },
        algorithm: 0,
        encoding: 0,
        requestId: new Uint8Array(0),
        declineReceipt: false,
      },
      { timeoutMs: 5000 },
    );
    answers.push(answer);
    return 'signed';
  } catch (error) {
    return error instanceof SignerError ? error.reason : String(error);
  } finally {
    client.close();
  }
}

async function audit(): Promise<number> {
  const replica = new LogReplica(log);
  const { size } = await replica.follow(reader);
  for (const answer of answers) await replica.requireLogged(answer, reader);
  return size;
}

beforeAll(async () => {
  stack = await KillStack.start();
  log = await knownLog(stack);
  reader = new LogReader(stack, log);
  expect(await sign('first')).toBe('signed');
}, 60_000);

afterAll(async () => {
  reader.close();
  await stack.close();
});

describe.each(['full', 'short'] as const)('a disk that is %s', (fault) => {
  it('makes signing wait, and the same entries are written when there is room', async () => {
    const before = await audit();
    stack.disk(fault);
    const waiting = await Promise.all([1, 2, 3].map((i) => sign(`${fault} ${String(i)}`)));
    expect(waiting).toEqual(Array<string>(3).fill('LOG_UNAVAILABLE'));
    // Reading goes on, and nothing half-written is in what is read.
    expect(await audit()).toBe(before);
    expect((await stack.readiness())?.phase).toBe('SERVING');
    stack.disk('well');
    await until(async () => (await sign(`${fault} again`)) === 'signed', 'signing');
    // The intents that waited became durable: they count as issued.
    expect(await audit()).toBeGreaterThan(before + 1);
  });

  it('loses nothing when both are killed meanwhile', async () => {
    stack.disk(fault);
    expect(await sign('never')).toBe('LOG_UNAVAILABLE');
    await stack.between(() => {
      stack.disk('well');
    });
    await stack.serving();
    await until(async () => (await sign('after the kill')) === 'signed', 'signing');
    await audit();
  });
});

describe('a disk that fails', () => {
  it('halts the enclave; the boot over a well disk reconciles', async () => {
    stack.disk('broken');
    expect(await sign('x')).not.toBe('signed');
    expect(await stack.halted()).toBe('LOG_STORE_FAILED');
    expect(stack.host.events('log.failed')).toMatchObject([{ level: 'error', code: 'EIO' }]);
    // The disk is well again, but what it did meanwhile is unknown: this host writes no more.
    stack.disk('well');
    await stack.killEnclave();
    await stack.startEnclave();
    expect(await stack.halted()).toBe('LOG_STORE_FAILED');
    await stack.between(() => undefined);
    await stack.serving();
    expect(await sign('again')).toBe('signed');
    await audit();
  });
});
