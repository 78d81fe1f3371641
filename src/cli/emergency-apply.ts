import { readApprovals } from './approval-files.ts';
import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { readStatement } from './emergency-approve.ts';
import { tellEmergency } from './emergency-call.ts';
import { EXIT } from './exit-status.ts';

export const emergencyApply: Command = {
  name: 'emergency apply',
  example: 'npx sealwright emergency apply statement.json statement.json.sig',
  positionals: [
    { name: 'FILE', help: 'the statement' },
    { name: 'APPROVAL', help: 'SSH signatures of as many admins as it takes', repeated: true },
  ],
  options: CLIENT_OPTIONS,
  notes: ['From acceptance on no new signature begins with a key that stops signing.', CLIENT_NOTE],
  run: runEmergencyApply,
};

async function runEmergencyApply(input: Arguments): Promise<number> {
  const statement = await readStatement(input.positional(0));
  const approvals = readApprovals(input, 1);
  const { sequence, changes } = await withClient(input, (client) =>
    client.applyEmergency(statement, approvals),
  );
  tellEmergency(input, sequence, changes);
  return EXIT.ok;
}
