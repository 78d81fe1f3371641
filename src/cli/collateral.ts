import { MalformedEvidence } from '../verifier/index.ts';
import { usageError } from './cli-error.ts';
import type { Arguments, Command } from './command.ts';
import { readNamedFile } from './evidence-options.ts';
import { printMalformed } from './evidence-report.ts';
import { EXIT } from './exit-status.ts';
import { printJson, printText } from './output.ts';
import {
  COLLATERAL_OPTION,
  FORMAT_OPTION,
  collateralOf,
  platformFile,
} from './platform-evidence.ts';

export const collateral: Command = {
  name: 'collateral',
  example: 'npx sealwright collateral report.bin --collateral collateral',
  positionals: [{ name: 'FILE', help: 'evidence of a platform; - is stdin' }],
  options: { ...FORMAT_OPTION, ...COLLATERAL_OPTION },
  notes: [
    'Says what "npx sealwright verify-evidence" needs beside this evidence, under which file name, and where the ' +
      'vendor publishes it. Nothing is fetched and nothing is verified: addresses are text. What the evidence ' +
      'names in them is its own word.',
  ],
  run: runCollateral,
};

function runCollateral(input: Arguments): Promise<number> {
  const file = platformFile(input, readNamedFile(input.positional(0)));
  if (file === undefined) {
    throw usageError(
      'FILE does not look like evidence of a platform',
      'a document, report or quote as the platform gave it',
      'say --format when you know what it is',
    );
  }
  try {
    const { format, bytes } = file;
    const items = format.collateralFor(format.decode(bytes), collateralOf(input));
    const missing = items.filter(({ present, required }) => required && !present);
    if (input.json) printJson({ format: format.name, items, complete: missing.length === 0 });
    else {
      const lines = items.map(({ name, what, publishedAt, present, required }) => {
        const state = present ? 'there' : required ? 'MISSING' : 'missing, not required';
        return `${name}: ${state}\n  ${what}\n  ${publishedAt}`;
      });
      const end =
        items.length === 0
          ? `${format.title}: needs nothing beside it`
          : missing.length === 0
            ? 'complete'
            : `missing: ${missing.map(({ name }) => name).join(', ')}`;
      printText([...lines, end].join('\n'));
    }
    return Promise.resolve(missing.length === 0 ? EXIT.ok : EXIT.warning);
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    printMalformed(error, input.json);
    return Promise.resolve(EXIT.undecodable);
  }
}
