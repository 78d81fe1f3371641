import { APPROVE_OPTIONS, approveFile, approveNote } from './approval-files.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { hex, note, printJson } from './output.ts';
import { requireOneStdout } from './output-file.ts';
import { policyDiff } from './policy/diff.ts';
import { policyDigest, readPolicyDocument } from './policy/read-policy.ts';
import { policyWarnings } from './policy/warnings.ts';

export const policyApprove: Command = {
  name: 'policy approve',
  example:
    'npx sealwright policy approve policy-4.json --current policy-3.json --key ~/.ssh/id_ed25519',
  positionals: [{ name: 'FILE', help: 'the document that "policy build" made' }],
  options: {
    current: { value: 'FILE', help: 'the policy in force, to be told what would change' },
    ...APPROVE_OPTIONS,
  },
  notes: [
    'Tells what the document changes and what it allows although it may not be meant, then signs it.',
    approveNote('sealwright-policy'),
  ],
  run: runPolicyApprove,
};

async function runPolicyApprove(input: Arguments): Promise<number> {
  requireOneStdout(input, ['out']);
  const file = input.positional(0);
  const { bytes, policy } = readPolicyDocument(file);
  const currentFile = input.text('current');
  if (currentFile !== undefined) {
    const current = readPolicyDocument(currentFile);
    for (const { effect, text } of policyDiff(current.policy, policy)) note(`${effect}: ${text}`);
  }
  for (const { warning } of policyWarnings(policy)) note(`warning: ${warning}`);
  const digest = hex(policyDigest(bytes));
  note(`version ${String(policy.version)}, digest ${digest}`);
  const approval = await approveFile(input, 'sealwright-policy', file, bytes);
  if (input.json) printJson({ version: policy.version, digest, approval });
  return EXIT.ok;
}
