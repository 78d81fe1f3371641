import { canonicalJsonFile } from './canonical-file.ts';
import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { hex, printJson, printTable } from './output.ts';

export const init: Command = {
  name: 'init',
  example: 'npx sealwright init --manifest genesis.json',
  options: {
    manifest: { value: 'FILE', help: 'JSON of the genesis manifest', required: true },
    ...CLIENT_OPTIONS,
  },
  notes: [
    'The token is initialised and its PINs are drawn inside the enclave: nobody will ever know them. ' +
      'Any spacing of the JSON will do: it is brought into canonical form (RFC 8785) before it is sent.',
    CLIENT_NOTE,
  ],
  run: runInit,
};

async function runInit(input: Arguments): Promise<number> {
  const manifest = canonicalJsonFile(input.required('manifest'));
  const answer = await withClient(input, (client) => client.commitGenesis(manifest));
  const born = {
    clusterId: hex(answer.clusterId),
    tokenSerial: answer.tokenSerial,
    rings: answer.rings,
  };
  if (input.json) printJson(born);
  else {
    printTable([
      ['cluster', born.clusterId],
      ['token', born.tokenSerial],
      ['rings', String(born.rings)],
    ]);
  }
  return EXIT.ok;
}
