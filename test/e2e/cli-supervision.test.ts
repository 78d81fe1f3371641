import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { devManifest } from '../../src/cli/dev-manifest.ts';
import { devPolicy } from '../../src/cli/dev-policy.ts';
import { TEST_ADMIN } from '../support/fakes/callers.ts';
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
  async function serve(
    config: unknown,
  ): Promise<{ state: string; stop: () => Promise<number | null> }> {
    const path = join(folder(), 'serve.json');
    writeFileSync(path, JSON.stringify(config));
    const child = spawnSealwright(['serve', '--config', path, '--json']);
    const ended = once(child, 'exit') as Promise<[number | null]>;
    const stop = async (): Promise<number | null> => {
      child.kill('SIGTERM');
      return (await ended)[0];
    };
    later(stop);
    const lines = createInterface({ input: child.stderr });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        if (line.includes('"step":"listening"')) resolve();
      });
      void ended.then(() => {
        reject(new Error('serve has ended'));
      });
    });
    return { state: (config as { state: string }).state, stop };
  }

  test('awaits genesis, which init brings; a second init is refused', async () => {
    const parent = folder();
    // Certificates of an organisation: here those that a dev of another folder made.
    const other = await startStack({ state: join(parent, 'dev') });
    const pki = join(parent, 'dev', 'pki');
    await other.stop();
    const config = {
      state: join(parent, 'state'),
      host: {
        listen: '127.0.0.1:0',
        tls: {
          certFile: join(pki, 'server.pem'),
          keyFile: join(pki, 'server.key'),
          clientCaFile: join(pki, 'ca.pem'),
        },
      },
      platform: { workers: 1 },
      client: {
        caFile: join(pki, 'ca.pem'),
        certFile: join(pki, 'client-dev.pem'),
        keyFile: join(pki, 'client-dev.key'),
      },
    };
    const first = await serve(config);
    const state = ['--state', first.state];
    await until(async () =>
      (await runSealwright(['status', '--json', ...state])).stdout.includes('"setup"'),
    );
    // Nothing can be pinned yet.
    const early = await runSealwright(['keys', 'list', ...state]);
    expect(early.status).toBe(64);

    const parties = {
      admin: TEST_ADMIN,
      authority: new X509Certificate(readFileSync(join(pki, 'ca.pem'))).raw,
      callers: ['dev'],
      sockets: [],
      nowMs: Date.now(),
    };
    const policy = devPolicy(parties);
    // As a person would write it: with spaces and in any order.
    const manifest = join(parent, 'manifest.json');
    writeFileSync(
      manifest,
      JSON.stringify(JSON.parse(Buffer.from(devManifest(policy)).toString()), undefined, 4),
    );
    const born = await runSealwright(['init', '--manifest', manifest, '--json', ...state]);
    expect(born.status).toBe(0);
    const { clusterId, rings } = JSON.parse(born.stdout) as { clusterId: string; rings: number };
    expect([clusterId.length, rings]).toEqual([64, 25]);
    expect((await runSealwright(['init', '--manifest', manifest, ...state])).status).toBe(70);
    const reference = join(first.state, 'reference.json');
    const pin = ['reference-values', '--trust-on-first-use', 'a test', '--out', reference];
    expect((await runSealwright([...pin, ...state])).status).toBe(0);
    expect(
      (
        await runSealwright([
          'sign',
          '--ring',
          'es256-hsm',
          '--in',
          manifest,
          '--out',
          join(parent, 's'),
          ...state,
        ])
      ).status,
    ).toBe(0);
    expect(await first.stop()).toBe(0);

    const second = await serve(config);
    await until(async () =>
      (await runSealwright(['status', '--json', ...state])).stdout.includes('"serving"'),
    );
    expect((await runSealwright(['status', ...state])).stdout).toContain(clusterId);
    expect(await second.stop()).toBe(0);
    expect(processesOf(parent)).toEqual([]);
  });

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
