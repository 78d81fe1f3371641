/** Starts the simulated platform as the supervisor does, on the probe or on other bundles. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { PlatformConfig } from '../../src/simulator/platform-config.ts';
import { defaultPlatformConfig } from '../../src/simulator/platform-config.ts';
import type { PlatformEvent } from '../../src/simulator/platform-control.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A short folder: socket paths hold 107 bytes. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sw-'));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Bundles of which `main-simulated.cjs` is the probe. `salt` changes a byte and with it MR0. */
export async function buildProbe(folder: string, salt = ''): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['test/support/platform-probe.ts'],
    outfile: join(folder, 'main-simulated.cjs'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    footer: { js: `// ${salt}` },
    tsconfigRaw: {},
    logLevel: 'silent',
  });
  writeFileSync(join(folder, 'hsm-worker.cjs'), '// no worker\n');
  const addon = 'node_modules/pkcs11js/build/Release/pkcs11.node';
  copyFileSync(join(root, addon), join(folder, 'pkcs11.node'));
  return folder;
}

export function probeConfig(
  stateFolder: string,
  bundles: string,
  change: Partial<PlatformConfig> = {},
): PlatformConfig {
  const linkSocket = join(stateFolder, 'link');
  const standard = defaultPlatformConfig({ stateFolder, create: true, linkSocket });
  return { ...standard, bundles, ...change };
}

export interface ProbeReport {
  readonly environment: readonly string[];
  readonly mapped: readonly string[];
  readonly quote: string;
  readonly boot: string;
  readonly root: string;
  readonly refused: string;
  readonly shortReport: string;
  readonly measurements: readonly string[];
  readonly platformId: string;
  readonly endorsements: readonly string[];
  readonly manifest: string;
  readonly workerCommand: readonly string[];
  readonly workerEnvironment: Readonly<Record<string, string>>;
  readonly modulePath: string;
  readonly evalWorks: boolean;
}

type EventOf<Name extends PlatformEvent['event']> = Extract<PlatformEvent, { event: Name }>;

export class PlatformProcess {
  readonly child: ChildProcess;
  readonly events: PlatformEvent[] = [];
  readonly exit: Promise<number | null>;
  readonly #config: PlatformConfig;
  readonly #waiting: (() => void)[] = [];
  #nextId = 1;

  /** `prefix`: a program that changes its rights and becomes the platform. */
  constructor(config: PlatformConfig, prefix: readonly string[] = []) {
    this.#config = config;
    const file = join(
      config.stateFolder,
      `config-${createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 8)}.json`,
    );
    writeFileSync(file, JSON.stringify(config));
    const program = join(root, 'src/simulator/platform-main.ts');
    const [command = '', ...args] = [
      ...prefix,
      process.execPath,
      ...['--disable-warning=ExperimentalWarning', program, '--config', file],
    ];
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { LEAKED: 'this must not reach the enclave' },
    });
    this.exit = new Promise((resolve) => {
      this.child.once('exit', (code) => {
        resolve(code);
        this.#wake();
      });
    });
    if (this.child.stdout === null) throw new Error('no stdout');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.events.push(JSON.parse(line) as PlatformEvent);
      this.#wake();
    });
  }

  /** The next event of this kind that was not returned before. */
  async next<Name extends PlatformEvent['event']>(name: Name): Promise<EventOf<Name>> {
    for (;;) {
      const at = this.events.findIndex(({ event }) => event === name);
      if (at >= 0) return this.events.splice(at, 1)[0] as EventOf<Name>;
      // A test that waits for something else would wait for ever.
      const refusal = this.events.find(({ event }) => event === 'failed' || event === 'fatal');
      if (refusal !== undefined) throw new Error(JSON.stringify(refusal));
      if (this.child.exitCode !== null) throw new Error(`platform ended before '${name}'`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  command(command: 'start' | 'stop', more: object = {}): void {
    const id = this.#nextId;
    this.#nextId += 1;
    this.child.stdin?.write(`${JSON.stringify({ id, command, ...more })}\n`);
  }

  async start(): Promise<EventOf<'started'>> {
    this.command('start');
    return this.next('started');
  }

  /** What the probe saw and got. */
  async report(): Promise<ProbeReport> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const socket = connect(this.#config.linkSocket);
        return JSON.parse(await text(socket)) as ProbeReport;
      } catch (error) {
        if (attempt === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    }
  }

  /** End of stdin is the supervisor's farewell. */
  async close(): Promise<number | null> {
    this.child.stdin?.end();
    return this.exit;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
