import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
import type { Finished } from '../support/stack.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** Runs after the test, last first. */
function later(clean: () => unknown): void {
  cleanups.push(clean);
}

function folder(): string {
  const { path, remove } = temporaryFolder();
  later(remove);
  return path;
}

const dev = (args: readonly string[], options = {}): Promise<Finished> =>
  runSealwright(['dev', ...args], options);
const clusterOf = async (state: string): Promise<string> => {
  const { stdout } = await dev([
    '--state',
    state,
    '--',
    'npx',
    '--no-install',
    'sealwright',
    'status',
    '--json',
  ]);
  return (JSON.parse(stdout) as { clusterId: string }).clusterId;
};

describe('dev with a program', () => {
  test('hands over stdin, stdout, environment and exit status, and leaves nothing running', async () => {
    const state = join(folder(), 'state');
    const script = 'read line; echo "got $line"; env | grep ^SEALWRIGHT_ | sort; exit 7';
    const { status, stdout, stderr } = await dev(['--state', state, '--', 'sh', '-c', script], {
      input: 'this\n',
    });
    expect(status).toBe(7);
    const [first, ...variables] = stdout.trim().split('\n');
    expect(first).toBe('got this');
    expect(variables.map((line) => line.split('=')[0])).toEqual([
      'SEALWRIGHT_ADDRESS',
      'SEALWRIGHT_CA',
      'SEALWRIGHT_CERT',
      'SEALWRIGHT_HTTP',
      'SEALWRIGHT_KEY',
      'SEALWRIGHT_REFERENCE',
      'SEALWRIGHT_STATE',
    ]);
    const values = Object.fromEntries(variables.map((line) => line.split('='))) as Record<
      string,
      string
    >;
    expect(values['SEALWRIGHT_ADDRESS']).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(values['SEALWRIGHT_HTTP']).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(values['SEALWRIGHT_STATE']).toBe(state);
    for (const name of ['CA', 'CERT', 'KEY']) {
      expect(readFileSync(values[`SEALWRIGHT_${name}`] ?? '', 'utf8')).toContain('-----BEGIN');
    }
    for (const step of [
      'state',
      'pki',
      'platform',
      'enclave',
      'token',
      'host',
      'genesis',
      'sign',
      'verify',
    ]) {
      expect(stderr).toMatch(new RegExp(`^ *\\d+ ms {2}${step} `, 'm'));
    }
    expect(stderr).toContain('SIMULATED, protects nothing');
    expect(processesOf(state)).toEqual([]);
  });

  test('reports a program that a signal ended as shells do', async () => {
    expect((await dev(['--state', folder(), '--', 'sh', '-c', 'kill -KILL $$'])).status).toBe(137);
  });

  test('reports a program that does not exist with 64', async () => {
    expect((await dev(['--state', folder(), '--', '/no/such/program'])).status).toBe(64);
  });

  test('tells the program of SIGTERM, waits for its end, and returns its status', async () => {
    const state = folder();
    const script = 'trap "echo told; exit 5" TERM; echo up; while :; do sleep 0.1; done';
    const child = spawnSealwright(['dev', '--state', state, '--', 'sh', '-c', script]);
    later(() => child.kill('SIGKILL'));
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    await lineOf(child);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect((await ended)[0]).toBe(5);
    expect(stdout).toBe('up\ntold\n');
    expect(processesOf(state)).toEqual([]);
  });
});

describe('a state folder', () => {
  test('has the same cluster and keys at the second start, in under 3 s', async () => {
    const state = folder();
    const first = await startStack({ state });
    const list = await first.run(['keys', 'list', '--json']);
    expect(await first.stop()).toBe(0);
    const begun = performance.now();
    const second = await startStack({ state });
    const elapsedMs = performance.now() - begun;
    later(() => second.stop());
    expect(second.ready.clusterId).toBe(first.ready.clusterId);
    expect((await second.run(['keys', 'list', '--json'])).stdout).toBe(list.stdout);
    expect(elapsedMs).toBeLessThan(3_000);
  });

  test('--destroy makes another cluster, and --destroy of a new folder is no error', async () => {
    const state = folder();
    const { status } = await dev(['--state', state, '--destroy', '--', 'true']);
    expect(status).toBe(0);
    const before = await clusterOf(state);
    await dev(['--state', state, '--destroy', '--', 'true']);
    const after = await clusterOf(state);
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    expect(after).toMatch(/^[0-9a-f]{64}$/);
    expect(after).not.toBe(before);
  });

  test.each([[[]], [['--destroy']]])(
    'that is foreign is refused with 64 and left alone (%j)',
    async (options) => {
      const state = folder();
      writeFileSync(join(state, 'thesis.txt'), 'years of work');
      const { status, stderr } = await dev(['--state', state, ...options, '--', 'true']);
      expect(status).toBe(64);
      expect(stderr).toContain(state);
      expect(readFileSync(join(state, 'thesis.txt'), 'utf8')).toBe('years of work');
    },
  );

  test('serves one dev at a time', async () => {
    const stack = await startStack();
    later(() => stack.stop());
    for (const options of [[], ['--destroy']]) {
      const { status, stderr } = await dev(['--state', stack.state, ...options, '--', 'true']);
      expect(status).toBe(70);
      expect(stderr).toContain(String(stack.supervisorPid));
    }
    expect((await stack.run(['status'])).status).toBe(0);
  });

  test('that lost everything but its marker is never given a new cluster without --destroy', async () => {
    const state = folder();
    await dev(['--state', state, '--', 'true']);
    for (const name of ['platform', 'token', 'store.sqlite', 'log'])
      rmSync(join(state, name), { recursive: true, force: true });
    const lost = await dev(['--state', state, '--', 'true']);
    expect(lost.status).toBe(70);
    expect(lost.stderr).toContain('--destroy');
    expect((await dev(['--state', state, '--destroy', '--', 'true'])).status).toBe(0);
  });

  test('may be copied while nothing runs: the copy is the same cluster', async () => {
    const parent = folder();
    const state = join(parent, 'one');
    await dev(['--state', state, '--', 'true']);
    const before = await clusterOf(state);
    cpSync(state, join(parent, 'two'), { recursive: true });
    expect(await clusterOf(join(parent, 'two'))).toBe(before);
  });
});

