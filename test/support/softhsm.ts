/** SoftHSM2 in a private temporary folder, and the pool on it: for tests with a real PKCS#11 token. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTokenModule } from '../../enclave/hsm/pool.ts';
import type { PoolEvent, PoolOptions } from '../../enclave/hsm/options.ts';
import type { Pin, Token, TokenModule } from '../../enclave/ports.ts';
import { bundledWorker } from './bundled-worker.ts';

const CANDIDATES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
];

/** Path of the module, or undefined when SoftHSM2 is not installed. */
export const softhsmModule = CANDIDATES.find((path) => existsSync(path));

/** For describe.skipIf: says why, once per test file. */
export function softhsmIsMissing(): boolean {
  if (softhsmModule !== undefined) return false;
  process.stderr.write(
    'SKIPPED: libsofthsm2.so is missing, no PKCS#11 test runs (Debian: apt-get install softhsm2)\n',
  );
  return true;
}

export const WORKER_COMMAND = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  '--disable-sigusr1',
  bundledWorker(new URL('../../enclave/hsm/worker.ts', import.meta.url)),
];

export class TestPin implements Pin {
  readonly digits: string;
  constructor(digits: string) {
    this.digits = digits;
  }
  reveal(): Uint8Array {
    return new TextEncoder().encode(this.digits);
  }
}

export const SO_PIN = new TestPin('so-pin-4711-4711');
export const USER_PIN = new TestPin('user-pin-0815-0815');

/** A folder with its own configuration and tokens. */
export class SoftHsm {
  readonly folder: string;
  readonly tokenFolder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly events: PoolEvent[] = [];
  readonly #opened: Token[] = [];

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'sw-hsm-'));
    this.tokenFolder = join(this.folder, 'tokens');
    mkdirSync(this.tokenFolder);
    const configuration = join(this.folder, 'softhsm2.conf');
    writeFileSync(
      configuration,
      `directories.tokendir = ${this.tokenFolder}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n`,
    );
    this.environment = { SOFTHSM2_CONF: configuration };
  }

  module(options: Partial<PoolOptions> = {}): TokenModule {
    return openTokenModule({
      command: WORKER_COMMAND,
      environment: this.environment,
      modulePath: softhsmModule ?? '',
      size: 1,
      onEvent: (event) => {
        this.events.push(event);
      },
      ...options,
    });
  }

  /** A new token; its serial number. */
  async initialise(label = 'sealwright-test'): Promise<string> {
    const { serial } = await this.module().initToken({
      label,
      soPin: SO_PIN,
      userPin: USER_PIN,
    });
    return serial;
  }

  /** Opens the token and waits until every worker of the pool is logged in. */
  async open(serial: string, options: Partial<PoolOptions> = {}): Promise<Token> {
    const token = await this.module(options).open(serial, USER_PIN);
    this.#opened.push(token);
    await until(() => token.workersReady() === (options.size ?? 1));
    return token;
  }

  /** Processes of workers that were started and are not gone. */
  workerPids(): number[] {
    const lost = new Set(
      this.events.flatMap((event) => (event.kind === 'worker-lost' ? [event.pid] : [])),
    );
    return this.events.flatMap((event) =>
      event.kind === 'worker-started' && event.pid !== undefined && !lost.has(event.pid)
        ? [event.pid]
        : [],
    );
  }

  readyPids(): number[] {
    const alive = new Set(this.workerPids());
    return this.events.flatMap((event) =>
      event.kind === 'worker-ready' && event.pid !== undefined && alive.has(event.pid)
        ? [event.pid]
        : [],
    );
  }

  countEvents(kind: PoolEvent['kind']): number {
    return this.events.filter((event) => event.kind === kind).length;
  }

  /** Closes what is open and removes the folder. */
  async dispose(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((token) => token.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Polls; throws after `limitMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end)
      throw new Error(`not within ${String(limitMs)} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function procFile(pid: number, name: 'environ' | 'cmdline' | 'status'): string {
  return readFileSync(`/proc/${String(pid)}/${name}`, 'latin1');
}
