/**
 * What shields the enclave's process: seen from outside in /proc, and claimed by the enclave in status and evidence.
 * Most of it needs root, which changes its rights as it likes; whoever runs the tests as a user sees the rest skipped.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import type { Hardening } from '../../enclave/wire/hardening.ts';
import type { HardeningConfig } from '../../src/simulator/hardening-config.ts';
import { defaultPlatformConfig } from '../../src/simulator/platform-config.ts';
import { BareEnclave, type BareLaunch } from '../support/bare-enclave.ts';
import { EmptyHost } from '../support/empty-host.ts';
import { PlatformProcess, temporaryFolder } from '../support/platform-process.ts';
import { SeenProcess } from '../support/seen-process.ts';
import { runSealwright, startStack, until } from '../support/stack.ts';

const isRoot = process.geteuid?.() === 0;
const asRoot = describe.skipIf(!isRoot);
const NOBODY = 65_534;
const AS_NOBODY = [
  'setpriv',
  `--reuid=${String(NOBODY)}`,
  `--regid=${String(NOBODY)}`,
  '--clear-groups',
  '--',
];

/** Whether a command that changes its rights works here: containers forbid some. */
const works = (prefix: readonly string[]): boolean =>
  spawnSync(prefix[0] ?? '', [...prefix.slice(1), 'true']).status === 0;
const mayUnshare = works(['unshare', '--net', '--mount', '--']);
const mayUnshareAsUser = isRoot && works([...AS_NOBODY, 'unshare', '--user', '--net', '--']);

const work = temporaryFolder();
// Other users pass through it to what is theirs.
chmodSync(work.path, 0o711);
let folders = 0;
const running = new Set<Launched>();

/** A platform with its enclave, and a host that has nothing. */
interface Launched {
  readonly folder: string;
  readonly platform: PlatformProcess;
  readonly enclave: SeenProcess;
  readonly host: EmptyHost;
}

