/** What the commands about the log share: an attested reader, the head, the warnings. */
import type { Attestation } from '../client/attested.ts';
import type { AttestedLog, SignedHead } from '../client/attested-log.ts';
import { hex, note } from './output.ts';
import { tellWarning, withAttested } from './attested.ts';
import type { Arguments } from './command.ts';
import { usageError } from './cli-error.ts';

export const LOG_NOTE =
  'Everything is verified under the log key that the evidence names before it is printed. That others are shown the ' +
  'same log is not: compare checkpoints with them.';

export interface LogView {
  readonly log: AttestedLog;
  readonly head: SignedHead;
  readonly attestation: Attestation;
}

/** Runs `use` with the verified head of the log, and tells the warnings after it. Throws CliError. */
export function withLog(
  input: Arguments,
  use: (view: LogView) => Promise<number>,
): Promise<number> {
  return withAttested(input, async (attested) => {
    const { AttestedLog: Log } = await import('../client/attested-log.ts');
    const attestation = await attested.attest();
    const log = new Log(attested.service, attestation);
    const head = await log.head();
    const status = await use({ log, head, attestation });
    for (const { verdict, id, reason } of head.checks) {
      if (verdict === 'warning') note(`WARNING: ${id}: ${reason}`);
    }
    await tellWarning(attestation.result);
    return status;
  });
}

/** A tree for `--json`. */
export function treeDocument({
  size,
  rootHash,
}: Pick<SignedHead, 'size' | 'rootHash'>): Record<string, unknown> {
  return { size, rootHash: hex(rootHash) };
}

/** Throws CliError (64). */
export function beyondTheLog(what: string, head: SignedHead): Error {
  return usageError(
    `${what} is beyond the log`,
    `the log has ${String(head.size)} leaves, numbered from 0`,
    'see "npx sealwright log show"',
  );
}