describe.each(['platform/root.json', 'token', 'store.sqlite'])(
  'a state folder without its %s',
  (name) => {
    test('halts: a program is not run, status tells why, and the way out', async () => {
      const state = folder();
      await dev(['--state', state, '--', 'true']);
      rmSync(join(state, name), { recursive: true });
      const withProgram = await dev(['--state', state, '--', 'echo', 'ran']);
      expect(withProgram).toMatchObject({ status: 70, stdout: '' });

      const stack = await startStack({ state });
      later(() => stack.stop());
      expect(stack.ready.phase).toBe('halted');
      const status = await stack.run(['status', '--json']);
      expect(status.status).toBe(0);
      const { phase, halt } = JSON.parse(status.stdout) as {
        phase: string;
        halt: { reason: string };
      };
      expect(phase).toBe('halted');
      expect(halt.reason).toMatch(/^[A-Z_]+$/);
      const text = await stack.run(['status']);
      expect(text.stdout).toContain(halt.reason);
      expect(
        (
          await stack.run([
            'sign',
            '--ring',
            'es256-hsm',
            '--in',
            'package.json',
            '--out',
            join(state, 'x'),
          ])
        ).status,
      ).toBe(70);
      // A halt is not a crash: the enclave that halted is still the one that answers.
      expect(stack.events.filter(({ event }) => event === 'process.ended')).toEqual([]);
    });
  },
);

describe('options', () => {
  test('--policy replaces the rings', async () => {
    const parent = folder();
    const ring = {
      name: 'only',
      algorithm: 'ES384',
      residency: 'enclave',
      payload: { kind: 'message' },
    };
    const policy = {
      rings: [{ ...ring, lowestRank: 'mtls', acceptHostAsserted: 'a test', callers: ['dev'] }],
    };
    writeFileSync(join(parent, 'policy.json'), JSON.stringify(policy, undefined, 2));
    const stack = await startStack({
      state: join(parent, 's'),
      args: ['--policy', join(parent, 'policy.json')],
    });
    later(() => stack.stop());
    const { keys } = JSON.parse((await stack.run(['keys', 'list', '--json'])).stdout) as {
      keys: { ring: string }[];
    };
    expect(keys.map((key) => key.ring)).toEqual(['only']);
  });

  test('a policy that the enclave refuses ends dev with 70 and MANIFEST_INVALID', async () => {
    const parent = folder();
    writeFileSync(join(parent, 'policy.json'), '{"rings":[{"name":"x"}]}');
    const refused = await dev([
      '--json',
      '--state',
      join(parent, 's'),
      '--policy',
      join(parent, 'policy.json'),
      '--',
      'true',
    ]);
    expect(refused.status).toBe(70);
    expect(refused.stderr).toContain('MANIFEST_INVALID');
  });

  test.each(['--policy', '--config'])(
    '%s with a missing file is refused with 64 before anything is made',
    async (option) => {
      const state = join(folder(), 'state');
      expect((await dev(['--state', state, option, '/no/such/file'])).status).toBe(64);
      expect(existsSync(state)).toBe(false);
    },
  );

  test('--config adds a Unix socket', async () => {
    const parent = folder();
    const path = join(parent, 'caller.sock');
    writeFileSync(
      join(parent, 'host.json'),
      JSON.stringify({ unixSockets: [{ path, mode: '0600' }], drainSeconds: 1 }),
    );
    const stack = await startStack({
      state: join(parent, 's'),
      args: ['--config', join(parent, 'host.json')],
    });
    later(() => stack.stop());
    expect(stack.ready.sockets).toEqual([path]);
    expect((await stack.run(['status', '--socket', path])).status).toBe(0);
  });

  test('a port in use is told with the way out', async () => {
    const stack = await startStack();
    later(() => stack.stop());
    const { status, stderr } = await dev([
      '--state',
      folder(),
      '--listen',
      stack.ready.address,
      '--',
      'true',
    ]);
    expect(status).toBe(70);
    expect(stderr).toContain('--listen');
  });
});

test('without a program it prints three commands that work as they stand', async () => {
  const parent = folder();
  mkdirSync(join(parent, 'work'));
  const cwd = join(parent, 'work');
  const child = spawnSealwright(['dev', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'], {
    cwd,
  });
  later(() => child.kill('SIGKILL'));
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  await until(() => stdout.includes('verify') || child.exitCode !== null, 60_000);
  const commands = stdout.split('\n').filter((line) => line.startsWith('  npx sealwright '));
  expect(commands.length).toBe(3);
  for (const command of commands) {
    const words = command.trim().split(' ').slice(2);
    expect(await runSealwright(words, { cwd }), command).toMatchObject({ status: 0 });
  }
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  expect((await ended)[0]).toBe(0);
  expect(processesOf(cwd)).toEqual([]);
});
