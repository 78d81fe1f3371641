import { ATTESTED_NOTE, ATTESTED_OPTIONS } from './attested.ts';
import { LOG_NOTE, treeDocument, withLog } from './attested-log.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { printJson, printText } from './output.ts';

export const logCheckpoint: Command = {
  name: 'log checkpoint',
  example: 'npx sealwright log checkpoint',
  options: ATTESTED_OPTIONS,
  notes: [
    'Prints a C2SP signed note. Kept in a file it is what "npx sealwright log consistency FILE" holds the log against.',
    LOG_NOTE,
    ATTESTED_NOTE,
    CLIENT_NOTE,
  ],
  run: runLogCheckpoint,
};

function runLogCheckpoint(input: Arguments): Promise<number> {
  return withLog(input, ({ head, attestation }) => {
    const { origin, note: text, checks } = head;
    const { simulated } = attestation.result;
    if (input.json) printJson({ origin, ...treeDocument(head), note: text, simulated, checks });
    else printText(text);
    return Promise.resolve(EXIT.ok);
  });
}
