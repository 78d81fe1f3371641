/** One HSM worker as the enclave sees it: a child process, its two pipes, answers in order, a deadline. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { HsmRequest, HsmResponse } from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import {
  encodePins,
  encodeWorkerFrame,
  MAX_WORKER_REQUEST_BYTES,
  MAX_WORKER_RESPONSE_BYTES,
  PIN_DESCRIPTOR,
  REQUEST_DESCRIPTOR,
  WorkerFrameReader,
} from './framing.ts';

export interface WorkerCommand {
  /** Node, its flags, the worker's file. The module's path is appended. */
  readonly command: readonly string[];
  /** The worker's whole environment: the measured allow-list. */
  readonly environment: Readonly<Record<string, string>>;
  readonly modulePath: string;
}

/** Why a worker is no longer there. `doubted`: what it said of an object is asked of another one. */
export type WorkerLoss = 'exit' | 'deadline' | 'protocol' | 'replaced' | 'doubted' | 'closed';

export type WorkerResult = NonNullable<HsmResponse['result']>;

/** Called once: with the answer, or with undefined when the worker was lost first. */
type Done = (result: WorkerResult | undefined) => void;

interface Pending {
  remainingMs: number;
  readonly done: Done;
}

/**
 * Deadlines count these ticks, not the clock: an enclave that was stopped or starved for a while must not find all
 * of its workers late.
 */
const TICK_MS = 50;

export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #pipe: Duplex;
  readonly #pinPipe: Duplex;
  readonly #reader = new WorkerFrameReader(MAX_WORKER_RESPONSE_BYTES);
  readonly #pending: Pending[] = [];
  readonly #exited: Promise<void>;
  readonly #onLost: (loss: WorkerLoss) => void;
  #ticker: NodeJS.Timeout | undefined;
  #loss: WorkerLoss | undefined;

  constructor(
    { command, environment, modulePath }: WorkerCommand,
    onLost: (loss: WorkerLoss) => void,
  ) {
    const [program = '', ...parameters] = command;
    this.#onLost = onLost;
    // Output is dropped by the kernel: a vendor library that prints must find neither a reader nor a full pipe.
    this.#child = spawn(program, [...parameters, modulePath], {
      env: environment,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => {
        resolve();
        this.#lose('exit');
      });
      this.#child.once('error', () => {
        if (this.#child.pid === undefined) resolve();
        this.#lose('exit');
      });
    });
    // Without descriptors to spare, spawn() gives no pipes at all, whatever its type says.
    const stdio = this.#child.stdio as readonly unknown[] | undefined;
    if (stdio === undefined) {
      this.#loss = 'exit';
      throw new Error('no pipes');
    }
    this.#pipe = stdio[REQUEST_DESCRIPTOR] as Duplex;
    this.#pinPipe = stdio[PIN_DESCRIPTOR] as Duplex;
    this.#pipe.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    this.#pipe.on('error', () => {
      this.#lose('exit');
    });
    this.#pipe.on('close', () => {
      this.#lose('exit');
    });
    // A worker that dies before it has read its PIN closes this pipe; that it died is said elsewhere.
    this.#pinPipe.on('error', () => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get lost(): boolean {
    return this.#loss !== undefined;
  }

  /** Fills the PIN pipe and closes it; once. The PINs given and the copy are overwritten. Throws RangeError. */
  sendPins(pins: readonly Uint8Array[]): void {
    let bytes: Buffer;
    try {
      bytes = encodePins(pins);
    } finally {
      for (const pin of pins) pin.fill(0);
    }
    this.#pinPipe.end(bytes, () => {
      bytes.fill(0);
    });
  }

  /** `body` is an encoded HsmRequest. Answers come in the order of requests. Throws RangeError for a body too large. */
  send(body: Uint8Array, deadlineMs: number, done: Done): void {
    if (this.#loss !== undefined) {
      done(undefined);
      return;
    }
    const frame = encodeWorkerFrame(body, MAX_WORKER_REQUEST_BYTES);
    this.#pending.push({ remainingMs: deadlineMs, done });
    this.#ticker ??= setInterval(() => {
      this.#tick();
    }, TICK_MS);
    this.#pipe.write(frame);
  }

  /** The same with a promise. */
  request(request: HsmRequest, deadlineMs: number): Promise<WorkerResult | undefined> {
    return new Promise((resolve) => {
      this.send(HsmRequest.encode(request).finish(), deadlineMs, resolve);
    });
  }

  /** SIGKILL: it works on a stopped process and on one that hangs in a library. */
  kill(loss: WorkerLoss): void {
    this.#lose(loss);
  }

  /** Lets the worker leave the token by itself (C_Finalize); kills it after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#pinPipe.end();
    this.#pipe.end();
    const killer = setTimeout(() => {
      this.#lose('closed');
    }, graceMs);
    await this.#exited;
    clearTimeout(killer);
  }

  #receive(chunk: Buffer): void {
    let results: (WorkerResult | undefined)[];
    try {
      results = this.#reader.push(chunk).map((body) => HsmResponse.decode(body).result);
    } catch {
      this.#lose('protocol');
      return;
    }
    for (const result of results) {
      const answered = result === undefined ? undefined : this.#pending.shift();
      if (answered === undefined) {
        this.#lose('protocol');
        return;
      }
      answered.done(result);
    }
  }

  /** Only the first in line is being worked on. */
  #tick(): void {
    const head = this.#pending[0];
    if (head === undefined) {
      clearInterval(this.#ticker);
      this.#ticker = undefined;
      return;
    }
    head.remainingMs -= TICK_MS;
    if (head.remainingMs <= 0) this.#lose('deadline');
  }

  #lose(loss: WorkerLoss): void {
    if (this.#loss !== undefined) return;
    this.#loss = loss;
    clearInterval(this.#ticker);
    this.#child.kill('SIGKILL');
    this.#pipe.destroy();
    this.#pinPipe.destroy();
    this.#onLost(loss);
    for (const { done } of this.#pending.splice(0)) done(undefined);
  }
}
