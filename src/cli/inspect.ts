import {
  MalformedEvidence,
  decodeBundle,
  describeEvidence,
  type Section,
} from '../verifier/index.ts';
import type { Arguments, Command } from './command.ts';
import { readNamedFile } from './evidence-options.ts';
import { printMalformed } from './evidence-report.ts';
import { EXIT } from './exit-status.ts';
import { printJson, printText, table } from './output.ts';
import { FORMAT_OPTION, platformFile } from './platform-evidence.ts';

export const inspect: Command = {
  name: 'inspect',
  example: 'npx sealwright inspect now.evidence.json',
  positionals: [
    { name: 'FILE', help: 'a bundle, or evidence of a platform by itself; - is stdin' },
  ],
  options: { ...FORMAT_OPTION },
  notes: [
    'Everything that is printed is what the file says of itself. "npx sealwright verify-evidence" decides what of ' +
      'it is true.',
  ],
  run: runInspect,
};

function runInspect(input: Arguments): Promise<number> {
  const bytes = readNamedFile(input.positional(0));
  try {
    const sections = describeFile(input, bytes);
    if (input.json) {
      const entries = sections.map(({ title, rows }) => [title, Object.fromEntries(rows)] as const);
      printJson({ verified: false, ...Object.fromEntries(entries) });
    } else {
      const texts = sections.map(({ title, rows }) => `${title}\n${table(rows)}`);
      printText([...texts, 'nothing of this was verified'].join('\n\n'));
    }
    return Promise.resolve(EXIT.ok);
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    printMalformed(error, input.json);
    return Promise.resolve(EXIT.undecodable);
  }
}

function describeFile(input: Arguments, file: Uint8Array): readonly Section[] {
  const platform = platformFile(input, file);
  if (platform === undefined) return describeEvidence(decodeBundle(file));
  const { format, bytes } = platform;
  return [{ title: format.title, rows: format.describe(format.decode(bytes)) }];
}
