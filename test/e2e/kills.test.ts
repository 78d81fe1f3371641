/**
 * `kill -9` of each process of a supervised stack, in turn, while callers sign with keys of both residencies: all
 * signatures are right, every receipt is in the log, callers are told when to come back, and the service is back.
 *
 * The promise is 2 s, and 1 s until the host listens, on a machine that has nothing else to do. A machine under load is
 * given as many times more as this process itself has to wait for a processor; the figures are printed.
 *
 * CI: two rounds. `npm run campaign -- kills --minutes N --seed S`: rounds for N minutes.
 */
import { status as Code } from '@grpc/grpc-js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { BACK_OFF } from '../../src/supervisor/back-off.ts';
import { campaignMinutes, campaignPatienceMs, campaignSeed } from '../support/campaign.ts';
import { listens, MachineLoad, SigningCallers, SMALL_POLICY } from '../support/kills.ts';
import { knownLog, LogReader } from '../support/log-reader.ts';
import { LogReplica } from '../support/log-replica.ts';
import { seededRandom, shuffled } from '../support/random.ts';
import { SeenProcess } from '../support/seen-process.ts';
import { startStack, temporaryFolder, until } from '../support/stack.ts';
import type { ProcessName, Stack } from '../support/stack.ts';

const ROUNDS = 2;
const BACK_MS = 2_000;
const LISTENING_MS = 1_000;
/** Beside the machine's load: the callers and the checks of this test take their share of two processors. */
const MARGIN = 2;
/** Beyond this something hangs, however much else the machine does. */
const PATIENCE_MS = 60_000;

const VICTIMS = ['enclave', 'worker', 'host', 'platform'] as const;
type Victim = (typeof VICTIMS)[number];

interface Recovery {
  readonly victim: Victim;
  readonly backMs: number;
  readonly listeningMs: number;
  readonly factor: number;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function within(work: Promise<void>, what: string): Promise<void> {
  const pause = new AbortController();
  const tooLong = sleep(PATIENCE_MS, undefined, { signal: pause.signal }).then(() => {
    throw new Error(`${what}: not within ${String(PATIENCE_MS)} ms`);
  });
  await Promise.race([work, tooLong]).finally(() => {
    pause.abort();
  });
  tooLong.catch(() => undefined);
}

/** The enclave's HSM workers. */
function workersOf(stack: Stack): number[] {
  return new SeenProcess(stack.pid('enclave')).children.map(({ pid }) => pid);
}

class Kills {
  readonly #stack: Stack;
  readonly #callers: SigningCallers;
  readonly #lives = new Map<ProcessName, number>();
  readonly #workers: number;
  readonly recoveries: Recovery[] = [];

