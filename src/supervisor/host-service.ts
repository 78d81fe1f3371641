/** Keeps the host running, always on the ports of its first life. */
import { HOST_FLAGS } from '../host/process-flags.ts';
import { replaceFile } from '../simulator/private-file.ts';
import { Child } from './child.ts';
import type { OnEvent } from './events.ts';
import { howItEnded } from './how-it-ended.ts';
import { KeptAlive } from './kept-alive.ts';
import type { Life } from './kept-alive.ts';
import { SupervisorProblem } from './problem.ts';

/** What the host says when it listens. */
export interface Listening {
  /** HOST:PORT. */
  readonly grpc: string;
  readonly http?: string | undefined;
  readonly unixSockets: readonly string[];
}

export interface HostPlan {
  /** As `src/host/config.ts` reads it. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly configFile: string;
  readonly logFile: string | undefined;
  readonly drainSeconds: number;
  readonly firstPatienceMs: number;
  readonly onEvent: OnEvent;
}

const PROGRAM = 'src/host/main.ts';
/** Beyond the drain: closing the store and the sockets. */
const CLOSING_MS = 3_000;

export class HostService {
  readonly #plan: HostPlan;
  readonly #kept: KeptAlive<Listening>;
  #child: Child | undefined;
  #listening: Listening | undefined;

  constructor(plan: HostPlan) {
    this.#plan = plan;
    this.#kept = new KeptAlive({
      begin: () => this.#begin(),
      onReady: (listening, elapsedMs) => {
        this.#listening ??= listening;
        const pid = this.#child?.pid ?? 0;
        plan.onEvent({ event: 'process.started', process: 'host', pid, elapsedMs });
      },
      onEnd: (how, restartInMs) => {
        plan.onEvent({ event: 'process.ended', process: 'host', how, restartInMs });
      },
      onFirstFailure: (how) =>
        new SupervisorProblem('failed', `the host does not start: ${how}`, wayOutOf(how)),
      firstPatienceMs: plan.firstPatienceMs,
    });
  }

  /** Where the host listens. Throws SupervisorProblem. */
  async listening(): Promise<Listening> {
    await this.#kept.first;
    if (this.#listening === undefined) throw new Error('ready without addresses');
    return this.#listening;
  }

  /** Lets calls in flight finish. */
  async stop(): Promise<void> {
    const begun = performance.now();
    const over = this.#kept.stop();
    const child = this.#child;
    if (child !== undefined) {
      child.kill('SIGTERM');
      await child.endWithin(this.#plan.drainSeconds * 1000 + CLOSING_MS);
    }
    await over;
    const elapsedMs = Math.round(performance.now() - begun);
    this.#plan.onEvent({ event: 'process.stopped', process: 'host', elapsedMs });
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  #begin(): Life<Listening> {
    replaceFile(this.#plan.configFile, `${JSON.stringify(this.#config(), undefined, 2)}\n`, 0o600);
    let setReady: (listening: Listening) => void = () => undefined;
    const ready = new Promise<Listening>((resolve) => {
      setReady = resolve;
    });
    const child = new Child({
      program: PROGRAM,
      flags: HOST_FLAGS,
      args: ['--config', this.#plan.configFile],
      endWithSupervisor: true,
      logFile: this.#plan.logFile,
      onMessage: ({ listening }) => {
        if (listening !== undefined) setReady(listening as Listening);
      },
    });
    this.#child = child;
    const ended = child.ended.then((end) => {
      this.#child = undefined;
      return howItEnded(end);
    });
    return { ready, ended };
  }

  /** Clients know the first life's ports: port 0 is drawn once. */
  #config(): Record<string, unknown> {
    const { config } = this.#plan;
    if (this.#listening === undefined) return config;
    const { grpc, http } = this.#listening;
    const listen = { ...config, listen: grpc };
    return http === undefined ? listen : { ...listen, http };
  }
}

function wayOutOf(how: string): string {
  return how.includes('EADDRINUSE') || how.includes('in use')
    ? 'stop the program that listens there, or choose another port: --listen 127.0.0.1:0 takes a free one'
    : 'remove the cause and start again';
}
