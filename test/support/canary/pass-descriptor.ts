/**
 * The platform's side, loaded before it: the enclave is started with one descriptor more, a file that everything the
 * canary enclaves of this clone say is appended to.
 */
import childProcess from 'node:child_process';
import { openSync } from 'node:fs';
import { exchange } from './exchange.ts';
import { SECRETS_DESCRIPTOR } from './secret.ts';
import { SECRETS_FILE } from './places-of-clone.ts';

const secrets = openSync(SECRETS_FILE, 'a', 0o600);

exchange(childProcess, 'spawn', (real) => {
  const spawnWithSecrets = (
    command: string,
    args: readonly string[],
    options: childProcess.SpawnOptions,
  ): childProcess.ChildProcess => {
    const { stdio } = options;
    // Only the enclave has a channel, right below.
    if (!Array.isArray(stdio) || stdio.length !== SECRETS_DESCRIPTOR) {
      throw new Error('the enclave is started in another way than the canary knows');
    }
    return real(command, args, { ...options, stdio: [...stdio, secrets] });
  };
  return spawnWithSecrets as typeof real;
});
