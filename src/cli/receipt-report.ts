/** How a receipt's verdict is told: every check a line, then in words what it proves, then the verdict. */
import { decodeText } from '../../enclave/wire/tlog-note.ts';
import type { JudgedEvidence } from '../client/attested.ts';
import type { Receipt } from '../tlog/receipt-file.ts';
import type { ReceiptResult } from '../tlog/verify-receipt.ts';
import { worstVerdict } from '../verifier/index.ts';
import { checkLine, lastLine, statusOf } from './evidence-report.ts';
import { hex, printJson, printText } from './output.ts';

export interface ReceiptFindings {
  readonly receipt: Receipt;
  /** Undefined when the evidence names no log key that could be tried. */
  readonly result: ReceiptResult | undefined;
  readonly judged: JudgedEvidence;
  /** Further sentences. */
  readonly more?: readonly string[];
}

/** Returns the exit status. */
export function printReceipt(findings: ReceiptFindings, json: boolean): number {
  const { receipt, result, judged } = findings;
  const { simulated, evidenceDigest, claims } = judged.result;
  const checks = [...judged.result.checks, ...(result?.checks ?? [])];
  const verdict = worstVerdict(checks);
  const says = sentences(findings);
  if (json) {
    const clusterId = claims.kind === 'evidence' ? { clusterId: hex(claims.clusterId) } : {};
    const leaf: unknown = JSON.parse(decodeText(receipt.leaf));
    const shown = { index: receipt.index, treeSize: result?.treeSize, leaf };
    const format = judged.result.format;
    printJson({ verdict, format, simulated, evidenceDigest, ...clusterId, ...shown, checks, says });
    return statusOf(verdict);
  }
  const lines = checks.map(checkLine);
  printText([...lines, '', ...says, '', lastLine({ verdict, simulated, checks })].join('\n'));
  return statusOf(verdict);
}

function sentences({ result, judged, more = [] }: ReceiptFindings): readonly string[] {
  if (judged.result.verdict === 'contraindicated' || result === undefined) {
    return ['This receipt proves nothing: the evidence that names the log key is not believed.'];
  }
  if (result.verdict === 'contraindicated') return result.says;
  const { says } = result;
  // The caller has just judged what the words leave to evidence.
  const open = 'That the log key lives in an enclave';
  return [
    ...says.filter((sentence) => !sentence.startsWith(open)),
    ...more,
    'The evidence above says which enclave holds the log key.',
  ];
}
