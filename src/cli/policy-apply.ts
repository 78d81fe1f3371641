import { MAX_POLICY_BYTES } from '../../enclave/wire/limits.ts';
import { readApprovals } from './approval-files.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { readAtMost } from './input-file.ts';
import { changeDocument, changeWords } from './key-changes.ts';
import { hex, printJson, printText } from './output.ts';

export const policyApply: Command = {
  name: 'policy apply',
  example:
    'npx sealwright policy apply policy-4.json policy-4.json.alice.sig policy-4.json.bob.sig',
  positionals: [
    { name: 'FILE', help: 'the document that "policy build" made' },
    {
      name: 'APPROVAL',
      help: 'SSH signatures of M admins, and of each that is new',
      repeated: true,
    },
  ],
  options: CLIENT_OPTIONS,
  notes: [
    'The file is sent byte for byte. When the command is cut off, "policy show" tells which policy is in force: it ' +
      'is the old one or the new one, whole.',
    CLIENT_NOTE,
  ],
  run: runPolicyApply,
};

async function runPolicyApply(input: Arguments): Promise<number> {
  const file = input.positional(0);
  const document = await readAtMost('FILE', file, MAX_POLICY_BYTES);
  if (document === undefined) {
    const expected = `at most ${String(MAX_POLICY_BYTES)} bytes`;
    throw usageError(`${file} is too long for a policy`, expected, 'check what it is');
  }
  const approvals = readApprovals(input, 1);
  const answer = await withClient(input, (client) => client.applyPolicy(document, approvals));
  const [version, digest] = [Number(answer.version), hex(answer.policyDigest)];
  if (input.json) printJson({ version, digest, changes: answer.changes.map(changeDocument) });
  else {
    const lines = [`policy ${String(version)} is in force, digest ${digest}`];
    printText([...lines, ...answer.changes.map(changeWords)].join('\n'));
  }
  return EXIT.ok;
}
