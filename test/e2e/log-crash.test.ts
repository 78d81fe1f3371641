/**
 * Kills host, enclave or both at random moments under load. After each kill everything must start again, every
 * receipt that a caller ever got must be in the log, and no two trees of one size may exist.
 *
 * CAMPAIGN_KILLS (60) or CAMPAIGN_MINUTES say how long, CAMPAIGN_SEED which moments.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { SignResponse } from '../../src/gen/sealwright/v1/signing.ts';
import type { SignInput } from '../../src/client/client.ts';
import { itemAnswers } from '../../src/client/signed-batch.ts';
import { KillStack, RING } from '../support/kill-stack.ts';
import { knownLog, LogReader } from '../support/log-reader.ts';
import { LogReplica } from '../support/log-replica.ts';

const minutes = Number(process.env['CAMPAIGN_MINUTES'] ?? 0);
const kills = minutes > 0 ? Infinity : Number(process.env['CAMPAIGN_KILLS'] ?? 60);
const seed = Number(process.env['CAMPAIGN_SEED'] ?? randomInt(1, 2 ** 31));
const CALLERS = 12;
/** Items of a batch. */
const BATCH = 5;
/** A kill takes about a second, and on a machine that is busy with other things a few. */
const LONGEST_MS = minutes * 60_000 + 900_000;

/** Mulberry32: small, and the same everywhere. */
function random(state: number): () => number {
  let a = state | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Callers that never stop asking; they keep what they get. */
class Load {
  readonly #stack: KillStack;
  readonly #client;
  readonly #callers: Promise<void>[];
  #stopped = false;
  #paused = false;
  /** Not checked yet. */
  answers: SignResponse[] = [];
  refused = 0;

  constructor(stack: KillStack) {
    this.#stack = stack;
    this.#client = this.#stack.client();
    this.#callers = Array.from({ length: CALLERS }, (_, number) => this.#call(number));
  }

  async #call(number: number): Promise<void> {
    for (let i = 0; !this.#stopped; i += 1) {
      while (this.#paused) await sleep(5);
      try {
        this.answers.push(...(await this.#sign(number, `${String(number)} ${String(i)}`)));
      } catch {
        this.refused += 1;
        // Callers that hammer would only slow down what they wait for.
        await sleep(100);
      }
    }
  }

  /** Every fourth caller asks for batches. */
  async #sign(number: number, text: string): Promise<readonly SignResponse[]> {
    const options = { timeoutMs: 2000, waitForReady: true };
    const item = (message: string): SignInput => ({
      ring: RING,
      payload: { $case: 'message', value: { message: Buffer.from(message) } },
    });
    if (number % 4 > 0) return [await this.#client.sign(item(text), options)];
    const items = Array.from({ length: BATCH }, (_, i) => item(`${text} ${String(i)}`));
    const answers = await itemAnswers(await this.#client.signBatch(items, options));
    return answers.map((answer) => {
      if (answer.kind === 'signed') return answer.answer;
      throw answer.error;
    });
  }

  /** While receipts are checked: signing is faster than checking, and the backlog would only grow. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  take(): SignResponse[] {
    const taken = this.answers;
    this.answers = [];
    return taken;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#paused = false;
    await Promise.all(this.#callers);
    this.#client.close();
  }
}

async function again(work: () => Promise<void>): Promise<void> {
  const end = Date.now() + 20_000;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      // What is being started answers nothing, or not yet enough; a fork stays one.
      if (Date.now() > end || String(error).includes('fork')) throw error;
      await sleep(20);
    }
  }
}

it(
  'loses no receipt and makes no fork, whatever is killed',
  async () => {
    const next = random(seed);
    const stack = await KillStack.start();
    const log = await knownLog(stack);
    const replica = new LogReplica(log);
    const reader = new LogReader(stack, log);
    const load = new Load(stack);
    const counts = { host: 0, enclave: 0, both: 0 };
    const unchecked: SignResponse[] = [];
    let receipts = 0;

    /** Checks every receipt that anybody has got by now. */
    const audit = async (): Promise<void> => {
      for (const answer of load.take()) unchecked.push(answer);
      await again(async () => {
        await replica.follow(reader);
        while (unchecked.length > 0) {
          const [answer] = unchecked;
          if (answer === undefined) break;
          await replica.requireLogged(answer, reader);
          unchecked.shift();
          receipts += 1;
        }
      });
    };

    const begun = Date.now();
    let done = 0;
    try {
      for (; done < kills && (minutes === 0 || Date.now() < begun + minutes * 60_000); done += 1) {
        await sleep(next() * 300);
        const what = (['host', 'enclave', 'both'] as const)[Math.floor(next() * 3)] ?? 'both';
        counts[what] += 1;
        const host = async (): Promise<void> => {
          await stack.killHost();
          await stack.startHost();
        };
        const enclave = async (): Promise<void> => {
          await stack.killEnclave();
          await stack.startEnclave();
        };
        if (what === 'host') await host();
        else if (what === 'enclave') await enclave();
        else await Promise.all([host(), enclave()]);
        await stack.serving();
        load.pause();
        await audit();
        load.resume();
      }
      await load.stop();
      await audit();
      expect(stack.host.events('log.damaged')).toEqual([]);
    } catch (error) {
      throw new Error(`seed ${String(seed)}, kill ${String(done)}`, { cause: error });
    } finally {
      await load.stop();
      reader.close();
      await stack.close();
    }
    process.stdout.write(
      `log-crash: seed ${String(seed)}, ${String(done)} kills (${JSON.stringify(counts)}) in ` +
        `${((Date.now() - begun) / 1000).toFixed(0)} s; ${String(receipts)} receipts, 0 missing, 0 forks; ` +
        `log of ${String(replica.leaves.length)}, ${String(load.refused)} calls refused\n`,
    );
    expect(receipts).toBeGreaterThan(done);
  },
  LONGEST_MS,
);
