import { verifyReceipt } from '../tlog/verify-receipt.ts';
import { MalformedReceipt, type Receipt } from '../tlog/receipt-file.ts';
import { NotBelieved, formCheck, requireAll } from '../client/not-believed.ts';
import type { ReceiptResult } from '../tlog/verify-receipt.ts';
import { ATTESTED_NOTE, ATTESTED_OPTIONS } from './attested.ts';
import { LOG_NOTE, beyondTheLog, withLog } from './attested-log.ts';
import type { LogView } from './attested-log.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { wholeNumber } from './numbers.ts';
import { printJson, printText } from './output.ts';
import { requireOneStdout, writeOutput } from './output-file.ts';
import { RECEIPT_FORMATS, encodeAs, formatOf } from './receipt-options.ts';
import { checkLine } from './evidence-report.ts';
import { decodeText } from '../../enclave/wire/tlog-note.ts';

export const logProve: Command = {
  name: 'log prove',
  example: 'npx sealwright log prove 0 --out genesis.receipt',
  positionals: [{ name: 'INDEX', help: 'number of the leaf, from 0' }],
  options: {
    out: { value: 'FILE', help: 'where the proof goes, as a receipt without salt; - is stdout' },
    format: { value: 'FORM', help: 'form of that file (default json)', oneOf: RECEIPT_FORMATS },
    ...ATTESTED_OPTIONS,
  },
  notes: [
    'With --out anybody can verify the proof offline, with "npx sealwright verify-receipt" and evidence.',
    LOG_NOTE,
    ATTESTED_NOTE,
    CLIENT_NOTE,
  ],
  run: runLogProve,
};

function runLogProve(input: Arguments): Promise<number> {
  requireOneStdout(input, ['out']);
  const index = wholeNumber('INDEX', input.positional(0), 0, Number.MAX_SAFE_INTEGER);
  if (input.text('format') !== undefined && input.text('out') === undefined) {
    throw usageError('--format is given without --out', '--out FILE', 'add it');
  }
  return withLog(input, (view) => prove(input, index, view));
}

async function prove(
  input: Arguments,
  index: number,
  { log, head, attestation }: LogView,
): Promise<number> {
  if (index >= head.size) throw beyondTheLog(`leaf ${String(index)}`, head);
  const receipt = await log.receipt(head, index);
  const { checks, says, treeSize } = await verified(receipt, log.known);
  const out = input.text('out');
  if (out !== undefined) writeOutput('out', out, encodeAs(formatOf(input) ?? 'json', receipt));
  if (input.json) {
    const leaf: unknown = JSON.parse(decodeText(receipt.leaf));
    printJson({ index, treeSize, leaf, simulated: attestation.result.simulated, checks, says });
  } else if (out !== '-') printText([...checks.map(checkLine), '', ...says].join('\n'));
  return EXIT.ok;
}

async function verified(receipt: Receipt, log: LogView['log']['known']): Promise<ReceiptResult> {
  try {
    const result = await verifyReceipt(receipt, log);
    requireAll(result.checks);
    return result;
  } catch (error) {
    if (!(error instanceof MalformedReceipt)) throw error;
    throw new NotBelieved([formCheck('log-leaf', 'a leaf (docs/spec/log.md)', error)]);
  }
}
