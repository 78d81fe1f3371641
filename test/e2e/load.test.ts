/**
 * Strangers and bad callers in masses: memory of host and enclave stays bounded, and callers with certificates are
 * served all the time, on old connections and on new ones.
 *
 * CI: each attack for a moment. `npm run campaign -- load --minutes N --seed S`: all of them for N minutes, in an order
 * drawn from the seed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METHODS } from '../../enclave/wire/methods.ts';
import { campaignMinutes, campaignPatienceMs, campaignSeed } from '../support/campaign.ts';
import { SigningCallers, SMALL_POLICY } from '../support/kills.ts';
import { seededRandom, shuffled } from '../support/random.ts';
import { startStack, temporaryFolder, type Ready, type Stack } from '../support/stack.ts';

const ATTACKER = fileURLToPath(new URL('../support/load-attacks.ts', import.meta.url));
const MEBIBYTE = 1024 * 1024;
const HOST_BYTES = 600 * MEBIBYTE;
/** What it may grow by: the enclave never meets a stranger, and of a bad caller only whole requests. */
const ENCLAVE_GROWTH_BYTES = 200 * MEBIBYTE;
/** An honest call's. Calm machines answer in tens of milliseconds; the attackers share the processors with everybody. */
const LONGEST_MS = 10_000;
const SECONDS = campaignMinutes > 0 ? 20 : 1;
/** The attacker's own descriptors: as many as it may have. */
const RAISED = 'ulimit -n "$(ulimit -Hn)"; exec "$@"';

/** As src/client/client.ts, and not over a connection that another client of this process has. */
const RECONNECTING = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

type Who = 'stranger' | 'caller';

/** Names of test/support/load-attacks.ts, and with or without a certificate. */
const ATTACKS: readonly (readonly [string, Who])[] = [
  ['slow handshake', 'stranger'],
  ['slow preface', 'stranger'],
  ['slow preface', 'caller'],
  ['slow headers', 'caller'],
  ['slow body', 'caller'],
  ['continuation flood', 'stranger'],
  ['continuation flood', 'caller'],
  ['empty continuations', 'caller'],
  ['many headers', 'caller'],
  ['giant metadata', 'stranger'],
  ['giant metadata', 'caller'],
  ['rapid reset', 'stranger'],
  ['rapid reset', 'caller'],
  ['ping flood', 'caller'],
  ['openings of garbage', 'caller'],
  ['idle record streams', 'caller'],
  ['10,000 connections', 'stranger'],
];

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}

const mebibytes = (bytes: number): string => (bytes / MEBIBYTE).toFixed(0);

interface Attacked {
  readonly done: number;
  /** Connections that were refused or found no descriptor. */
  readonly failed: number;
}

async function attack(name: string, who: Who, ready: Ready): Promise<Attacked> {
  const { address, ca, cert, key } = ready;
  const own = who === 'caller' ? [cert, key] : [];
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', ATTACKER];
  const args = [...node, name, String(SECONDS), address, ca, ...own];
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const child = spawn('sh', ['-c', RAISED, 'sh', ...args], { stdio: [...stdio] });
  const [stdout, [code]] = await Promise.all([
    text(child.stdout),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  expect(code).toBe(0);
  return JSON.parse(stdout) as Attacked;
}

/** Callers that sign on one connection, and one that comes anew for each call. */
class Honest {
  readonly #ready: Ready;
  #running = true;
  readonly refused: unknown[] = [];
  readonly signMs: number[] = [];
  readonly arriveMs: number[] = [];
  readonly #loops: Promise<unknown>;

  constructor(callers: SigningCallers, ready: Ready) {
    this.#ready = ready;
    const sign = (ring: string) => () => callers.signOnce(ring);
    this.#loops = Promise.all([
      this.#loop(this.signMs, sign('hsm-ecdsa')),
      this.#loop(this.signMs, sign('enclave-ecdsa')),
      this.#loop(this.arriveMs, () => this.#arrive()),
    ]);
  }

  async #loop(figures: number[], work: () => Promise<void>): Promise<void> {
    while (this.#running) {
      const begun = performance.now();
      await work().catch((error: unknown) => this.refused.push(error));
      figures.push(performance.now() - begun);
      await sleep(20);
    }
  }

  async #arrive(): Promise<void> {
    const { ca, cert, key, address } = this.#ready;
    const [root, own, secret] = [ca, cert, key].map((path) => readFileSync(path)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    const client = new Client(
      address.replace('127.0.0.1', 'localhost'),
      credentials.createSsl(root, secret, own),
      RECONNECTING,
    );
    // A flood of handshakes may push this one out; then the client knocks again, as gRPC's do.
    const metadata = new Metadata({ waitForReady: true });
    const options = { deadline: Date.now() + LONGEST_MS };
    const same = (bytes: Buffer): Buffer => bytes;
    const empty = Buffer.alloc(0);
    await new Promise<void>((resolve, reject) => {
      const done = (error: Error | null): void => {
        if (error === null) resolve();
        else reject(error);
      };
      client.makeUnaryRequest(METHODS.getStatus, same, same, empty, metadata, options, done);
    }).finally(() => {
      client.close();
    });
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#loops;
  }
}