async function launch(
  options: {
    readonly prefix?: readonly string[];
    readonly owner?: number;
    readonly hardening?: Partial<HardeningConfig>;
    readonly folder?: string;
  } = {},
): Promise<Launched> {
  folders += 1;
  const folder = options.folder ?? join(work.path, `s${String(folders)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (options.owner !== undefined) chownSync(folder, options.owner, options.owner);
  const linkSocket = join(folder, 'link');
  const config = defaultPlatformConfig({ stateFolder: folder, create: true, linkSocket });
  const hardening = { ...config.hardening, ...options.hardening };
  const platform = new PlatformProcess({ ...config, hardening, workers: 1 }, options.prefix);
  await platform.next('ready');
  const { pid } = await platform.start();
  const host = await EmptyHost.meet(linkSocket);
  const launched = { folder, platform, enclave: new SeenProcess(pid), host };
  running.add(launched);
  return launched;
}

async function end(launched: Launched): Promise<void> {
  running.delete(launched);
  launched.host.close();
  await launched.platform.close();
}

afterEach(async () => {
  for (const launched of running) await end(launched);
});
mkdirSync(join(work.path, 'closed'), { mode: 0o700 });
afterAll(() => {
  work.remove();
});

const BY_RIGHTS: Hardening[] = ['no-capabilities', 'no-core-dumps', 'no-new-privileges'];
const ALL: Hardening[] = [...BY_RIGHTS, 'no-host-files', 'no-network', 'no-tracing', 'own-uid'];

interface Way {
  readonly who: string;
  readonly prefix: readonly string[];
  /** Of the state folder. */
  readonly owner?: number;
  readonly folder?: string;
  /** At least these must hold, where this machine lets it. */
  readonly atLeast: readonly Hardening[];
}

const WAYS: readonly Way[] = [
  { who: 'root', prefix: [], atLeast: mayUnshare ? ALL : [...BY_RIGHTS, 'no-tracing', 'own-uid'] },
  {
    who: 'root of a container, without CAP_SYS_ADMIN',
    prefix: ['setpriv', '--inh-caps=-all', '--bounding-set=-sys_admin', '--'],
    atLeast: [...BY_RIGHTS, 'no-tracing', 'own-uid'],
  },
  {
    who: 'such a root, below a folder that lets nobody through',
    prefix: ['setpriv', '--inh-caps=-all', '--bounding-set=-sys_admin', '--'],
    folder: join(work.path, 'closed/state'),
    atLeast: BY_RIGHTS,
  },
  {
    who: 'root without any capability',
    prefix: ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--'],
    atLeast: BY_RIGHTS,
  },
  {
    who: 'a user',
    prefix: AS_NOBODY,
    owner: NOBODY,
    atLeast: [...BY_RIGHTS, 'no-tracing', ...(mayUnshareAsUser ? (['no-network'] as const) : [])],
  },
  {
    who: 'root of a user namespace that knows no other user',
    prefix: mayUnshareAsUser
      ? [...AS_NOBODY, 'unshare', '--user', '--map-root-user', '--']
      : AS_NOBODY,
    owner: NOBODY,
    atLeast: BY_RIGHTS,
  },
];

asRoot('the enclave of', () => {
  it.each(WAYS)('$who claims in status and evidence what holds', async (way) => {
    const { atLeast } = way;
    const { enclave, host } = await launch(way);
    const status = await host.settled();
    expect(status.phase).toBe(Phase.PHASE_SETUP);
    const seen = enclave.hardening;
    expect(status.hardening).toEqual(seen);
    expect((await host.claims()).hardening).toEqual(seen);
    expect(seen).toEqual(expect.arrayContaining([...atLeast]));
    expect(enclave.file('environ')).toBe('');
    expect(enclave.limit('open files')).toEqual(['512', '512']);
  });
});

asRoot('its user', () => {
  it('is one that nobody else is, keeps its number, and has the token for its own', async () => {
    const first = await launch();
    await first.host.settled();
    const { uid } = first.enclave;
    expect(readFileSync('/etc/passwd', 'utf8')).not.toContain(`:${String(uid)}:`);
    const { folder } = first;
    expect(statSync(join(folder, 'token'))).toMatchObject({ uid, mode: 0o40700 });
    // Root's: the enclave can't change what runs next time, nor read the platform's root.
    for (const name of readdirSync(join(folder, 'platform/enclave'))) {
      const { uid: owner, mode } = statSync(join(folder, 'platform/enclave', name));
      expect([name, owner, mode & 0o027]).toEqual([name, 0, 0]);
    }
    for (const name of ['platform/root.json', 'platform/enclave.json']) {
      expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
    }
    // Others than its group find the way closed.
    expect(statSync(folder)).toMatchObject({ uid: 0, gid: uid, mode: 0o40710 });
    await end(first);

    const second = await launch({ folder });
    await second.host.settled();
    expect(second.enclave.uid).toBe(uid);
    const other = await launch();
    expect(other.enclave.uid).not.toBe(uid);
  });

  it('is the one that the configuration names', async () => {
    const { enclave, host } = await launch({ hardening: { user: 'nobody' } });
    expect((await host.settled()).hardening).toContain('own-uid');
    expect(enclave.uid).toBe(NOBODY);
  });

  it('gives the token back to root when it can be no other', async () => {
    const first = await launch();
    const { folder } = first;
    await end(first);
    const token = statSync(join(folder, 'token'));
    expect(token.uid).not.toBe(0);
    const prefix = ['setpriv', '--inh-caps=-all', '--bounding-set=-setuid', '--'];
    const second = await launch({ folder, prefix });
    expect((await second.host.settled()).hardening).not.toContain('own-uid');
    expect(statSync(join(folder, 'token')).uid).toBe(0);
  });

  it('of a token that root left behind is told to a user by name', async () => {
    const folder = join(work.path, 'left');
    const first = await launch({ folder });
    await end(first);
    execFileSync('chown', ['-R', `${String(NOBODY)}:${String(NOBODY)}`, folder]);
    chownSync(join(folder, 'token'), 0, 0);
    const launched = launch({ folder, prefix: AS_NOBODY, owner: NOBODY });
    await expect(launched).rejects.toThrow(/token belongs to user 0 /);
  });
});

asRoot('the configuration', () => {
  it('may leave the network to a module, and no more', async () => {
    const { enclave, host } = await launch({ hardening: { network: true } });
    const { hardening } = await host.settled();
    expect(hardening).not.toContain('no-network');
    expect(hardening).toContain('own-uid');
    expect(hardening).toEqual(enclave.hardening);
  });

  it.skipIf(!mayUnshare)('shows a module the folders that it names', async () => {
    const seen = join(work.path, 'seen');
    mkdirSync(seen);
    const { enclave } = await launch({ hardening: { folders: [seen] } });
    expect(enclave.entries(seen)).toEqual([]);
    const { enclave: other } = await launch();
    expect(() => other.entries(seen)).toThrow(/ENOENT/);
  });

  it('is not met: the enclave halts, and names the word', async () => {
    const prefix = ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--'];
    const { host } = await launch({ prefix, hardening: { require: ['no-core-dumps', 'own-uid'] } });
    const status = await host.settled();
    expect(status).toMatchObject({ phase: Phase.PHASE_HALTED, haltReason: 'HARDENING_MISSING' });
    expect(status.haltDetails['expected']).toBe('own-uid');
  });
});

/** Opening /proc/PID/mem asks the kernel what ptrace would ask. */
function readsMemory(pid: number, uid: number): boolean {
  const as = [`--reuid=${String(uid)}`, `--regid=${String(uid)}`, '--clear-groups', '--'];
  const read = ['sh', '-c', 'exec 3</proc/"$1"/mem', 'sh', String(pid)];
  return spawnSync('setpriv', [...as, ...read]).status === 0;
}

asRoot('nobody but root', () => {
  it('reads the memory of the enclave or its workers, under no other user and not under its own', async () => {
    const stack = await startStack();
    try {
      const enclave = new SeenProcess(stack.pid('enclave'));
      const all = [enclave, ...enclave.children];
      expect(all.length).toBeGreaterThan(2);
      for (const { pid, uid, hardening } of all) {
        // A worker has the user of its parent.
        expect([...hardening, 'own-uid']).toEqual(expect.arrayContaining(enclave.hardening));
        expect(uid).toBe(enclave.uid);
        expect(readsMemory(pid, uid)).toBe(false);
        expect(readsMemory(pid, NOBODY)).toBe(false);
      }
      // The same question about a process of the same user that nothing shields.
      const plain = spawn('sleep', ['60'], { uid: enclave.uid, gid: enclave.uid, stdio: 'ignore' });
      const { pid = 0 } = plain;
      try {
        await until(() => new SeenProcess(pid).file('comm') === 'sleep\n');
        expect(readsMemory(pid, enclave.uid)).toBe(true);
      } finally {
        plain.kill();
      }
    } finally {
      await stack.stop();
    }
  });
});

describe('a signal', () => {
  it('opens no inspector, and ends nothing', async () => {
    const { enclave, host } = await launch();
    await host.settled();
    process.kill(enclave.pid, 'SIGUSR1');
    await until(async () => (await host.settled()).phase === Phase.PHASE_SETUP);
    // 0A: a socket that listens (proc_net_tcp).
    const listening = ['net/tcp', 'net/tcp6'].flatMap((name) =>
      enclave
        .file(name)
        .split('\n')
        .filter((line) => line.includes(' 0A ') && / [0-9A-F]+:240D /.test(line)),
    );
    expect(listening).toEqual([]);
    expect((await host.settled()).haltReason).toBe('');
  });

  it('that forces a core leaves none', async () => {
    const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
    const isPlainFile = !/^[|@/]/.test(pattern);
    const folder = join(work.path, 'cores');
    mkdirSync(folder);
    if (isPlainFile) {
      spawnSync('sh', ['-c', 'ulimit -c unlimited; sh -c "kill -SEGV \\$\\$"'], { cwd: folder });
      expect(readdirSync(folder)).not.toEqual([]);
    }
    const { enclave, platform, folder: state } = await launch();
    const files = (): string[] =>
      [...readdirSync('/'), ...readdirSync(state, { recursive: true })].map(String);
    const before = files();
    process.kill(enclave.pid, 'SIGSEGV');
    expect(await platform.next('exited')).toMatchObject({ signal: 'SIGSEGV' });
    expect(files().filter((name) => name.includes('core') && !before.includes(name))).toEqual([]);
  });
});

describe('an enclave that is started', () => {
  async function status(launch: BareLaunch) {
    const enclave = new BareEnclave(launch);
    try {
      const host = await enclave.meet();
      const answer = await host.settled();
      host.close();
      return answer;
    } finally {
      enclave.close();
    }
  }

  it('as measured does not halt for that', async () => {
    const { haltReason } = await status({});
    expect(['', 'PLATFORM_UNAVAILABLE', 'TOKEN_UNAVAILABLE']).toContain(haltReason);
  });

  it.each([
    ['NODE_OPTIONS', '--no-warnings'],
    ['NODE_EXTRA_CA_CERTS', '/dev/null'],
    ['NODE_V8_COVERAGE', '/nowhere'],
    ['LD_LIBRARY_PATH', '/nowhere'],
    ['LD_PRELOAD', ''],
    ['LD_AUDIT', ''],
    ['OPENSSL_CONF', '/dev/null'],
    ['SSLKEYLOGFILE', '/nowhere/keys'],
    ['SSL_CERT_FILE', '/nowhere'],
    ['MALLOC_ARENA_MAX', '1'],
    ['HARMLESS', '1'],
  ])('with the variable %s halts and names it', async (name, value) => {
    const { phase, haltReason, haltDetails } = await status({ env: { [name]: value } });
    expect(phase).toBe(Phase.PHASE_HALTED);
    expect([haltReason, haltDetails]).toEqual([
      'LAUNCH_UNSAFE',
      { field: 'environment', actual: name },
    ]);
  });

  it.each([
    ['--inspect=127.0.0.1:0', ['--inspect=127.0.0.1:0']],
    ['--report-on-signal', ['--report-on-signal']],
    ['--heapsnapshot-signal=SIGUSR2', ['--heapsnapshot-signal=SIGUSR2']],
    ['--abort-on-uncaught-exception', ['--abort-on-uncaught-exception']],
  ])('with the flag %s halts and names it', async (flag, more) => {
    const { NODE_FLAGS } = await import('../../src/simulator/launch-manifest.ts');
    const { haltReason, haltDetails } = await status({ flags: [...NODE_FLAGS, ...more] });
    expect([haltReason, haltDetails]).toEqual(['LAUNCH_UNSAFE', { field: 'flags', actual: flag }]);
  });

  it('without a flag halts', async () => {
    const { NODE_FLAGS } = await import('../../src/simulator/launch-manifest.ts');
    const { haltReason, haltDetails } = await status({ flags: NODE_FLAGS.slice(1) });
    expect(haltReason).toBe('LAUNCH_UNSAFE');
    expect(haltDetails['field']).toBe('flags');
  });
});

asRoot('a development stack', () => {
  it('of a user serves, and tells what holds in words and in evidence', async () => {
    const folder = join(work.path, 'user');
    mkdirSync(folder);
    chownSync(folder, NOBODY, NOBODY);
    const stack = await startStack({ state: join(folder, 'state'), uid: NOBODY });
    try {
      const seen = new SeenProcess(stack.pid('enclave')).hardening;
      const { stdout } = await stack.run(['status']);
      const text = seen.map((word) => word.replaceAll('-', ' ')).join(', ');
      expect(stdout).toMatch(new RegExp(`^hardening +${text}$`, 'm'));
      expect(stdout).toMatch(/^ +not held +.*own uid/m);
      const bundle = join(folder, 'evidence.json');
      const nonce = ['--nonce', '00112233445566778899aabbccddeeff'];
      expect((await stack.run(['evidence', '--out', bundle, ...nonce])).status).toBe(0);
      expect((await runSealwright(['inspect', bundle])).stdout).toContain(seen.join(', '));
      const reference = join(stack.state, 'reference.json');
      const how = [bundle, '--reference', reference, ...nonce];
      const verified = await runSealwright(['verify-evidence', ...how]);
      expect(verified.stdout).toMatch(/^ok +hardening: no-capabilities, /m);
    } finally {
      await stack.stop();
    }
  });
});
