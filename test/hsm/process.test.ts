import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  procFile,
  SoftHsm,
  softhsmIsMissing,
  softhsmModule,
  until,
  USER_PIN,
} from '../support/softhsm.ts';

/** Gone, or a zombie: the first process of a container may never ask how its orphans ended. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${String(pid)}/stat`, 'latin1').includes(' Z ');
  } catch {
    return true;
  }
}

describe.skipIf(softhsmIsMissing())('the process of a worker', () => {
  let hsm: SoftHsm;
  let serial: string;

  beforeEach(async () => {
    hsm = new SoftHsm();
    serial = await hsm.initialise();
  });
  afterEach(() => hsm.dispose());

  it('has exactly the environment that it was given', async () => {
    process.env['SEALWRIGHT_TEST_LEAK'] = 'inherited';
    await hsm.open(serial, { size: 2 });
    delete process.env['SEALWRIGHT_TEST_LEAK'];
    for (const pid of hsm.readyPids()) {
      expect(procFile(pid, 'environ').split('\0').filter(Boolean)).toEqual([
        `SOFTHSM2_CONF=${hsm.environment['SOFTHSM2_CONF'] ?? ''}`,
      ]);
    }
  });

  it('has no PIN in its command line, and ends with the module', async () => {
    await hsm.open(serial);
    const [pid = 0] = hsm.readyPids();
    const words = procFile(pid, 'cmdline').split('\0').filter(Boolean);
    expect(words.at(-1)).toBe(softhsmModule);
    expect(words.join(' ')).not.toContain(USER_PIN.digits);
  });

  it('survives the signals of a terminal', async () => {
    const token = await hsm.open(serial);
    const [pid = 0] = hsm.readyPids();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
    const id = randomBytes(16);
    await token.generateSecret({ id, label: 's' });
    await expect(token.hmac(id, randomBytes(3))).resolves.toHaveLength(32);
    expect(hsm.readyPids()).toEqual([pid]);
  });

  it('ends when the pool is closed', async () => {
    const token = await hsm.open(serial, { size: 2 });
    const pids = hsm.readyPids();
    const start = performance.now();
    await token.close();
    expect(performance.now() - start).toBeLessThan(900);
    for (const pid of pids) expect(existsSync(`/proc/${String(pid)}`)).toBe(false);
  });

  it('ends when its enclave is killed, and has printed nothing', async () => {
    const holder = fileURLToPath(new URL('../support/softhsm-holder.ts', import.meta.url));
    const parent = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        holder,
        hsm.environment['SOFTHSM2_CONF'] ?? '',
        serial,
        USER_PIN.digits,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    parent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    parent.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until(() => output.endsWith('\n'));
    const pids = output.trim().split(' ').map(Number);
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(existsSync(`/proc/${String(pid)}`)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => pids.every(hasEnded), 5_000);
    expect(output.trim()).toBe(pids.join(' '));
  });
});
