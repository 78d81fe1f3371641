import { ATTESTED_NOTE, ATTESTED_OPTIONS, tellWarning, withAttested } from './attested.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { columns, printJson, printText } from './output.ts';

export const keysList: Command = {
  name: 'keys list',
  example: 'npx sealwright keys list',
  options: ATTESTED_OPTIONS,
  notes: [
    'No key can be hidden from the list: the evidence names them all.',
    ATTESTED_NOTE,
    CLIENT_NOTE,
  ],
  run: runKeysList,
};

const COLUMNS = ['RING', 'VERSION', 'ALGORITHM', 'RESIDENCY', 'PAYLOAD', 'RANK', 'STATE', 'KID'];

async function runKeysList(input: Arguments): Promise<number> {
  const { keys, attestation } = await withAttested(input, (attested) => attested.keys());
  await tellWarning(attestation.result);
  if (input.json) {
    const { keyDocument } = await import('./words.ts');
    printJson({ simulated: attestation.result.simulated, keys: keys.map(keyDocument) });
    return EXIT.ok;
  }
  const rows = keys.map(({ ring, version, alg, residency, scope, state, kid }) => [
    ring,
    String(version),
    alg,
    residency,
    scope.payload,
    scope.lowestRank,
    state,
    kid,
  ]);
  printText(columns([COLUMNS, ...rows]));
  return EXIT.ok;
}
