/**
 * The simulated platform: a program of its own that stands for the hardware. It protects nothing from the
 * user who runs it; it shows the same protocol as a real platform (docs/spec/simulated-quote.md).
 *
 *   node src/simulator/platform-main.ts --config FILE
 *
 * Commands on stdin, events on stdout (platform-control.ts). End of stdin ends the enclave and the platform.
 */
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { Confinement } from './confinement.ts';
import { prepareLaunch } from './enclave-launch.ts';
import { EnclaveProcess } from './enclave-process.ts';
import { LaunchError } from './library-closure.ts';
import {
  parsePlatformConfig,
  PlatformConfigError,
  type PlatformConfig,
} from './platform-config.ts';
import {
  parseCommand,
  type FailureReason,
  type PlatformCommand,
  type PlatformEvent,
} from './platform-control.ts';
import {
  endOrphan,
  forgetEnclave,
  lockState,
  recordEnclave,
  StateLockedError,
} from './platform-lock.ts';
import { openPlatformRoot, type PlatformRoot } from './platform-root.ts';

/** sysexits(3): usage, and "try again later". */
const EXIT_STATUS: Partial<Record<FailureReason, number>> = {
  CONFIG_INVALID: 64,
  STATE_LOCKED: 75,
};
const DEFAULT_GRACE_MS = 5_000;

function emit(event: PlatformEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function readConfig(): PlatformConfig {
  let text: string;
  try {
    const { values } = parseArgs({ options: { config: { type: 'string' } } });
    if (values.config === undefined) throw new TypeError('--config FILE is missing');
    text = readFileSync(values.config, 'utf8');
  } catch (error) {
    throw new PlatformConfigError([(error as Error).message]);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new PlatformConfigError(['/: is not JSON']);
  }
  return parsePlatformConfig(value);
}

class Platform {
  readonly #config: PlatformConfig;
  readonly #folder: string;
  readonly #root: PlatformRoot;
  #enclave: EnclaveProcess | undefined;
  #confinement: Confinement | undefined;

  constructor(config: PlatformConfig, folder: string, root: PlatformRoot) {
    this.#config = config;
    this.#folder = folder;
    this.#root = root;
  }

  async run(command: PlatformCommand): Promise<void> {
    if (command.command === 'start') {
      await this.#start(command.id);
      return;
    }
    await this.end(command.graceMs ?? DEFAULT_GRACE_MS);
    emit({ event: 'stopped', id: command.id });
  }

  async end(graceMs: number): Promise<void> {
    await this.#enclave?.stop(graceMs);
  }

  async #start(id: number): Promise<void> {
    if (this.#enclave !== undefined) {
      emit({ event: 'failed', id, reason: 'ALREADY_RUNNING', message: 'stop the enclave first' });
      return;
    }
    const startedAt = performance.now();
    try {
      const privateFolder = join(this.#folder, 'enclave');
      const launch = prepareLaunch(this.#config, privateFolder, this.#confinement);
      this.#confinement = launch.confinement;
      const enclave = await EnclaveProcess.start(launch, this.#root, this.#config.workers);
      this.#enclave = enclave;
      recordEnclave(this.#folder, enclave.pid);
      const [mr0 = '', mr1 = '', mr2 = ''] = launch.registers.map((register) =>
        Buffer.from(register).toString('hex'),
      );
      const elapsedMs = Math.round(performance.now() - startedAt);
      const measurements = { mr0, mr1, mr2 };
      emit({ event: 'started', id, pid: enclave.pid, measurements, svn: launch.svn, elapsedMs });
      void enclave.exited.then((exit) => {
        this.#enclave = undefined;
        forgetEnclave(this.#folder);
        emit({ event: 'exited', pid: enclave.pid, ...exit });
      });
    } catch (error) {
      const expected =
        error instanceof LaunchError || (error as NodeJS.ErrnoException).code !== undefined;
      if (!expected) throw error;
      emit({ event: 'failed', id, reason: 'LAUNCH_FAILED', message: (error as Error).message });
    }
  }
}

async function main(): Promise<void> {
  process.umask(0o077);
  const config = readConfig();
  const folder = join(config.stateFolder, 'platform');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const lock = lockState(folder);
  await endOrphan(folder);
  const { root, origin } = openPlatformRoot(folder, config.create, new Date());
  const platform = new Platform(config, folder, root);
  emit({ event: 'ready', platformId: Buffer.from(root.platformId).toString('hex'), root: origin });

  const lines = createInterface({ input: process.stdin });
  // The supervisor decides when to stop: a terminal's Ctrl-C reaches this process too.
  process.on('SIGINT', () => undefined);
  process.once('SIGTERM', () => {
    lines.close();
  });
  // One command at a time, in order.
  for await (const line of lines) {
    const command = parseCommand(line);
    if (command === undefined) {
      emit({ event: 'failed', id: 0, reason: 'COMMAND_INVALID', message: 'not a command' });
    } else await platform.run(command);
  }
  await platform.end(DEFAULT_GRACE_MS);
  lock.close();
}

try {
  await main();
} catch (error) {
  const reason: FailureReason | undefined =
    error instanceof StateLockedError
      ? 'STATE_LOCKED'
      : error instanceof PlatformConfigError
        ? 'CONFIG_INVALID'
        : undefined;
  if (reason === undefined) throw error;
  emit({ event: 'fatal', reason, message: (error as Error).message });
  process.exitCode = EXIT_STATUS[reason] ?? 1;
}
// SIGTERM leaves stdin open, which would keep the process.
process.stdin.destroy();
