import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { printJson, printText } from './output.ts';

export const keysList: Command = {
  name: 'keys list',
  example: 'npx sealwright keys list',
  options: CLIENT_OPTIONS,
  notes: [CLIENT_NOTE],
  run: runKeysList,
};

const COLUMNS = ['RING', 'VERSION', 'ALGORITHM', 'RESIDENCY', 'PAYLOAD', 'RANK', 'STATE', 'KID'];

async function runKeysList(input: Arguments): Promise<number> {
  const keys = await withClient(input, (client) => client.listKeys());
  const words = await import('./words.ts');
  if (input.json) {
    printJson({ keys: keys.map(words.keyDocument) });
    return EXIT.ok;
  }
  const rows = keys.map((key) => [
    key.ring,
    String(key.version),
    words.algorithmWord(key.algorithm),
    words.residencyWord(key.residency),
    words.payloadWord(key.payloadKind),
    words.rankWord(key.lowestRank),
    words.stateWord(key.state),
    key.kid,
  ]);
  printText(columns([COLUMNS, ...rows]));
  return EXIT.ok;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
