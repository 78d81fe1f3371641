import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { decodeText } from '../../enclave/wire/tlog-note.ts';
import { printable } from '../../enclave/wire/printable.ts';
import { parseLeaf } from '../tlog/leaf.ts';
import { ATTESTED_NOTE, ATTESTED_OPTIONS } from './attested.ts';
import { LOG_NOTE, beyondTheLog, treeDocument, withLog } from './attested-log.ts';
import type { LogView } from './attested-log.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { leafCells } from './log-words.ts';
import { wholeNumber } from './numbers.ts';
import { columns, printJson, printText } from './output.ts';

const DEFAULT_COUNT = 20;
/** That many come in one answer, and one proof holds for all of them. */
const MAX_COUNT = 256;

export const logShow: Command = {
  name: 'log show',
  example: 'npx sealwright log show --first 0 --count 10',
  options: {
    first: {
      value: 'N',
      help: 'number of the first leaf, from 0 (default: so that the last is shown)',
    },
    count: {
      value: 'N',
      help: `how many (default ${String(DEFAULT_COUNT)}, at most ${String(MAX_COUNT)})`,
    },
    ...ATTESTED_OPTIONS,
  },
  notes: [LOG_NOTE, ATTESTED_NOTE, CLIENT_NOTE],
  run: (input) => withLog(input, (view) => show(input, view)),
};

async function show(input: Arguments, { log, head, attestation }: LogView): Promise<number> {
  const count = wholeNumber('--count', input.text('count') ?? String(DEFAULT_COUNT), 1, MAX_COUNT);
  const text = input.text('first') ?? String(Math.max(0, head.size - count));
  const first = wholeNumber('--first', text, 0, Number.MAX_SAFE_INTEGER);
  if (first >= head.size) throw beyondTheLog(`--first ${text}`, head);
  const leaves = await log.leaves(head, first, count);
  if (input.json) {
    const shown = leaves.map((leaf, i) => ({
      index: first + i,
      leaf: JSON.parse(decodeText(leaf)) as unknown,
    }));
    const { simulated } = attestation.result;
    printJson({ origin: head.origin, ...treeDocument(head), simulated, leaves: shown });
    return EXIT.ok;
  }
  printText(
    columns([['LEAF', 'TIME', 'KIND', 'WHAT'], ...leaves.map((leaf, i) => cells(first + i, leaf))]),
  );
  return EXIT.ok;
}

/** A leaf of a later release is shown as it is. */
function cells(index: number, leaf: Uint8Array): readonly string[] {
  try {
    return leafCells(index, parseLeaf(leaf));
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    return [String(index), '', 'unknown', printable(decodeText(leaf))];
  }
}
