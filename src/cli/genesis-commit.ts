import { readApprovals } from './approval-files.ts';
import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { statementIn } from './genesis-files.ts';
import { hex, printJson, printTable } from './output.ts';

export const genesisCommit: Command = {
  name: 'genesis commit',
  example:
    'npx sealwright genesis commit genesis genesis/statement.json.alice.sig genesis/statement.json.bob.sig',
  positionals: [
    { name: 'DIR', help: 'what "genesis propose" wrote' },
    { name: 'APPROVAL', help: 'SSH signatures of M admins over its statement', repeated: true },
  ],
  options: CLIENT_OPTIONS,
  notes: [
    'The enclave checks the approvals, and only then touches the token: it is initialised and its PINs are drawn inside ' +
      'the enclave, nobody will ever know them. Then every ring gets its first key.',
    CLIENT_NOTE,
  ],
  run: runCommit,
};

async function runCommit(input: Arguments): Promise<number> {
  const { clusterId } = statementIn(input.positional(0));
  const approvals = readApprovals(input, 1);
  const answer = await withClient(input, (client) => client.commitGenesis(clusterId, approvals));
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
