/** Tries again as long as that can help: the same bytes under the same request id give the same signature. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inTime } from '../in-time.ts';
import { SignerError } from '../signer-error.ts';
import { adviceOf } from './errors.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const JITTER_STEPS = 1_000;
/** One attempt: an answer that was lost is asked for again while there is time. */
const LONGEST_ATTEMPT_MS = 5_000;

/** Between half and all of it: callers that failed together do not come back together. */
export function* pauses(): Generator<number, never> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    yield pause * (0.5 + randomInt(JITTER_STEPS) / (2 * JITTER_STEPS));
  }
}

/**
 * Resolves with the first answer. Rejects with the last error when it is none that another try could change, or when
 * `timeoutMs` are over; never before the first attempt.
 */
export async function persist<T>(
  timeoutMs: number,
  attempt: (attemptMs: number) => Promise<T>,
  longestAttemptMs = LONGEST_ATTEMPT_MS,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  const waits = pauses();
  for (;;) {
    const left = end - performance.now();
    try {
      const attemptMs = Math.max(1, Math.min(left, longestAttemptMs));
      return await inTime(attemptMs, attempt(attemptMs));
    } catch (error) {
      if (!(error instanceof SignerError) || adviceOf(error) !== 'retry') throw error;
      const wait = Math.max(error.retryAfterMs ?? 0, waits.next().value);
      if (performance.now() + wait >= end) throw error;
      await sleep(wait);
    }
  }
}
