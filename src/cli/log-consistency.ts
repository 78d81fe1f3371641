import { decodeText } from '../../enclave/wire/tlog-note.ts';
import { TlogError } from '../../enclave/wire/tlog.ts';
import { signedHead } from '../client/attested-log.ts';
import { requireAll } from '../client/not-believed.ts';
import type { TreeHead } from '../tlog/merkle.ts';
import { MalformedReceipt } from '../tlog/receipt-file.ts';
import { ATTESTED_NOTE, ATTESTED_OPTIONS } from './attested.ts';
import { LOG_NOTE, beyondTheLog, treeDocument, withLog } from './attested-log.ts';
import type { LogView } from './attested-log.ts';
import { CliError, usageError } from './cli-error.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { readNamedFile } from './evidence-options.ts';
import { EXIT } from './exit-status.ts';
import { wholeNumber } from './numbers.ts';
import { hex, printJson, printText } from './output.ts';
import { decodeReceipt } from './receipt-options.ts';

export const logConsistency: Command = {
  name: 'log consistency',
  example: 'npx sealwright log consistency 1 2',
  positionals: [
    {
      name: 'A',
      help: 'the older log: its size, or FILE with a checkpoint or receipt that was kept',
    },
    {
      name: 'B',
      help: 'the newer log, in the same way (default: the log as it is now)',
      optional: true,
    },
  ],
  options: ATTESTED_OPTIONS,
  notes: [
    'A checkpoint that was kept is what makes this worth something: it says what the log was, whatever the host ' +
      'says now. For a size the tree of that size within the log as it is now is taken. A file may be - for stdin; ' +
      'one whose name is a number is written ./NAME.',
    LOG_NOTE,
    ATTESTED_NOTE,
    CLIENT_NOTE,
  ],
  run: runLogConsistency,
};

/** What A and B may be. */
type Named = { readonly size: number } | { readonly note: string };

function runLogConsistency(input: Arguments): Promise<number> {
  const [a, b] = input.positionals.map(readNamed);
  if (a === undefined) throw new Error('the parser has made sure of A');
  if (b !== undefined && 'size' in a && 'size' in b && a.size > b.size) {
    throw usageError(
      `A is ${String(a.size)} and B is ${String(b.size)}`,
      'the older log first: A not larger than B',
      'turn them round',
    );
  }
  return withLog(input, (view) => prove(input, view, a, b));
}

function readNamed(word: string): Named {
  if (/^\d+$/.test(word)) return { size: wholeNumber('a size', word, 1, Number.MAX_SAFE_INTEGER) };
  const bytes = readNamedFile(word);
  try {
    const text = decodeText(bytes);
    const isReceipt = text.startsWith('{') || text.startsWith('c2sp.org/tlog-proof');
    return { note: isReceipt ? decodeReceipt(bytes).checkpoint : text };
  } catch (error) {
    if (!(error instanceof TlogError || error instanceof MalformedReceipt)) throw error;
    throw new CliError({
      status: EXIT.undecodable,
      problem: `${word} is not decodable: ${error.message}`,
      expected: 'a checkpoint, or a receipt',
      wayOut: 'get one with "npx sealwright log checkpoint"',
    });
  }
}

async function prove(
  input: Arguments,
  view: LogView,
  a: Named,
  b: Named | undefined,
): Promise<number> {
  const older = await treeOf(a, view);
  const newer = b === undefined ? view.head : await treeOf(b, view);
  const check = await view.log.consistency(older, newer);
  requireAll([check]);
  // Two trees that were signed are consistent with each other, and must be so with what is served now.
  const now = newer === view.head ? undefined : await view.log.consistency(newer, view.head);
  const checks = now === undefined ? [check] : [check, now];
  requireAll(checks);
  if (input.json) {
    const { origin } = view.head;
    const trees = { older: treeDocument(older), newer: treeDocument(newer) };
    const { simulated } = view.attestation.result;
    printJson({ consistent: true, origin, ...trees, simulated, checks });
  } else {
    printText(`OK: the log of ${sayTree(newer)}\nbegins with that of ${sayTree(older)}`);
  }
  return EXIT.ok;
}

function sayTree({ size, rootHash }: TreeHead): string {
  return `${String(size)} ${size === 1 ? 'leaf' : 'leaves'}, root ${hex(rootHash)}`;
}

async function treeOf(named: Named, { log, head }: LogView): Promise<TreeHead> {
  if ('note' in named) return signedHead(named.note, log.known);
  if (named.size > head.size) throw beyondTheLog(`a log of ${String(named.size)} leaves`, head);
  return log.treeAt(head, named.size);
}
