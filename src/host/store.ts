/**
 * The host's side of the enclave's `store/…` calls: hands the bytes to the store's thread and its answer back.
 * A store that is damaged or failed stays silent (STORE_UNAVAILABLE) while the host runs on: the enclave
 * halts by name, and status can say so.
 */
import { Worker } from 'node:worker_threads';
import { Refusal } from '../../enclave/wire/error-code.ts';
import type { IncomingCall } from '../../enclave/wire/link.ts';
import { STORE_METHODS } from '../../enclave/wire/methods.ts';
import { MAX_STORE_QUEUE, STORE_LOCK_WAIT_MS } from './limits.ts';
import { describeBug, type Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type {
  FromStoreWorker,
  StoreOperation,
  StoreTrouble,
  StoreWorkerData,
  ToStoreWorker,
} from './store-messages.ts';

const OPERATIONS = new Map<string, StoreOperation>(
  Object.entries(STORE_METHODS).map(([operation, method]) => [method, operation as StoreOperation]),
);

/** The host can't start with this file. */
export class StoreUnusable extends Error {
  override readonly name = 'StoreUnusable';
}

interface Waiting {
  readonly operation: StoreOperation;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (refusal: Refusal) => void;
}

export class Store {
  readonly #worker: Worker;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #lastId = 0;
  #closing = false;
  #gone = false;

  private constructor(worker: Worker, log: Log, metrics: Metrics) {
    this.#worker = worker;
    this.#log = log;
    this.#metrics = metrics;
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#ended();
        resolve();
      });
    });
    worker.on('message', (message: FromStoreWorker) => {
      this.#receive(message);
    });
    worker.on('error', (error: unknown) => {
      log({ event: 'host.bug', where: 'store thread', error: describeBug(error) });
    });
  }

  /** Opens the file. Rejects with StoreUnusable when another host has it or it can't be reached. */
  static async open(file: string, log: Log, metrics: Metrics): Promise<Store> {
    const worker = new Worker(new URL('./store-worker.ts', import.meta.url), {
      workerData: { file, lockWaitMs: STORE_LOCK_WAIT_MS } satisfies StoreWorkerData,
      // node:sqlite calls itself experimental on stderr, where only JSON lines belong.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    const first = await new Promise<FromStoreWorker>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    if (first.type === 'opened') {
      log({ event: 'store.opened', records: first.records });
    } else if (first.type === 'trouble') {
      const unusable = explain(file, first.trouble);
      if (unusable !== undefined) {
        await worker.terminate();
        throw new StoreUnusable(unusable);
      }
      report(first.trouble, log);
    }
    return new Store(worker, log, metrics);
  }

  /** Answers a call of the enclave. Throws or rejects with Refusal. */
  handle(call: IncomingCall): Promise<Uint8Array> {
    const operation = OPERATIONS.get(call.method);
    if (operation === undefined) throw new Refusal('METHOD_UNKNOWN');
    if (this.#closing || this.#gone) throw new Refusal('STORE_UNAVAILABLE');
    if (this.#waiting.size >= MAX_STORE_QUEUE) throw new Refusal('RATE_LIMITED');
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { operation, resolve, reject });
      // A copy of its own: posting a view would copy the whole chunk that it lies in.
      const request = Uint8Array.from(call.body);
      const message: ToStoreWorker = { id, operation, request };
      this.#worker.postMessage(message, [request.buffer]);
    });
  }

  /** Lets the thread finish what it has, close the file and end. */
  async close(): Promise<void> {
    this.#closing = true;
    const message: ToStoreWorker = { close: true };
    this.#worker.postMessage(message);
    await this.#exited;
    this.#log({ event: 'store.closed' });
  }

  #receive(message: FromStoreWorker): void {
    if (message.type === 'trouble') {
      report(message.trouble, this.#log);
      return;
    }
    if (message.type === 'opened') return;
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    this.#metrics.storeEnded(waiting.operation, message.type === 'answer');
    if (message.type === 'answer') waiting.resolve(message.answer);
    else waiting.reject(new Refusal(message.reason, message.details));
  }

  #ended(): void {
    this.#gone = true;
    if (!this.#closing) this.#log({ event: 'store.failed', code: 'THREAD_ENDED' });
    for (const { reject } of this.#waiting.values()) reject(new Refusal('STORE_UNAVAILABLE'));
    this.#waiting.clear();
  }
}

/** Why the host must not start; undefined when it starts without a store. */
function explain(file: string, { kind, code }: StoreTrouble): string | undefined {
  switch (kind) {
    case 'locked':
      return `/storeFile: ${file} is in use by another host (${code}); stop that one, or give each its own file`;
    case 'unreachable':
      return `/storeFile: ${file} can't be opened (${code}); its folder must exist and be writable`;
    case 'damaged':
    case 'failed':
      return undefined;
  }
}

function report({ kind, code }: StoreTrouble, log: Log): void {
  log({ event: kind === 'damaged' ? 'store.damaged' : 'store.failed', code });
}