class MemoryWatch {
  readonly #pids: Readonly<Record<'host' | 'enclave', number>>;
  readonly most = { host: 0, enclave: 0 };
  readonly #timer: NodeJS.Timeout;

  constructor(stack: Stack) {
    this.#pids = { host: stack.pid('host'), enclave: stack.pid('enclave') };
    this.#timer = setInterval(() => {
      this.#look();
    }, 100);
    this.#look();
  }

  #look(): void {
    for (const name of ['host', 'enclave'] as const)
      this.most[name] = Math.max(this.most[name], residentBytes(this.#pids[name]));
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#look();
  }
}

const longest = (figures: readonly number[]): number => Math.max(0, ...figures);
const median = (figures: readonly number[]): number =>
  figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0;
const latency = (figures: readonly number[]): string =>
  `median ${median(figures).toFixed(0)} ms, longest ${longest(figures).toFixed(0)} ms`;

describe('under attack', () => {
  let removePolicy: () => void;
  let stack: Stack;
  let callers: SigningCallers;
  let enclaveBytes = 0;

  beforeAll(async () => {
    const { path, remove } = temporaryFolder();
    removePolicy = remove;
    const policy = join(path, 'policy.json');
    writeFileSync(policy, JSON.stringify(SMALL_POLICY));
    stack = await startStack({ args: ['--policy', policy] });
    callers = await SigningCallers.start(stack, 0);
    enclaveBytes = residentBytes(stack.pid('enclave'));
  });
  afterAll(async () => {
    await callers.stop();
    await stack.stop();
    removePolicy();
  });

  async function endure(name: string, who: Who): Promise<void> {
    const memory = new MemoryWatch(stack);
    const honest = new Honest(callers, stack.ready);
    const { done, failed } = await attack(name, who, stack.ready);
    await honest.stop();
    memory.stop();
    callers.takeAnswers();
    const { most } = memory;
    process.stdout.write(
      `load: ${name} (${who}), ${String(done)} times and ${String(failed)} in vain: signing ${latency(honest.signMs)}; ` +
        `new connection ${latency(honest.arriveMs)}; ` +
        `host ${mebibytes(most.host)} MiB, enclave ${mebibytes(most.enclave)} MiB\n`,
    );
    expect(done).toBeGreaterThan(0);
    expect(honest.refused).toEqual([]);
    expect(honest.signMs.length).toBeGreaterThan(2);
    expect(longest([...honest.signMs, ...honest.arriveMs])).toBeLessThan(LONGEST_MS);
    expect(callers.wrong).toBe(0);
    expect(most.host).toBeLessThan(HOST_BYTES);
    expect(most.enclave - enclaveBytes).toBeLessThan(ENCLAVE_GROWTH_BYTES);
    // Nobody died and came again.
    expect(stack.events.filter(({ event }) => event === 'process.ended')).toEqual([]);
  }

  it.skipIf(campaignMinutes > 0).each(ATTACKS)(
    '%s (%s): bounded memory, honest callers served',
    async (name, who) => {
      await endure(name, who);
    },
  );

  it.runIf(campaignMinutes > 0)(
    'for minutes: bounded memory, honest callers served',
    async () => {
      const next = seededRandom(campaignSeed);
      const end = Date.now() + campaignMinutes * 60_000;
      while (Date.now() < end) {
        for (const [name, who] of shuffled(ATTACKS, next)) {
          if (Date.now() < end) await endure(name, who);
        }
      }
    },
    campaignPatienceMs,
  );
});
