/** What a pool is made with. */
import { randomInt } from 'node:crypto';
import {
  HSM_GENERATE_DEADLINE_MS,
  HSM_OPERATION_DEADLINE_MS,
  MAX_IN_FLIGHT,
} from '../wire/limits.ts';
import { DEFAULT_BACK_OFF, type BackOffLimits } from './back-off.ts';
import type { WorkerCommand, WorkerLoss } from './pool-worker.ts';

/** For counters and alarms: a closed union, no bytes, no text. */
export type PoolEvent =
  | { readonly kind: 'worker-started'; readonly pid: number | undefined }
  | { readonly kind: 'worker-ready'; readonly pid: number | undefined; readonly openedInMs: number }
  | { readonly kind: 'worker-lost'; readonly pid: number | undefined; readonly loss: WorkerLoss }
  /** The token or its module failed: CKR_* number, or 0. */
  | {
      readonly kind: 'worker-failed';
      readonly pid: number | undefined;
      readonly rv: number;
      readonly operation: string;
    }
  /** Alarm: a signature was wrong under the recorded public key and was not released. */
  | { readonly kind: 'signature-rejected'; readonly pid: number | undefined }
  /** Alarm: the pool is down for good. */
  | { readonly kind: 'login-refused'; readonly rv: number };

/** Real ones by default; tests of the back-off give their own. */
export interface PoolClock {
  monotonicMs(): number;
  /** Calls once after `ms`; returns what cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** [0, 1), for jitter only. */
  random(): number;
}

export interface PoolOptions extends WorkerCommand {
  /** Workers, each with one session. */
  readonly size: number;
  readonly clock?: PoolClock;
  readonly onEvent?: (event: PoolEvent) => void;
  /** From start to the end of login and sweep. */
  readonly openDeadlineMs?: number;
  readonly operationDeadlineMs?: number;
  readonly generateDeadlineMs?: number;
  /** How long a call may wait for a worker. */
  readonly queueDeadlineMs?: number;
  readonly maxQueued?: number;
  readonly backOff?: BackOffLimits;
}

export type CompletePoolOptions = Required<PoolOptions>;

/** Node starts in 50 to 500 ms, SoftHSM sweeps 1,000 objects in 100 ms; with an operation's 3 s, recovery stays near 5 s. */
const OPEN_DEADLINE_MS = 4_000;

const RANDOM_STEPS = 2 ** 32;

const REAL_CLOCK: PoolClock = {
  monotonicMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => {
      clearTimeout(timer);
    };
  },
  random: () => randomInt(RANDOM_STEPS) / RANDOM_STEPS,
};

export function completeOptions(options: PoolOptions): CompletePoolOptions {
  if (!Number.isInteger(options.size) || options.size < 1)
    throw new RangeError('a pool has at least one worker');
  return {
    clock: REAL_CLOCK,
    onEvent: () => undefined,
    openDeadlineMs: OPEN_DEADLINE_MS,
    operationDeadlineMs: HSM_OPERATION_DEADLINE_MS,
    generateDeadlineMs: HSM_GENERATE_DEADLINE_MS,
    queueDeadlineMs: HSM_OPERATION_DEADLINE_MS,
    maxQueued: MAX_IN_FLIGHT,
    backOff: DEFAULT_BACK_OFF,
    ...options,
  };
}
