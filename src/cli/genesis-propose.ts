import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { genesisManifest } from '../client/genesis-manifest.ts';
import { genesisPaths, writeGenesisFiles } from './genesis-files.ts';
import { hex, note, printJson, printTable } from './output.ts';
import { buildContext, parsePolicyDocument, readPolicyFile } from './policy/read-policy.ts';

export const genesisPropose: Command = {
  name: 'genesis propose',
  example: 'npx sealwright genesis propose --name prod --policy policy.yaml --out genesis',
  options: {
    name: { value: 'NAME', help: 'of the cluster: part of the token’s label', required: true },
    policy: { value: 'FILE', help: 'YAML or document of its first policy', required: true },
    out: { value: 'DIR', help: 'where manifest, statement and setup evidence go', required: true },
    ...CLIENT_OPTIONS,
  },
  notes: [
    'Touches nothing: the enclave draws a cluster id and shows evidence of what it is. The admins of the policy look at ' +
      'the folder with "genesis approve"; "genesis commit" takes their approvals within 24 hours, from the same ' +
      'process of the enclave.',
    CLIENT_NOTE,
  ],
  run: runPropose,
};

async function runPropose(input: Arguments): Promise<number> {
  const file = input.required('policy');
  const none = { current: undefined, clusterId: undefined };
  const { bytes } = readPolicyFile(file, buildContext(file, none));
  const manifest = genesisManifest(input.required('name'), parsePolicyDocument(bytes).value);
  const proposal = await withClient(input, (client) => client.proposeGenesis(manifest));
  const folder = input.required('out');
  const { statement, evidence } = proposal;
  writeGenesisFiles(folder, { manifest, statement, evidence });
  const clusterId = hex(proposal.clusterId);
  if (input.json) printJson({ clusterId, files: genesisPaths(folder) });
  else {
    printTable([
      ['cluster', clusterId],
      ['files', folder],
    ]);
    note(`next, each admin: npx sealwright genesis approve ${folder} --reference FILE --key KEY`);
  }
  return EXIT.ok;
}
