/** One run of `serve`: the supervisor on a configuration file, until a signal. */
import { constants } from 'node:os';
import { removeConnection, writeConnection } from '../supervisor/connection-file.ts';
import { makeRunFolder } from '../supervisor/run-folder.ts';
import { ServeConfigError, parseServeConfig, platformConfig } from '../supervisor/serve-config.ts';
import type { ServeConfig } from '../supervisor/serve-config.ts';
import { openStateFolder, remember } from '../supervisor/state-folder.ts';
import { Supervisor, linkSocket } from '../supervisor/supervisor.ts';
import { usageError } from './cli-error.ts';
import { takeOverFromCutOff } from './cut-off.ts';
import { dialable } from './dev-plan.ts';
import { EXIT } from './exit-status.ts';
import type { Progress } from './progress.ts';
import { SIMULATED_WARNING } from './status.ts';
import { StopSignals } from './stop-signals.ts';

export class ServeSession {
  readonly #config: ServeConfig;
  readonly #progress: Progress;
  readonly #verbose: boolean;

  /** Throws CliError (64) with every problem of the file. */
  constructor(file: unknown, progress: Progress, verbose: boolean) {
    this.#config = readConfig(file);
    this.#progress = progress;
    this.#verbose = verbose;
  }

  async run(): Promise<number> {
    const { state } = this.#config;
    const folder = openStateFolder(state, { destroy: false });
    this.#progress.step('state', `${state}${folder.isNew ? ', new' : ''}`);
    const supervisor = this.#supervisor(folder.isNew);
    const signals = new StopSignals(() => {
      supervisor.kill();
      process.exit(128 + constants.signals.SIGINT);
    });
    try {
      await Promise.race([this.#serve(supervisor), signals.first]);
      await signals.first;
      return EXIT.ok;
    } finally {
      await supervisor.stop();
      removeConnection(state);
      folder.lock.release();
      signals.close();
    }
  }

  #supervisor(create: boolean): Supervisor {
    const { state, host, drainSeconds, platform } = this.#config;
    const afterCutOff = takeOverFromCutOff(state);
    const runFolder = makeRunFolder();
    this.#progress.step('platform', `simulated: ${SIMULATED_WARNING}`);
    return new Supervisor({
      state,
      runFolder,
      host,
      drainSeconds,
      platform: platformConfig(platform, state, linkSocket(runFolder), create),
      verbose: this.#verbose,
      afterCutOff,
      onEvent: (event) => {
        if (event.event === 'platform.root' && event.root !== 'ephemeral')
          remember(state, { rooted: true });
        this.#progress.tell(event);
      },
    });
  }

  async #serve(supervisor: Supervisor): Promise<void> {
    const { state, client } = this.#config;
    const { grpc, http, unixSockets } = await supervisor.start();
    writeConnection(state, {
      v: 1,
      address: dialable(grpc),
      http: http === undefined ? undefined : dialable(http),
      ca: client?.caFile,
      cert: client?.certFile,
      key: client?.keyFile,
      sockets: unixSockets,
      pid: process.pid,
      runFolder: supervisor.runFolder,
    });
    this.#progress.step('listening', `gRPC ${grpc}, HTTP ${http ?? 'off'}`);
  }
}

function readConfig(file: unknown): ServeConfig {
  try {
    return parseServeConfig(file);
  } catch (error) {
    if (!(error instanceof ServeConfigError)) throw error;
    throw usageError(
      `the configuration is not usable:\n    ${error.problems.join('\n    ')}`,
      'what "npx sealwright serve --help" describes',
      'correct these places',
    );
  }
}
