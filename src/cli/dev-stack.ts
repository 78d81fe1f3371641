/** Starts everything that `dev` needs, in order, and stops it. */
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import type { SealwrightClient } from '../client/client.ts';
import { SignerError } from '../client/signer-error.ts';
import { Phase } from '../gen/sealwright/v1/status.ts';
import type { GetStatusResponse } from '../gen/sealwright/v1/status.ts';
import { removeConnection, writeConnection } from '../supervisor/connection-file.ts';
import type { ConnectionFile } from '../supervisor/connection-file.ts';
import type { SupervisorEvent } from '../supervisor/events.ts';
import { makeRunFolder, removeRunFolder } from '../supervisor/run-folder.ts';
import { openStateFolder, remember, statePaths } from '../supervisor/state-folder.ts';
import type { StateFolder } from '../supervisor/state-folder.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { CliError } from './cli-error.ts';
import type { Arguments } from './command.ts';
import { DEFAULT_STATE, readEndpoint } from './connection.ts';
import { takeOverFromCutOff } from './cut-off.ts';
import { devGenesis } from '../simulator/dev-genesis.ts';
import { devHost, devPki, devPlatform, dialable, hostSettings } from './dev-plan.ts';
import type { HostSettings } from './dev-plan.ts';
import { DEV_CALLER, devParties } from '../simulator/dev-policy.ts';
import { EXIT } from './exit-status.ts';
import { hex } from './output.ts';
import type { Progress } from './progress.ts';
import { SIMULATED_WARNING } from './status.ts';
import { settledStatus } from './wait-for-phase.ts';
import { phaseWord } from './words.ts';

export interface DevStack {
  readonly state: string;
  readonly connection: ConnectionFile;
  readonly client: SealwrightClient;
  /** Serving or halted. */
  readonly status: GetStatusResponse;
}

export class DevRun {
  readonly #input: Arguments;
  readonly #progress: Progress;
  readonly #settings: HostSettings;
  readonly #changed: SignedJsonObject;
  #parties: (() => ReturnType<typeof devParties>) | undefined;
  #folder: StateFolder | undefined;
  #supervisor: Supervisor | undefined;
  #client: SealwrightClient | undefined;
  #rootIsLost = false;
  readonly #stop = new AbortController();
  #stopped: Promise<void> | undefined;

  /**
   * `changed` replaces members of the first policy. Reads the files that options name: wrong ones are told of before anything is
   * touched.
   */
  constructor(input: Arguments, progress: Progress, changed: SignedJsonObject) {
    this.#input = input;
    this.#progress = progress;
    this.#changed = changed;
    this.#settings = hostSettings(input);
  }

  /** Throws CliError, SignerError and SupervisorProblem; `stop` is to be called in any case. */
  async start(): Promise<DevStack> {
    this.#stop.signal.throwIfAborted();
    const destroy = this.#input.switch('destroy');
    const folder = openStateFolder(this.#input.text('state') ?? DEFAULT_STATE, { destroy });
    this.#folder = folder;
    this.#progress.step('state', `${folder.path}${folder.isNew ? ', new' : ''}`);
    for (const name of folder.leftAlone)
      this.#progress.step('state', `${name} is not ours and was left there`);

    const connection = await this.#startProcesses(folder);
    const { SealwrightClient: Client } = await import('../client/client.ts');
    const client = new Client(readEndpoint(connection));
    this.#client = client;
    let status = await settledStatus(client, this.#stop.signal);
    this.#progress.step('enclave', phaseWord(status.phase));
    if (status.phase === Phase.PHASE_SETUP) {
      await this.#genesis(folder, client);
      status = await settledStatus(client, this.#stop.signal);
    }
    if (status.clusterId.byteLength > 0)
      remember(folder.path, { clusterId: hex(status.clusterId) });
    return { state: folder.path, connection, client, status };
  }

  async #startProcesses(folder: StateFolder): Promise<ConnectionFile> {
    const { path } = folder;
    const pki = devPki(path, this.#settings);
    this.#progress.step('pki', `authority, server and client "${DEV_CALLER}" in ${path}/pki`);
    const afterCutOff = takeOverFromCutOff(path);
    const runFolder = makeRunFolder();
    try {
      const host = devHost(this.#settings, path, runFolder, pki);
      // At genesis only: a later start makes no new admin, whom no policy knows.
      this.#parties = () => devParties(statePaths(path).admin, pki, host.sockets);
      const platform = devPlatform(folder, runFolder, this.#input);
      this.#progress.step('platform', `simulated: ${SIMULATED_WARNING}`);
      this.#supervisor = new Supervisor({
        state: path,
        runFolder,
        host: host.config,
        drainSeconds: host.drainSeconds,
        platform,
        verbose: this.#input.switch('verbose'),
        afterCutOff,
        onEvent: (event) => {
          this.#onEvent(event);
        },
      });
    } catch (error) {
      removeRunFolder(runFolder);
      throw error;
    }
    const listening = await this.#supervisor.start();
    const caller = pki.clients[DEV_CALLER];
    const connection: ConnectionFile = {
      v: 1,
      address: dialable(listening.grpc),
      http: listening.http === undefined ? undefined : dialable(listening.http),
      ca: pki.ca,
      cert: caller?.cert,
      key: caller?.key,
      sockets: listening.unixSockets,
      pid: process.pid,
      runFolder,
    };
    writeConnection(path, connection);
    return connection;
  }

  #onEvent(event: SupervisorEvent): void {
    if (event.event === 'platform.root') {
      this.#rootIsLost = event.root === 'ephemeral';
      if (!this.#rootIsLost && this.#folder !== undefined)
        remember(this.#folder.path, { rooted: true });
    }
    this.#progress.tell(event);
  }

  /** Every part is played here: proposal, approval by the admin of this state folder, commit. */
  async #genesis(folder: StateFolder, client: SealwrightClient): Promise<void> {
    if (this.#parties === undefined) throw new Error('genesis before the start of the processes');
    if (folder.clusterId !== undefined || this.#rootIsLost) {
      throw new CliError({
        status: EXIT.refused,
        problem:
          folder.clusterId === undefined
            ? `the platform root of ${folder.path} is missing or damaged`
            : `cluster ${folder.clusterId} was born in ${folder.path}, but its store and token are gone`,
        expected: 'the state of the last run, as a whole',
        wayOut: `bring it back, or give it up for a new cluster with new keys: npx sealwright dev --state ${folder.path} --destroy`,
      });
    }
    const born = await devGenesis(client, this.#parties(), this.#changed).catch(
      (error: unknown) => {
        // Half way: the status says more than the refusal, and goes on being served.
        if (error instanceof SignerError && error.reason === 'ENCLAVE_HALTED') return undefined;
        throw error;
      },
    );
    if (born === undefined) return;
    this.#progress.step(
      'token',
      `initialised, serial ${born.tokenSerial}; its PINs stay in the enclave`,
    );
    this.#progress.step('genesis', `cluster ${hex(born.clusterId)}, ${String(born.rings)} rings`);
  }

  /** May be called at any time, also during `start`, which fails then. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    this.#client?.close();
    await this.#supervisor?.stop();
    if (this.#folder === undefined) return;
    if (this.#supervisor !== undefined) removeConnection(this.#folder.path);
    this.#folder.lock.release();
  }

  /** Without any drain. */
  kill(): void {
    this.#supervisor?.kill();
  }
}
