import { APPROVE_OPTIONS, approveFile, approveNote } from './approval-files.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { hex, note, printJson } from './output.ts';
import { requireOneStdout } from './output-file.ts';
import { policyContent } from './policy/content.ts';
import { policyDiff } from './policy/diff.ts';
import { policyDigest, readPolicyDocument } from './policy/read-policy.ts';
import { requireSuccessor } from './policy/successor.ts';
import { policyWarnings } from './policy/warnings.ts';

export const policyApprove: Command = {
  name: 'policy approve',
  example:
    'npx sealwright policy approve policy-4.json --current policy-3.json --key ~/.ssh/id_ed25519',
  positionals: [{ name: 'FILE', help: 'the document that "policy build" made' }],
  options: {
    current: { value: 'FILE', help: 'the policy that it replaces, to be told what would change' },
    ...APPROVE_OPTIONS,
  },
  notes: [
    'Tells what the document changes, or without --current all that it says, and what it allows although it may not ' +
      'be meant, then signs it. Exit status 2, and no signature, when it does not follow the document of --current.',
    approveNote('sealwright-policy'),
  ],
  run: runPolicyApprove,
};

async function runPolicyApprove(input: Arguments): Promise<number> {
  requireOneStdout(input, ['out']);
  const file = input.positional(0);
  const { bytes, policy } = readPolicyDocument(file);
  const clusterId = policy.clusterId === undefined ? undefined : hex(policy.clusterId);
  note(clusterId === undefined ? 'the first policy, of no cluster yet' : `cluster ${clusterId}`);
  const currentFile = input.text('current');
  if (currentFile === undefined) for (const line of policyContent(policy)) note(line);
  else {
    const current = readPolicyDocument(currentFile);
    requireSuccessor(current, { policy });
    for (const { effect, text } of policyDiff(current.policy, policy)) note(`${effect}: ${text}`);
  }
  for (const { warning } of policyWarnings(policy)) note(`warning: ${warning}`);
  const digest = hex(policyDigest(bytes));
  note(`version ${String(policy.version)}, digest ${digest}`);
  const approval = await approveFile(input, 'sealwright-policy', file, bytes);
  if (input.json) printJson({ version: policy.version, digest, clusterId, approval });
  return EXIT.ok;
}
