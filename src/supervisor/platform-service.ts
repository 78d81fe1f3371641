/** Keeps the simulated platform running, and through it one enclave. */
import { rmSync } from 'node:fs';
import { replaceFile } from '../simulator/private-file.ts';
import type { PlatformConfig } from '../simulator/platform-config.ts';
import type { PlatformEvent } from '../simulator/platform-control.ts';
import { BackOff } from './back-off.ts';
import { Child } from './child.ts';
import type { OnEvent } from './events.ts';
import { howItEnded } from './how-it-ended.ts';
import { KeptAlive } from './kept-alive.ts';
import type { Life } from './kept-alive.ts';
import { SupervisorProblem } from './problem.ts';

export interface PlatformPlan {
  readonly config: PlatformConfig;
  readonly configFile: string;
  readonly logFile: string | undefined;
  readonly firstPatienceMs: number;
  readonly onEvent: OnEvent;
}

const PROGRAM = 'src/simulator/platform-main.ts';
/** An enclave ends in milliseconds; only one in the middle of its genesis takes longer. */
const ENCLAVE_GRACE_MS = 40_000;
/** Beyond the enclave's grace: the platform itself has nothing to finish. */
const PLATFORM_GRACE_MS = ENCLAVE_GRACE_MS + 2_000;

export class PlatformService {
  readonly #plan: PlatformPlan;
  readonly #kept: KeptAlive<number>;
  readonly #enclaveBackOff = new BackOff();
  #child: Child | undefined;
  #lastCommand = 0;
  #everStarted = false;
  #enclaveStartedAt = 0;
  #restart: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(plan: PlatformPlan) {
    this.#plan = plan;
    this.#kept = new KeptAlive({
      begin: () => this.#begin(),
      onReady: (pid, elapsedMs) => {
        plan.onEvent({ event: 'process.started', process: 'platform', pid, elapsedMs });
      },
      onEnd: (how, restartInMs) => {
        plan.onEvent({ event: 'process.ended', process: 'platform', how, restartInMs });
      },
      onFirstFailure: (how) =>
        new SupervisorProblem(
          'failed',
          `the platform does not start: ${how}`,
          'remove the cause and start again',
        ),
      firstPatienceMs: plan.firstPatienceMs,
    });
  }

  /** The first enclave has been started. Throws SupervisorProblem. */
  get started(): Promise<void> {
    return this.#kept.first;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const begun = performance.now();
    const over = this.#kept.stop();
    const child = this.#child;
    if (child !== undefined) {
      // End of stdin ends the enclave, with its grace, and then the platform.
      this.#command('stop');
      child.closeStdin();
      await child.endWithin(PLATFORM_GRACE_MS);
    }
    await over;
    const elapsedMs = Math.round(performance.now() - begun);
    this.#plan.onEvent({ event: 'process.stopped', process: 'platform', elapsedMs });
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  #command(command: 'start' | 'stop'): void {
    this.#lastCommand += 1;
    // A killed enclave leaves its socket's name behind, and the next one could not listen there. None is
    // alive here: the platform has waited for the end of the last one.
    if (command === 'start') rmSync(this.#plan.config.linkSocket, { force: true });
    const grace = command === 'stop' ? { graceMs: ENCLAVE_GRACE_MS } : {};
    this.#child?.send({ id: this.#lastCommand, command, ...grace });
  }

  #begin(): Life<number> {
    // Only a folder's very first start may draw a platform root: later, a missing one is a loss to tell of.
    const config = { ...this.#plan.config, create: this.#plan.config.create && !this.#everStarted };
    replaceFile(this.#plan.configFile, `${JSON.stringify(config, undefined, 2)}\n`, 0o600);
    let lastWords = '';
    let setReady: (pid: number) => void = () => undefined;
    const ready = new Promise<number>((resolve) => {
      setReady = resolve;
    });
    const child = new Child({
      program: PROGRAM,
      args: ['--config', this.#plan.configFile],
      endWithSupervisor: false,
      logFile: this.#plan.logFile,
      onMessage: (message) => {
        const event = message as unknown as PlatformEvent;
        if (event.event === 'fatal' || event.event === 'failed') lastWords = event.message;
        if (event.event === 'started') setReady(child.pid);
        this.#onPlatformEvent(event);
      },
    });
    this.#child = child;
    const ended = child.ended.then((end) => {
      clearTimeout(this.#restart);
      this.#child = undefined;
      return lastWords === '' ? howItEnded(end) : lastWords;
    });
    return { ready, ended };
  }

  #onPlatformEvent(event: PlatformEvent): void {
    switch (event.event) {
      case 'ready':
        this.#plan.onEvent({ event: 'platform.root', root: event.root });
        this.#command('start');
        break;
      case 'started': {
        this.#everStarted = true;
        this.#enclaveStartedAt = performance.now();
        const { pid, elapsedMs } = event;
        this.#plan.onEvent({ event: 'process.started', process: 'enclave', pid, elapsedMs });
        break;
      }
      case 'exited':
        this.#enclaveEnded(event.signal ?? `status ${String(event.code)}`);
        break;
      case 'failed':
        // Before any success it is the set-up that is wrong, so the platform ends and the first start fails.
        if (this.#everStarted) this.#enclaveEnded(event.message);
        else this.#child?.closeStdin();
        break;
      case 'stopped':
      case 'fatal':
        break;
    }
  }

  #enclaveEnded(how: string): void {
    if (this.#stopping) return;
    const restartInMs = this.#enclaveBackOff.next(performance.now() - this.#enclaveStartedAt);
    this.#plan.onEvent({ event: 'process.ended', process: 'enclave', how, restartInMs });
    this.#restart = setTimeout(() => {
      this.#command('start');
    }, restartInMs);
  }
}
