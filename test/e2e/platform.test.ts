import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureSources } from '../../src/simulator/measured-launch.ts';
import { launchSources } from '../../src/simulator/platform-config.ts';
import {
  buildProbe,
  PlatformProcess,
  probeConfig,
  temporaryFolder,
  type ProbeReport,
} from '../support/platform-process.ts';
import { readQuote } from '../support/quote-reader.ts';

const work = temporaryFolder();
const state = (name: string): string => {
  const path = join(work.path, name);
  execFileSync('mkdir', ['-p', path]);
  return path;
};
const running = new Set<PlatformProcess>();
const isRoot = process.geteuid?.() === 0;
let bundles = '';

beforeAll(async () => {
  bundles = await buildProbe(join(work.path, 'bundles'));
});
afterAll(() => {
  for (const { child } of running) child.kill('SIGKILL');
  work.remove();
});

async function open(...args: Parameters<typeof probeConfig>): Promise<PlatformProcess> {
  const platform = new PlatformProcess(probeConfig(...args));
  running.add(platform);
  await platform.next('ready');
  return platform;
}

/** A zombie that a container's first process does not collect is not alive. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${String(pid)}/status`, 'latin1'));
  } catch {
    return false;
  }
}
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('timeout');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('a launch', () => {
  let folder = '';
  let platform: PlatformProcess;
  let pid = 0;
  let report: ProbeReport;
  let measured: readonly string[] = [];

  beforeAll(async () => {
    folder = state('launch');
    platform = await open(folder, bundles);
    const started = await platform.start();
    pid = started.pid;
    const { mr0, mr1, mr2 } = started.measurements;
    measured = [mr0, mr1, mr2];
    report = await platform.report();
  });
  afterAll(() => platform.close());

  it('has the registers that measuring the sources gives', () => {
    const { registers } = measureSources(launchSources(probeConfig(folder, bundles)));
    expect(measured).toEqual(registers.map((register) => Buffer.from(register).toString('hex')));
    expect(report.measurements).toEqual(measured);
  });

  it('sees an empty environment', () => {
    expect(report.environment).toEqual([]);
    // Nobody but root may look: the enclave is not dumpable.
    if (isRoot) expect(readFileSync(`/proc/${String(pid)}/environ`).byteLength).toBe(0);
    expect(readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').split('\0')).not.toContain(bundles);
  });

  it('maps nothing but the private copy', () => {
    const private_ = join(folder, 'platform/enclave/');
    expect(report.mapped.length).toBeGreaterThan(5);
    expect(report.mapped.filter((path) => !path.startsWith(private_))).toEqual([]);
  });

  it.skipIf(!isRoot)('opens no descriptor of the platform but its channel', () => {
    const links = readdirSync(`/proc/${String(pid)}/fd`).map((fd) => {
      try {
        return execFileSync('readlink', [`/proc/${String(pid)}/fd/${fd}`], {
          encoding: 'utf8',
        }).trim();
      } catch {
        return '';
      }
    });
    expect(links.filter((link) => link.startsWith('/') && !/^\/(dev|proc)\//.test(link))).toEqual(
      [],
    );
  });

  it('runs with code generation off', () => {
    expect(report.evalWorks).toBe(false);
  });

  it('prepares the worker: command, environment, module, all private', () => {
    const private_ = join(folder, 'platform/enclave');
    expect(report.workerCommand[0]).toBe(join(private_, 'loader'));
    expect(report.workerCommand.at(-1)).toBe(join(private_, 'hsm-worker.cjs'));
    expect(report.modulePath).toBe(join(private_, 'module/libsofthsm2.so'));
    expect(report.workerEnvironment).toEqual({
      OPENSSL_CONF: '/dev/null',
      OPENSSL_ENGINES: join(private_, 'lib'),
      OPENSSL_MODULES: join(private_, 'lib'),
      SOFTHSM2_CONF: join(private_, 'module.conf'),
    });
    const config = readFileSync(join(private_, 'module.conf'), 'utf8');
    expect(config).toContain(`directories.tokendir = ${join(folder, 'token')}\n`);
    expect(report.manifest).not.toContain(folder);
  });

  it('quotes what Web Crypto verifies and openssl chains to the root', async () => {
    const [leaf = '', intermediate = ''] = report.endorsements;
    const attestation = new X509Certificate(bytes(leaf));
    const spki = attestation.publicKey.export({ type: 'spki', format: 'der' });
    const quote = await readQuote(bytes(report.quote), spki);
    expect(quote).toEqual({
      svn: 1,
      debug: false,
      platformId: report.platformId,
      measurements: measured,
      reportData: Buffer.from(Uint8Array.from({ length: 64 }, (_, i) => i)).toString('hex'),
      signatureHolds: true,
    });
    const pem = (name: string, der: string): string => {
      const path = join(work.path, name);
      writeFileSync(path, new X509Certificate(bytes(der)).toString());
      return path;
    };
    const root = join(folder, 'platform/root.pem');
    const verified = execFileSync(
      'openssl',
      [
        'verify',
        '-x509_strict',
        '-CAfile',
        root,
        '-untrusted',
        pem('i.pem', intermediate),
        pem('l.pem', leaf),
      ],
      { encoding: 'utf8' },
    );
    expect(verified).toContain('OK');
  });

  it('derives two secrets and refuses other labels and lengths', () => {
    expect(report.boot).toMatch(/^[0-9a-f]{64}$/);
    expect(report.root).toMatch(/^[0-9a-f]{64}$/);
    expect(report.root).not.toBe(report.boot);
    expect(report.refused).toBe('refused');
    expect(report.shortReport).toBe('refused');
  });

  it('lets nothing out of stdout', () => {
    expect(JSON.stringify(platform.events)).not.toContain('must not come out');
  });

  it('refuses a second enclave and a second platform', async () => {
    platform.command('start');
    expect((await platform.next('failed')).reason).toBe('ALREADY_RUNNING');
    const second = new PlatformProcess(probeConfig(folder, bundles, { workers: 3 }));
    expect((await second.next('fatal')).reason).toBe('STATE_LOCKED');
    expect(await second.exit).toBe(75);
    expect(alive(pid)).toBe(true);
  });

  it('keeps its folder to its owner; an enclave with a user of its own may pass through', () => {
    expect(statSync(join(folder, 'platform')).mode & 0o767).toBe(0o700);
    for (const name of ['root.json', 'enclave.json', 'lock.sqlite']) {
      expect(statSync(join(folder, 'platform', name)).mode & 0o077).toBe(0);
    }
  });

  it('ends on command, tells the exit, and starts again as the same', async () => {
    platform.command('stop', { graceMs: 1000 });
    const exited = await platform.next('exited');
    expect(exited).toMatchObject({ pid, signal: 'SIGTERM' });
    expect(exited.outputBytes).toBeGreaterThan(0);
    await platform.next('stopped');
    expect(alive(pid)).toBe(false);
    const again = await platform.start();
    const second = await platform.report();
    expect([second.boot, second.root, second.platformId]).toEqual([
      report.boot,
      report.root,
      report.platformId,
    ]);
    expect(again.elapsedMs).toBeLessThan(2_000);
  });

  it('tells a crash and does not start it again by itself', async () => {
    const record = JSON.parse(readFileSync(join(folder, 'platform/enclave.json'), 'utf8')) as {
      pid: number;
    };
    process.kill(record.pid, 'SIGKILL');
    expect(await platform.next('exited')).toMatchObject({ pid: record.pid, signal: 'SIGKILL' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(platform.events).toEqual([]);
  });

  it('refuses what is no command', async () => {
    platform.child.stdin?.write('{"id":1,"command":"debug"}\nnothing\n');
    for (let i = 0; i < 2; i += 1)
      expect((await platform.next('failed')).reason).toBe('COMMAND_INVALID');
  });
});

describe('another state', () => {
  async function once(...args: Parameters<typeof probeConfig>): Promise<ProbeReport> {
    const platform = await open(...args);
    await platform.start();
    const report = await platform.report();
    expect(await platform.close()).toBe(0);
    return report;
  }

  it('of one byte in the bundle: other MR0, other secrets', async () => {
    const folder = state('bundle');
    const before = await once(folder, bundles);
    const after = await once(folder, await buildProbe(join(work.path, 'changed'), 'x'), {
      create: false,
    });
    expect(after.measurements[0]).not.toBe(before.measurements[0]);
    expect(after.measurements.slice(1)).toEqual(before.measurements.slice(1));
    expect(after.boot).not.toBe(before.boot);
    expect(after.root).not.toBe(before.root);
    expect(after.platformId).toBe(before.platformId);
    const back = await once(folder, bundles, { create: false });
    expect([back.boot, back.root]).toEqual([before.boot, before.root]);
  });

  it('of the launch options: other MR2, other secrets', async () => {
    const folder = state('options');
    const { module, ...rest } = probeConfig(folder, bundles);
    const before = await once(folder, bundles, rest);
    const options = { ...module.options, 'log.level': 'INFO' };
    const after = await once(folder, bundles, { module: { ...module, options } });
    expect(after.measurements[2]).not.toBe(before.measurements[2]);
    expect(after.boot).not.toBe(before.boot);
  });

  it('folder that moved: nothing changes', async () => {
    const folder = state('here');
    const before = await once(folder, bundles);
    const moved = join(work.path, 'there');
    execFileSync('mv', [folder, moved]);
    const after = await once(moved, bundles, { create: false });
    expect(after.measurements).toEqual(before.measurements);
    expect([after.boot, after.root]).toEqual([before.boot, before.root]);
  });

  it('folder without its root: ephemeral, nothing written', async () => {
    const folder = state('rootless');
    const before = await once(folder, bundles);
    const file = join(folder, 'platform/root.json');
    rmSync(file);
    const platform = new PlatformProcess(probeConfig(folder, bundles, { create: false }));
    expect((await platform.next('ready')).root).toBe('ephemeral');
    await platform.start();
    const after = await platform.report();
    await platform.close();
    expect(after.measurements).toEqual(before.measurements);
    expect(after.boot).not.toBe(before.boot);
    expect(after.platformId).not.toBe(before.platformId);
    expect(existsSync(file)).toBe(false);
  });

  it('whose module brings a library from outside: refused', async () => {
    const build = (output: string, ...args: string[]): string => {
      const path = join(work.path, output);
      execFileSync('g++', ['-shared', '-o', path, '-x', 'c++', '/dev/null', ...args]);
      return path;
    };
    const library = build('libthing.so', '-Wl,-soname,libthing.so');
    // The old form, DT_RPATH: the loader prefers it to the folder that the platform names.
    const rpath = ['-Wl,--disable-new-dtags', `-Wl,-rpath,${work.path}`];
    const path = build('module.so', '-x', 'none', '-Wl,--no-as-needed', library, ...rpath);
    const folder = state('rpath');
    const { module } = probeConfig(folder, bundles);
    const platform = await open(folder, bundles, { module: { ...module, path } });
    platform.command('start');
    const failed = await platform.next('failed');
    expect(failed.reason).toBe('LAUNCH_FAILED');
    expect(failed.message).toContain('libthing.so');
    await platform.close();
  });

  it('that cannot be launched: says why', async () => {
    const platform = await open(state('nothing'), join(work.path, 'no-bundles'));
    platform.command('start');
    const failed = await platform.next('failed');
    expect(failed.reason).toBe('LAUNCH_FAILED');
    expect(failed.message).toContain('main-simulated.cjs');
    await platform.close();
  });
});

describe('ends', () => {
  it('the enclave when the platform is killed, and a new platform waits for that', async () => {
    const folder = state('killed');
    const first = await open(folder, bundles);
    const { pid } = await first.start();
    await first.report();
    first.child.kill('SIGKILL');
    await first.exit;
    await until(() => !alive(pid));

    const second = await open(folder, bundles, { create: false });
    // Hangs, so that it cannot notice that its platform is gone.
    const { pid: hung } = await second.start();
    await second.report();
    process.kill(hung, 'SIGSTOP');
    second.child.kill('SIGKILL');
    await second.exit;
    expect(alive(hung)).toBe(true);
    const third = await open(folder, bundles, { create: false });
    expect(alive(hung)).toBe(false);
    await third.close();
  });

  it('both when the supervisor goes, or asks by SIGTERM', async () => {
    for (const end of ['stdin', 'SIGTERM'] as const) {
      const platform = await open(state(end), bundles);
      const { pid } = await platform.start();
      if (end === 'stdin') platform.child.stdin?.end();
      else platform.child.kill('SIGTERM');
      expect(await platform.exit).toBe(0);
      expect(alive(pid)).toBe(false);
    }
  });

  it('a configuration with every problem at once', async () => {
    const folder = state('config');
    const { module, ...rest } = probeConfig(folder, bundles);
    const broken = {
      ...rest,
      node: 'relative',
      workers: 0,
      linkSocket: `/${'x'.repeat(108)}`,
      module: { ...module, environment: { LD_PRELOAD: '/x' } },
      surprise: true,
    };
    const platform = new PlatformProcess(broken);
    const { reason, message } = await platform
      .next('fatal')
      .catch(() => ({ reason: '', message: '' }));
    expect(reason).toBe('CONFIG_INVALID');
    for (const place of [
      '/node',
      '/workers',
      '/linkSocket',
      '/module/environment/LD_PRELOAD',
      '/surprise',
    ]) {
      expect(message).toContain(`${place}:`);
    }
  });
});
