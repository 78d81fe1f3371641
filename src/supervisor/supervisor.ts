/**
 * Platform and host, started together and kept running. It holds no secret and decides nothing: who kills
 * it stops the service, nothing else.
 */
import { join } from 'node:path';
import type { PlatformConfig } from '../simulator/platform-config.ts';
import type { OnEvent } from './events.ts';
import { HostService } from './host-service.ts';
import type { Listening } from './host-service.ts';
import { PlatformService } from './platform-service.ts';
import { removeRunFolder } from './run-folder.ts';
import { statePaths } from './state-folder.ts';

export interface SupervisorPlan {
  /** A state folder that this process has locked. */
  readonly state: string;
  readonly runFolder: string;
  /** The host's configuration; `enclaveSocket` is set here. */
  readonly host: Readonly<Record<string, unknown>>;
  readonly drainSeconds: number;
  readonly platform: PlatformConfig;
  /** The children's logs go to our stderr instead of files of the state folder. */
  readonly verbose: boolean;
  /** An earlier run was cut off: its processes may still be ending. */
  readonly afterCutOff: boolean;
  readonly onEvent: OnEvent;
}

/** Longer than the drain of a host and the grace of an enclave that lost their supervisor. */
const PATIENCE_AFTER_CUT_OFF_MS = 15_000;

export function linkSocket(runFolder: string): string {
  return join(runFolder, 'link.sock');
}

export class Supervisor {
  readonly #plan: SupervisorPlan;
  readonly #platform: PlatformService;
  readonly #host: HostService;
  #stopped: Promise<void> | undefined;

  constructor(plan: SupervisorPlan) {
    this.#plan = plan;
    const paths = statePaths(plan.state);
    const firstPatienceMs = plan.afterCutOff ? PATIENCE_AFTER_CUT_OFF_MS : 0;
    const { onEvent, verbose } = plan;
    this.#platform = new PlatformService({
      config: plan.platform,
      configFile: paths.platformConfig,
      logFile: verbose ? undefined : paths.platformLog,
      firstPatienceMs,
      onEvent,
    });
    this.#host = new HostService({
      config: { ...plan.host, enclaveSocket: plan.platform.linkSocket },
      configFile: paths.hostConfig,
      logFile: verbose ? undefined : paths.hostLog,
      drainSeconds: plan.drainSeconds,
      firstPatienceMs,
      onEvent,
    });
  }

  get runFolder(): string {
    return this.#plan.runFolder;
  }

  /** Resolves when both run for the first time. Throws SupervisorProblem; then both are stopped. */
  async start(): Promise<Listening> {
    try {
      const [listening] = await Promise.all([this.#host.listening(), this.#platform.started]);
      return listening;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Host first, so that its calls in flight still find the enclave. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.#host.stop();
    await this.#platform.stop();
    removeRunFolder(this.#plan.runFolder);
  }

  /** For the second Ctrl-C: no drain. The enclave ends with its platform. */
  kill(): void {
    this.#host.kill();
    this.#platform.kill();
    removeRunFolder(this.#plan.runFolder);
  }
}