  constructor(stack: Stack, callers: SigningCallers) {
    this.#stack = stack;
    this.#callers = callers;
    this.#workers = workersOf(stack).length;
    expect(this.#workers).toBeGreaterThan(0);
    for (const name of ['enclave', 'host', 'platform'] as const) this.#lives.set(name, 1);
  }

  async kill(victim: Victim): Promise<void> {
    if (victim !== 'worker') {
      await this.#killOne(victim, this.#stack.pid(victim));
      return;
    }
    for (const pid of workersOf(this.#stack)) await this.#killOne(victim, pid);
  }

  async #killOne(victim: Victim, pid: number): Promise<void> {
    // A supervisor gives a process that keeps ending more and more time; this is about the first end.
    if (victim !== 'worker') await this.#livedLong(victim);
    this.#callers.takeRefusals();
    const load = new MachineLoad();
    const begun = performance.now();
    process.kill(pid, 'SIGKILL');
    let listeningMs = 0;
    await within(
      (async () => {
        if (victim === 'host') {
          // The kernel closes a dead process's sockets before this call can see them open.
          await until(() => this.#stack.pid('host') !== pid, PATIENCE_MS);
        }
        await listens(this.#stack.ready.address);
        listeningMs = performance.now() - begun;
      })(),
      'the host listens',
    );
    if (victim !== 'worker') await until(() => this.#stack.pid(victim) !== pid, PATIENCE_MS);
    await within(this.#callers.everyRingSigns(), `${victim}: every ring signs`);
    const backMs = performance.now() - begun;
    this.recoveries.push({ victim, backMs, listeningMs, factor: load.factor });
    await until(() => workersOf(this.#stack).length === this.#workers, PATIENCE_MS);
    this.#count(victim);
    this.#checkRefusals(victim);
  }

  async #livedLong(name: ProcessName): Promise<void> {
    const started = this.#startedAt.get(`${name} ${String(this.#stack.pid(name))}`) ?? 0;
    const left = BACK_OFF.forgetAfterMs + 500 - (performance.now() - started);
    if (left > 0 && this.#lives.get(name) !== 1) await sleep(left);
  }

  /** By name and pid, when it was first seen. */
  readonly #startedAt = new Map<string, number>();

  /** Nothing ended but what was killed, and the enclave with its platform. */
  #count(victim: Victim): void {
    const ended: readonly ProcessName[] =
      victim === 'worker' ? [] : victim === 'platform' ? ['platform', 'enclave'] : [victim];
    for (const name of ended) this.#lives.set(name, (this.#lives.get(name) ?? 0) + 1);
    for (const [name, lives] of this.#lives) {
      const started = this.#stack.events.filter(
        ({ event, process: who }) => event === 'process.started' && who === name,
      );
      expect(started.length, `lives of ${name} after the kill of ${victim}`).toBe(lives);
      const key = `${name} ${String(this.#stack.pid(name))}`;
      if (!this.#startedAt.has(key)) this.#startedAt.set(key, performance.now());
    }
  }

  /** UNAVAILABLE always, and with the time to come back as long as there is a host to tell it. */
  #checkRefusals(victim: Victim): void {
    const refusals = this.#callers.takeRefusals();
    const words = refusals.map(({ reason, grpcStatus, retryAfterMs }) => ({
      reason,
      grpcStatus,
      hasRetryInfo: retryAfterMs !== undefined,
    }));
    for (const word of words) expect(word).toMatchObject({ grpcStatus: Code.UNAVAILABLE });
    if (victim === 'host') return;
    for (const word of words) expect(word).toMatchObject({ hasRetryInfo: true });
    // Callers never pause for as long as an enclave needs to start: somebody must have met its absence.
    if (victim !== 'worker') expect(words).not.toEqual([]);
  }
}

function tell(recoveries: readonly Recovery[]): void {
  const line = (name: string, figures: readonly number[]): string => {
    const sorted = figures.toSorted((a, b) => a - b);
    const at = (share: number): string =>
      (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(0);
    return `${name} median ${at(0.5)} ms, longest ${at(1)} ms`;
  };
  for (const victim of VICTIMS) {
    const own = recoveries.filter((recovery) => recovery.victim === victim);
    const figures = [
      line(
        'signs again',
        own.map(({ backMs }) => backMs),
      ),
    ];
    if (victim === 'host')
      figures.push(
        line(
          'listens',
          own.map(({ listeningMs }) => listeningMs),
        ),
      );
    process.stdout.write(`kills: ${victim}, ${String(own.length)} times: ${figures.join('; ')}\n`);
  }
  const factors = recoveries.map(({ factor }) => factor);
  process.stdout.write(
    `kills: the machine made everything take ${Math.min(...factors).toFixed(1)} to ${Math.max(...factors).toFixed(1)} times as long\n`,
  );
}

it(
  'a stack under load comes back from every kill, with right signatures and all receipts',
  async () => {
    const next = seededRandom(campaignSeed);
    const { path, remove } = temporaryFolder();
    cleanups.push(remove);
    const policy = join(path, 'policy.json');
    writeFileSync(policy, JSON.stringify(SMALL_POLICY));
    const stack = await startStack({ args: ['--policy', policy] });
    cleanups.push(() => stack.stop());
    const log = await knownLog(stack);
    const reader = new LogReader(stack, log);
    cleanups.push(() => {
      reader.close();
    });
    const replica = new LogReplica(log);
    const callers = await SigningCallers.start(stack);
    cleanups.push(() => callers.stop());
    const kills = new Kills(stack, callers);

    let receipts = 0;
    const audit = async (): Promise<void> => {
      const answers = callers.takeAnswers();
      await replica.follow(reader);
      for (const answer of answers) await replica.requireLogged(answer, reader);
      receipts += answers.length;
      expect(callers.wrong).toBe(0);
    };

    const end = Date.now() + campaignMinutes * 60_000;
    let rounds = 0;
    try {
      for (; campaignMinutes > 0 ? Date.now() < end : rounds < ROUNDS; rounds += 1) {
        for (const victim of shuffled(VICTIMS, next)) {
          await sleep(next() * 300);
          await kills.kill(victim);
        }
        await audit();
      }
      await callers.stop();
      await audit();
    } catch (error) {
      throw new Error(`seed ${String(campaignSeed)}, round ${String(rounds)}`, { cause: error });
    } finally {
      tell(kills.recoveries);
    }
    process.stdout.write(
      `kills: seed ${String(campaignSeed)}, ${String(kills.recoveries.length)} kills; ${String(callers.verified)} ` +
        `signatures verified, ${String(callers.wrong)} wrong; ${String(receipts)} receipts, 0 missing\n`,
    );
    expect(receipts).toBe(callers.verified);
    for (const { victim, backMs, listeningMs, factor } of kills.recoveries) {
      const allowed = MARGIN * factor;
      expect(backMs, `${victim} signs again`).toBeLessThan(BACK_MS * allowed);
      if (victim === 'host')
        expect(listeningMs, 'listens again').toBeLessThan(LISTENING_MS * allowed);
    }
  },
  campaignPatienceMs,
);
