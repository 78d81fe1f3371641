/** One run of `dev`: start, sample, then a program or Ctrl-C, then the drain. */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { AttestedClient } from '../client/attested.ts';
import type { GetStatusResponse } from '../gen/sealwright/v1/status.ts';
import { Phase } from '../gen/sealwright/v1/status.ts';
import { statePaths } from '../supervisor/state-folder.ts';
import type { Arguments } from './command.ts';
import { nextCommands, signSample } from './dev-sample.ts';
import { DevRun } from './dev-stack.ts';
import type { DevStack } from './dev-stack.ts';
import { readReference } from './evidence-options.ts';
import { EXIT } from './exit-status.ts';
import { writeDevReference } from './first-use.ts';
import { hex } from './output.ts';
import type { Progress } from './progress.ts';
import { runProgram } from './run-program.ts';
import { haltRows } from './status.ts';
import { StopSignals } from './stop-signals.ts';
import { phaseWord } from './words.ts';

/** As shells report a program that a signal ended. */
const EXIT_BY_SIGNAL = 128;
const WATCH_MS = 2_000;

export class DevSession {
  readonly #input: Arguments;
  readonly #progress: Progress;
  readonly #run: DevRun;
  readonly #signals: StopSignals;
  #programRuns = false;

  constructor(input: Arguments, progress: Progress, changed: SignedJsonObject) {
    this.#input = input;
    this.#progress = progress;
    this.#run = new DevRun(input, progress, changed);
    this.#signals = new StopSignals(() => {
      this.#run.kill();
      process.exit(EXIT_BY_SIGNAL + constants.signals.SIGINT);
    });
  }

  async run(): Promise<number> {
    // A program is told of the signal and ends first; everything else stops at once.
    void this.#signals.first.then(() => (this.#programRuns ? undefined : this.#run.stop()));
    try {
      return await this.#work();
    } catch (error) {
      const signal = this.#signals.seen;
      if (signal === undefined) throw error;
      // A start that was stopped fails, which is no news.
      return this.#input.program === undefined
        ? EXIT.ok
        : EXIT_BY_SIGNAL + constants.signals[signal];
    } finally {
      await this.#run.stop();
      this.#signals.close();
    }
  }

  async #work(): Promise<number> {
    const stack = await this.#run.start();
    const program = this.#input.program;
    const halted = stack.status.phase === Phase.PHASE_HALTED;
    if (halted) this.#tellHalt(stack.status);
    if (halted && program !== undefined) return EXIT.refused;
    const ring = halted ? undefined : await this.#sample(stack);
    if (program !== undefined) {
      this.#programRuns = true;
      return runProgram(program, environmentOf(stack), this.#signals.first);
    }
    this.#tellReady(stack, ring);
    await this.#watch(stack);
    return EXIT.ok;
  }

  /** With the reference that was just written, as every later command takes it. */
  async #sample({ client, state }: DevStack): Promise<string | undefined> {
    const reference = await writeDevReference(client, state);
    this.#progress.step('reference', `${reference}, for verify-evidence`);
    const attested = new AttestedClient(client, readReference(reference));
    return signSample(attested, state, this.#progress);
  }

  #tellReady({ state, connection, status }: DevStack, ring: string | undefined): void {
    const phase = phaseWord(status.phase);
    const { address = '', http = 'off' } = connection;
    this.#progress.step(phase, `gRPC ${address}, HTTP ${http}`);
    if (this.#input.json) {
      const ready = {
        event: 'ready',
        phase,
        state,
        clusterId: hex(status.clusterId),
        ...connection,
      };
      process.stdout.write(`${JSON.stringify(ready)}\n`);
      return;
    }
    const commands = nextCommands(state, ring).map((command) => `  ${command}`);
    process.stdout.write(`\nTry next, in another terminal:\n${commands.join('\n')}\n\n`);
    this.#progress.say(
      ring === undefined ? 'Telling the status until Ctrl-C.' : 'Serving until Ctrl-C.',
    );
  }

  #tellHalt(status: GetStatusResponse): void {
    for (const [key, value] of haltRows(status))
      this.#progress.step('halted', `${key.trim()}: ${value}`);
  }

  /** Until a signal: tells when the enclave changes its phase, which restarts and halts do. */
  async #watch({ client, status }: DevStack): Promise<void> {
    let phase = status.phase;
    const pause = new AbortController();
    void this.#signals.first.then(() => {
      pause.abort();
    });
    while (this.#signals.seen === undefined) {
      await sleep(WATCH_MS, undefined, { signal: pause.signal }).catch(() => undefined);
      if (this.#isStopping()) return;
      const now = await client.getStatus().catch(() => undefined);
      if (now === undefined || now.phase === phase || this.#isStopping()) continue;
      phase = now.phase;
      if (phase === Phase.PHASE_HALTED) this.#tellHalt(now);
      else this.#progress.step('enclave', phaseWord(phase));
    }
  }

  #isStopping(): boolean {
    return this.#signals.seen !== undefined;
  }
}

function environmentOf({ state, connection }: DevStack): Record<string, string> {
  const { address, http, ca, cert, key } = connection;
  return {
    SEALWRIGHT_ADDRESS: address ?? '',
    SEALWRIGHT_HTTP: http ?? '',
    SEALWRIGHT_CA: ca ?? '',
    SEALWRIGHT_CERT: cert ?? '',
    SEALWRIGHT_KEY: key ?? '',
    SEALWRIGHT_STATE: state,
    SEALWRIGHT_REFERENCE: statePaths(state).reference,
  };
}
