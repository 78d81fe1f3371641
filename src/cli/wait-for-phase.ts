/** Waits until the enclave has made up its mind: awaiting genesis, serving, or halted. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SealwrightClient } from '../client/client.ts';
import { SignerError } from '../client/signer-error.ts';
import { Phase } from '../gen/sealwright/v1/status.ts';
import type { GetStatusResponse } from '../gen/sealwright/v1/status.ts';
import { unavailable } from './cli-error.ts';
import { phaseWord } from './words.ts';

const POLL_MS = 40;
const PATIENCE_MS = 60_000;

const SETTLED: ReadonlySet<Phase> = new Set([
  Phase.PHASE_SETUP,
  Phase.PHASE_SERVING,
  Phase.PHASE_HALTED,
]);

/** Throws CliError (69) when that takes longer than a minute, and the reason of `stop` when that is aborted. */
export async function settledStatus(
  client: SealwrightClient,
  stop: AbortSignal,
): Promise<GetStatusResponse> {
  const begun = performance.now();
  let last = 'no answer from the host';
  while (performance.now() - begun < PATIENCE_MS) {
    const answer = await statusOrReason(client);
    stop.throwIfAborted();
    if (typeof answer === 'string') last = answer;
    else if (SETTLED.has(answer.phase)) return answer;
    else last = phaseWord(answer.phase);
    await sleep(POLL_MS);
  }
  throw unavailable(
    `the enclave is not ready after ${String(PATIENCE_MS / 1000)} s: ${last}`,
    'look at host.log and platform.log in the state folder, or start with --verbose',
  );
}

async function statusOrReason(client: SealwrightClient): Promise<GetStatusResponse | string> {
  try {
    return await client.getStatus({ timeoutMs: 5_000, waitForReady: true });
  } catch (error) {
    if (error instanceof SignerError) return error.reason;
    throw error;
  }
}
