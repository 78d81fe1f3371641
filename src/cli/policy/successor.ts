/** Whether a policy follows the one that an admin compares it with. */
import { equalBytes } from '../../../enclave/wire/bytes.ts';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-status.ts';
import { hex } from '../output.ts';
import { policyDigest, type ReadPolicy } from './read-policy.ts';

type Followed = Pick<ReadPolicy, 'bytes' | 'policy'>;

/** The member of the document that says something else; undefined when `next` follows `current`. */
export function successorMismatch(
  current: Followed,
  { policy }: Pick<Followed, 'policy'>,
): 'replaces' | 'version' | 'clusterId' | undefined {
  const { version, replaces, clusterId } = policy;
  if (replaces === undefined || !equalBytes(replaces, policyDigest(current.bytes))) {
    return 'replaces';
  }
  if (version !== current.policy.version + 1) return 'version';
  // The first policy names no cluster: its genesis statement does.
  const known = current.policy.clusterId;
  if (known === undefined) return undefined;
  return clusterId !== undefined && equalBytes(clusterId, known) ? undefined : 'clusterId';
}

/** A diff with any other policy would tell of changes that nobody makes, and hide those made. Throws CliError (2). */
export function requireSuccessor(current: Followed, next: Pick<Followed, 'policy'>): void {
  const mismatch = successorMismatch(current, next);
  if (mismatch === undefined) return;
  const { version, replaces, clusterId } = next.policy;
  const words = (bytes: Uint8Array | undefined): string => (bytes ? hex(bytes) : 'nothing');
  const [says, expected] = {
    replaces: [words(replaces), hex(policyDigest(current.bytes))],
    version: [String(version), String(current.policy.version + 1)],
    clusterId: [words(clusterId), words(current.policy.clusterId)],
  }[mismatch] as [string, string];
  throw new CliError({
    status: EXIT.verificationFailed,
    problem: `the document does not follow --current: its ${mismatch} is ${says}. Nothing was signed`,
    expected: `${mismatch} ${expected}`,
    wayOut: 'find out which of the two files is not what you were told; do not approve it',
    facts: { mismatch },
  });
}
