import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { printJson, printText } from './output.ts';
import { policyDiff, type Effect } from './policy/diff.ts';
import { buildContext, readPolicyFile } from './policy/read-policy.ts';

export const policyDiffCommand: Command = {
  name: 'policy diff',
  example: 'npx sealwright policy diff policy-3.json policy.yaml',
  positionals: [
    { name: 'FROM', help: 'the policy in force' },
    { name: 'TO', help: 'the policy that is to replace it' },
  ],
  options: {},
  notes: [
    'Says in words what an approval would change, what widens first. Exit status 2 when a change is impossible: ' +
      'the scope of a ring never changes.',
  ],
  run: runPolicyDiff,
};

/** What admins should look at first stands first. */
const ORDER: readonly Effect[] = ['impossible', 'widens', 'changes', 'narrows'];

// eslint-disable-next-line @typescript-eslint/require-await -- a command resolves
async function runPolicyDiff(input: Arguments): Promise<number> {
  const [from, to] = [0, 1].map((i) => {
    const file = input.positional(i);
    const context = buildContext(file, { current: undefined, clusterId: undefined });
    return readPolicyFile(file, context).policy;
  });
  if (from === undefined || to === undefined) throw new Error('two policies are declared');
  const changes = ORDER.flatMap((effect) =>
    policyDiff(from, to).filter((change) => change.effect === effect),
  );
  if (input.json) printJson({ changes });
  else if (changes.length === 0) printText('no change of what is signed, for whom, or who decides');
  else printText(changes.map(({ effect, text }) => `${effect.padEnd(10)}  ${text}`).join('\n'));
  const impossible = changes.some(({ effect }) => effect === 'impossible');
  return impossible ? EXIT.verificationFailed : EXIT.ok;
}
