/** Keys of admins that somebody brings along: lines of .pub files. */
import { parseSshKeyLine, sshKeyLine, type SshPublicKey } from '../../enclave/wire/ssh-key.ts';
import { SshError } from '../../enclave/wire/ssh-reader.ts';
import type { PolicyAdmin } from '../../enclave/wire/policy/document.ts';
import { CliError, usageError } from './cli-error.ts';
import { readNamedFile } from './evidence-options.ts';
import { EXIT } from './exit-status.ts';
import { sshFingerprint } from './fingerprints.ts';

/** Each once; comments of keys and lines that begin with # are nobody's word. Throws CliError (64). */
export function readAdminKeys(file: string): readonly SshPublicKey[] {
  const lines = Buffer.from(readNamedFile(file)).toString('utf8').split('\n');
  const keys = lines
    .map((line) => line.trim().split(/\s+/).slice(0, 2).join(' '))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line): [string, SshPublicKey] => [line, parseKey(file, line)]);
  if (keys.length > 0) return [...new Map(keys).values()];
  throw usageError(`${file} holds no key`, 'OpenSSH public keys, one a line', 'add them');
}

function parseKey(file: string, line: string): SshPublicKey {
  try {
    return parseSshKeyLine(line);
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    throw usageError(
      `${file}: ${line.slice(0, 40)}… is no key that an admin may have (${error.problem})`,
      'OpenSSH public keys, one a line',
      'correct it there',
    );
  }
}

/** Both sides have the same keys. Throws CliError (2) that names every admin and key that only one side has. */
export function requireSameAdmins(
  admins: readonly PolicyAdmin[],
  keys: readonly SshPublicKey[],
  file: string,
): void {
  const brought = new Set(keys.map(sshKeyLine));
  const named = new Set(admins.map(({ key }) => sshKeyLine(key)));
  const strangers = admins.filter(({ key }) => !brought.has(sshKeyLine(key)));
  const missing = keys.filter((key) => !named.has(sshKeyLine(key)));
  if (strangers.length + missing.length === 0) return;
  const problems = [
    ...strangers.map(({ name, key }) => `admin ${name} ${sshFingerprint(key)} is not in ${file}`),
    ...missing.map((key) => `${sshFingerprint(key)} of ${file} is no admin`),
  ];
  throw new CliError({
    status: EXIT.verificationFailed,
    problem: `${problems.join('; ')}. Nothing was signed`,
    expected: `the ${String(keys.length)} keys of ${file}, and no other`,
    wayOut: 'ask the other admins, not the operator; do not approve it',
    facts: {
      strangers: strangers.map(({ name }) => name),
      missing: missing.map((key) => sshFingerprint(key)),
    },
  });
}
