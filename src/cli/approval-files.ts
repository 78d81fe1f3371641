/** Approvals as files: made by ssh-keygen, read to be sent. */
import { MAX_APPROVALS } from '../../enclave/wire/limits.ts';
import { SshError } from '../../enclave/wire/ssh-reader.ts';
import { parseSshsig, type SshsigNamespace } from '../../enclave/wire/sshsig.ts';
import { usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';
import { readSmallFile } from './input-file.ts';
import { note } from './output.ts';
import { writeOutput } from './output-file.ts';
import { signCommand, signWithSshKeygen } from './ssh-keygen.ts';

export const APPROVE_OPTIONS = {
  key: {
    value: 'FILE',
    help: 'SSH private key, or a public one whose private key the agent holds',
    required: true,
  },
  out: { value: 'FILE', help: 'where the approval goes (default FILE.sig); "-" is stdout' },
} as const;

export const approveNote = (namespace: SshsigNamespace): string =>
  `ssh-keygen signs, so agents, passphrases and hardware keys work as ever, and no private key is read here. By ` +
  `hand it is "${signCommand(namespace, 'FILE')}". The service is never asked.`;

/** Signs `document`, which stands in `file`, and writes the armored signature. Resolves with where. Throws CliError. */
export async function approveFile(
  input: Arguments,
  namespace: SshsigNamespace,
  file: string,
  document: Uint8Array,
): Promise<string> {
  const signature = await signWithSshKeygen(namespace, document, input.required('key'));
  const path = input.text('out') ?? `${file}.sig`;
  writeOutput('out', path, signature);
  if (path !== '-') note(`approval written to ${path}`);
  return path;
}

/** The positionals from `first` on. Throws CliError (64) for a file that is no SSH signature. */
export function readApprovals(input: Arguments, first: number): readonly Uint8Array[] {
  const paths = input.positionals.slice(first);
  if (paths.length > MAX_APPROVALS) {
    throw usageError(
      `${String(paths.length)} approvals`,
      `at most ${String(MAX_APPROVALS)}`,
      'leave some away',
    );
  }
  return paths.map((path) => {
    const bytes = readSmallFile('APPROVAL', path);
    try {
      parseSshsig(bytes);
      return bytes;
    } catch (error) {
      if (!(error instanceof SshError)) throw error;
      throw usageError(
        `${path} is no approval (${error.problem})`,
        'an SSH signature as ssh-keygen -Y sign writes it',
        'have it made again',
      );
    }
  });
}
