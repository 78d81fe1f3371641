import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { printJson, printText } from './output.ts';
import { buildContext, checkPolicyFile, problemLine } from './policy/read-policy.ts';
import { policyWarnings } from './policy/warnings.ts';

export const policyCheck: Command = {
  name: 'policy check',
  example: 'npx sealwright policy check policy.yaml',
  positionals: [{ name: 'FILE', help: 'YAML of a policy, or its document' }],
  options: {},
  notes: [
    'Tells every problem at once, each with its place and line, then what the policy allows although it may ' +
      'not be meant. Exit status 2 when there is a problem, 1 when there are only warnings.',
  ],
  run: runPolicyCheck,
};

// eslint-disable-next-line @typescript-eslint/require-await -- a command resolves
async function runPolicyCheck(input: Arguments): Promise<number> {
  const file = input.positional(0);
  const context = buildContext(file, { current: undefined, clusterId: undefined });
  const { read, problems } = checkPolicyFile(file, context);
  const sound = read !== undefined && problems.length === 0;
  const warnings = sound
    ? policyWarnings(read.policy).map((one) => ({ ...one, line: read.lineOf(one.place) }))
    : [];
  if (input.json) printJson({ problems, warnings });
  else {
    const lines = [
      ...problems.map((one) => `problem: ${problemLine(one)}`),
      ...warnings.map(
        ({ place, line, warning }) => `warning: ${problemLine({ place, line, problem: warning })}`,
      ),
    ];
    const count = (list: readonly unknown[], word: string): string =>
      `${String(list.length)} ${word}${list.length === 1 ? '' : 's'}`;
    printText(
      [...lines, `${count(problems, 'problem')}, ${count(warnings, 'warning')}`].join('\n'),
    );
  }
  if (!sound) return EXIT.verificationFailed;
  return warnings.length > 0 ? EXIT.warning : EXIT.ok;
}
