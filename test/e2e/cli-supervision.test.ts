import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  lineOf,
  processesOf,
  runSealwright,
  spawnSealwright,
  startStack,
  temporaryFolder,
  until,
} from '../support/stack.ts';
import type { ProcessName, Stack } from '../support/stack.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});
function later(clean: () => unknown): void {
  cleanups.push(clean);
}
function folder(): string {
  const { path, remove } = temporaryFolder();
  later(remove);
  return path;
}

const DIGEST = createHash('sha256').update('x').digest();

/** Milliseconds until a call succeeds again. */
async function backIn(call: () => Promise<unknown>): Promise<number> {
  return until(
    () =>
      call().then(
        () => true,
        () => false,
      ),
    20_000,
  );
}

async function kill(
  stack: Stack,
  name: ProcessName,
): Promise<{ statusMs: number; signMs: number }> {
  const client = stack.client();
  const sign = (): Promise<unknown> =>
    client.sign(
      {
        ring: 'es256-digest-hsm',
        payload: { $case: 'digest', value: { digest: DIGEST } },
        algorithm: 0,
        encoding: 0,
        requestId: new Uint8Array(0),
        declineReceipt: false,
      },
      { timeoutMs: 2_000 },
    );
  try {
    await sign();
    const before = stack.pid(name);
    process.kill(before, 'SIGKILL');
    const begun = performance.now();
    await until(() =>
      stack.events.some(({ event, process: who }) => event === 'process.ended' && who === name),
    );
    await backIn(() => client.getStatus({ timeoutMs: 1_000 }));
    const statusMs = performance.now() - begun;
    await backIn(sign);
    const signMs = performance.now() - begun;
    await until(() => stack.pid(name) !== before);
    return { statusMs, signMs };
  } finally {
    client.close();
  }
}

describe('a process that is killed is started again', () => {
  test.each(['enclave', 'host', 'platform'] as const)(
    '%s: the service is back in under 2 s',
    async (name) => {
      const stack = await startStack();
      later(() => stack.stop());
      const { statusMs, signMs } = await kill(stack, name);
      expect(statusMs).toBeLessThan(1_000);
      expect(signMs).toBeLessThan(2_000);
    },
  );

  test('again and again, on the same addresses, with the same keys', async () => {
    const stack = await startStack();
    later(() => stack.stop());
    const keys = (await stack.run(['keys', 'list', '--json'])).stdout;
    for (const name of ['host', 'enclave', 'host'] as const) await kill(stack, name);
    expect((await stack.run(['keys', 'list', '--json'])).stdout).toBe(keys);
  });
});

describe('the end', () => {
  test('SIGTERM drains: status 0, in order, nothing left behind', async () => {
    const state = folder();
    const stack = await startStack({ state });
    expect(await stack.stop()).toBe(0);
    expect(processesOf(state)).toEqual([]);
    expect(existsSync(stack.ready.runFolder)).toBe(false);
    expect(existsSync(join(state, 'connection.json'))).toBe(false);
    const stopped = stack.events.filter(({ event }) => event === 'process.stopped');
    expect(stopped.map(({ process: name }) => name)).toEqual(['host', 'platform']);
    expect((await runSealwright(['status', '--state', state])).status).toBe(69);
  });

  test('a stop during the start is orderly too', async () => {
    const state = folder();
    for (const afterMs of [150, 400, 800]) {
      const child = spawnSealwright([
        'dev',
        '--state',
        state,
        '--listen',
        '127.0.0.1:0',
        '--http',
        '127.0.0.1:0',
        '--destroy',
      ]);
      const ended = once(child, 'exit');
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      const begun = performance.now();
      child.kill('SIGTERM');
      await ended;
      expect(performance.now() - begun).toBeLessThan(10_000);
      await until(() => processesOf(state).length === 0);
    }
  });

  test('a second signal ends at once', async () => {
    const state = folder();
    const child = spawnSealwright([
      'dev',
      '--state',
      state,
      '--',
      'sh',
      '-c',
      'trap "" TERM; echo up; exec sleep 1000',
    ]);
    await lineOf(child);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill('SIGTERM');
    expect((await ended)[0]).toBe(130);
    await until(() => processesOf(state).length === 0);
  });

  test('SIGKILL of the supervisor leaves nothing running, and the next start cleans up', async () => {
    const state = folder();
    const first = await startStack({ state });
    await first.killSupervisor();
    await until(() => processesOf(state).length === 0, 5_000);
    const second = await startStack({ state });
    later(() => second.stop());
    expect(second.ready.clusterId).toBe(first.ready.clusterId);
    expect(existsSync(first.ready.runFolder)).toBe(false);
  });

  test('a start right after SIGKILL waits for the ends of the old processes', async () => {
    const state = folder();
    const first = await startStack({ state });
    await first.killSupervisor();
    const second = await startStack({ state });
    later(() => second.stop());
    expect(second.ready.phase).toBe('serving');
  });
});

describe('serve', () => {
  test('a wrong file is refused with 64 and all its problems, and nothing is made', async () => {
    const parent = folder();
    const path = join(parent, 'serve.json');
    writeFileSync(
      path,
      JSON.stringify({
        state: join(parent, 'state'),
        host: { listen: 1 },
        platform: { workers: 99 },
        x: 1,
      }),
    );
    const { status, stderr } = await runSealwright(['serve', '--config', path]);
    expect(status).toBe(64);
    for (const pointer of ['/x', '/host/listen', '/host/tls', '/platform/workers'])
      expect(stderr).toContain(pointer);
    expect(existsSync(join(parent, 'state'))).toBe(false);
  });

  test('certificates that are missing end it with 70', async () => {
    const parent = folder();
    const path = join(parent, 'serve.json');
    const tls = { certFile: '/no/cert', keyFile: '/no/key', clientCaFile: '/no/ca' };
    writeFileSync(path, JSON.stringify({ state: join(parent, 'state'), host: { tls } }));
    const { status, stderr } = await runSealwright(['serve', '--config', path]);
    expect(status).toBe(70);
    expect(stderr).toMatch(/\/no\/(cert|key|ca)/);
    expect(processesOf(parent)).toEqual([]);
  });
});

test('logs of host and platform go to the state folder, or to stderr with --verbose', async () => {
  const state = folder();
  const quiet = await runSealwright(['dev', '--state', state, '--', 'true']);
  expect(quiet.stderr).not.toContain('host.listening');
  const log = readFileSync(join(state, 'host.log'), 'utf8').trim().split('\n');
  expect(log.map((line) => (JSON.parse(line) as { event: string }).event)).toContain(
    'host.listening',
  );
  rmSync(join(state, 'host.log'));
  const verbose = await runSealwright(['dev', '--state', state, '--verbose', '--', 'true']);
  expect(verbose.stderr).toContain('host.listening');
  expect(existsSync(join(state, 'host.log'))).toBe(false);
});
