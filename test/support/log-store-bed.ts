/** Batches as an enclave appends them, and a store to append them to. */
import { hash } from 'node:crypto';
import { Batch, EMPTY_EDGE, leafHash, type Edge } from '../../enclave/log/tree.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import {
  LogAppendRequest,
  LogCheckpointRequest,
  LogReadRequest,
  LogReadResponse,
  LogStateResponse,
} from '../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { LOG_METHODS } from '../../enclave/wire/methods.ts';
import type { LogEvent } from '../../src/host/log.ts';
import type { LogFiles } from '../../src/host/log-store/log-files.ts';
import { LogStore } from '../../src/host/log-store/log-store.ts';

export interface TestBatch {
  readonly first: number;
  readonly leaves: readonly Uint8Array[];
  readonly sealedEdge: Uint8Array;
  /** Root of the tree after it. */
  readonly root: Uint8Array;
  readonly body: Uint8Array;
}

/** Consecutive batches. `seed` makes another log of the same shape. */
export function* batches(counts: Iterable<number>, seed = 'leaf'): Generator<TestBatch> {
  let edge: Edge = EMPTY_EDGE;
  for (const count of counts) {
    const first = edge.size;
    const leaves = Array.from({ length: count }, (_, i) =>
      Buffer.from(`{"${seed}":${String(first + i)}}`),
    );
    const grown = new Batch(edge, leaves.map(leafHash));
    edge = grown.edge;
    const sealedEdge = hash('sha256', `sealed ${seed} ${String(edge.size)}`, 'buffer');
    const body = LogAppendRequest.encode({
      firstIndex: BigInt(first),
      leaves,
      sealedEdge,
    }).finish();
    yield { first, leaves, sealedEdge, root: grown.root, body };
  }
}

export interface OpenedStore {
  readonly store: LogStore;
  readonly events: LogEvent[];
  append(batch: Pick<TestBatch, 'body'>): Promise<string>;
  state(): Promise<{ readonly size: number; readonly sealedEdge: Uint8Array }>;
  read(first: number, count: number): Promise<readonly Uint8Array[]>;
  checkpoint(note: string): Promise<string>;
}

/** The reason of a refusal; `ok` without one. */
export async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    if (error instanceof Refusal) return error.reason;
    throw error;
  }
}

export async function openStore(files: LogFiles, segmentBytes?: number): Promise<OpenedStore> {
  const events: LogEvent[] = [];
  const store = await LogStore.over(files, {
    log: (event) => events.push(event),
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  });
  return wrap(store, events);
}

export function wrap(store: LogStore, events: LogEvent[] = []): OpenedStore {
  const call = (method: string, body: Uint8Array): Promise<Uint8Array> =>
    store.handle({ method, body, timeoutMs: 1000, untrustedCaller: undefined, cancelled: false });
  return {
    store,
    events,
    append: ({ body }) => outcome(call(LOG_METHODS.append, body)),
    state: async () => {
      const answer = await call(LOG_METHODS.state, new Uint8Array(0));
      const { size, sealedEdge } = LogStateResponse.decode(answer);
      return { size: Number(size), sealedEdge };
    },
    read: async (first, count) => {
      const body = LogReadRequest.encode({ firstIndex: BigInt(first), count }).finish();
      return LogReadResponse.decode(await call(LOG_METHODS.read, body)).leaves;
    },
    checkpoint: (checkpoint) =>
      outcome(call(LOG_METHODS.checkpoint, LogCheckpointRequest.encode({ checkpoint }).finish())),
  };
}

/** Everything that a store has, read as an enclave reads it. */
export async function readAll(opened: OpenedStore): Promise<Uint8Array[]> {
  const { size } = await opened.state();
  const leaves: Uint8Array[] = [];
  while (leaves.length < size) {
    const more = await opened.read(leaves.length, size - leaves.length);
    if (more.length === 0) throw new Error(`nothing at ${String(leaves.length)}`);
    leaves.push(...more);
  }
  return leaves;
}
