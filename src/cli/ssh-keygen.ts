/**
 * Approvals by `ssh-keygen -Y sign`: it knows the agent, passphrases and hardware keys, and asks on the terminal
 * for what it needs. No private key is ever read here.
 */
import { spawn } from 'node:child_process';
import { buffer } from 'node:stream/consumers';
import type { SshsigNamespace } from '../../enclave/wire/sshsig.ts';
import { CliError, usageError } from './cli-error.ts';
import { EXIT } from './exit-status.ts';

/** How to make the same approval by hand. */
export function signCommand(namespace: SshsigNamespace, file: string): string {
  return `ssh-keygen -Y sign -n ${namespace} -f KEY ${file}`;
}

/**
 * An armored SSHSIG over `document`. `keyFile` is a private key, or a public one whose private key the agent holds.
 * Throws CliError (64) when ssh-keygen is missing, (70) when it does not sign.
 */
export async function signWithSshKeygen(
  namespace: SshsigNamespace,
  document: Uint8Array,
  keyFile: string,
): Promise<Uint8Array> {
  const child = spawn('ssh-keygen', ['-Y', 'sign', '-n', namespace, '-f', keyFile], {
    // What it says on stderr is for whoever holds the key.
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(document);
  const [signature, status] = await Promise.all([buffer(child.stdout), ended]).catch(
    (error: unknown) => {
      throw usageError(
        `ssh-keygen does not run: ${(error as Error).message}`,
        'ssh-keygen of OpenSSH 8.2 or later',
        'install OpenSSH, or sign elsewhere',
      );
    },
  );
  if (status === 0 && signature.byteLength > 0) return Uint8Array.from(signature);
  throw new CliError({
    status: EXIT.refused,
    problem: `ssh-keygen did not sign with ${keyFile}`,
    expected: 'a private key, or a public one whose private key the agent holds',
    wayOut: 'see what it said above',
  });
}
