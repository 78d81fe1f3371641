/** A verified receipt in words: what it proves, and what it leaves open. */
import { toHex } from '../../enclave/wire/bytes.ts';
import { printable } from '../../enclave/wire/printable.ts';
import { type CheckVerdict, type LogCheck } from './check.ts';
import type { LogLeaf } from './leaf.ts';
import type { KnownLog } from './verify-checkpoint.ts';

interface Findings {
  readonly verdict: CheckVerdict;
  readonly checks: readonly LogCheck[];
  readonly leaf: LogLeaf;
  readonly index: number;
  readonly treeSize: number;
  readonly log: KnownLog;
}

export function sayWhatIsProved(findings: Findings): string[] {
  const { checks, leaf, index, treeSize, log } = findings;
  const failed = checks.filter((check) => check.verdict === 'contraindicated');
  if (failed.length > 0) {
    return ['This receipt proves nothing.', ...failed.map(({ id, reason }) => `${id}: ${reason}.`)];
  }
  const owner = `the log ${printable(log.origin)}, key ${toHex(log.publicKey).slice(0, 16)}…`;
  const compared = checks.some(
    ({ id, verdict }) => id === 'receipt-to-be-signed' && verdict === 'affirming',
  );
  return [
    `The holder of ${owner}, put this leaf into its log as number ${String(index)}; ` +
      `the log had ${String(treeSize)} leaves when its checkpoint was signed.`,
    about(leaf),
    ...(leaf.kind === 'signature'
      ? [
          compared
            ? 'The leaf is about exactly what was given as signed.'
            : 'What was signed was not compared with the leaf.',
          'Sealwright releases a signature only after this. The leaf alone does not prove that the signature ' +
            'was made: it is written first.',
        ]
      : []),
    ...(findings.verdict === 'warning'
      ? ['The log is of the simulated platform, which protects its key from nobody who runs it.']
      : []),
    'That the log key lives in an enclave, and which code that enclave runs, is proved by evidence only.',
    'Whether others are shown the same log is not proved: that takes witnesses, or the checkpoints of other callers.',
  ];
}

function about(leaf: LogLeaf): string {
  const when =
    Math.abs(leaf.timeMs) <= 8.64e15
      ? new Date(leaf.timeMs).toISOString()
      : 'a time beyond the calendar';
  const at = `Its time, by the enclave's clock, is ${when}.`;
  switch (leaf.kind) {
    case 'emergency':
      return `It says that ${leaf.approvedBy.join(', ')} had ring ${leaf.ring} changed: ${leaf.call}, statement ${String(leaf.sequence)}. ${at}`;
    case 'session':
      return `It says that ${leaf.caller} (${printable(leaf.callerId)}) began session ${toHex(leaf.sessionId)} under policy ${String(leaf.policyVersion)}. ${at}`;
    case 'signature':
      return (
        `It says that key ${leaf.ring}/${String(leaf.version)} (${leaf.alg}, ${leaf.kid}) was about to sign for ` +
        `${leaf.caller} (${printable(leaf.callerId)}), rank ${leaf.rank}, under policy ${String(leaf.policyVersion)}. ${at}`
      );
    case 'refusal':
      return `It says that ${String(leaf.count)} calls of ${leaf.caller ?? 'a caller that the policy does not know'} (${printable(leaf.callerId)}) for ring ${leaf.ring} were refused: ${leaf.reason}. ${at}`;
    case 'key-birth':
      return `It says that key ${leaf.ring}/${String(leaf.version)} (${leaf.alg}, ${leaf.kid}) was made in the ${leaf.residency}. ${at}`;
    case 'key-state':
      return `It says that key ${leaf.ring}/${String(leaf.version)} went from ${leaf.from} to ${leaf.to}: ${printable(leaf.reason)}. ${at}`;
    case 'policy':
      return `It says that policy ${String(leaf.policyVersion)} came into force. ${at}`;
    case 'boot':
      return `It says that the enclave booted, epoch ${String(leaf.bootEpoch)}, svn ${String(leaf.svn)}. ${at}`;
    case 'genesis':
      return `It says that cluster ${toHex(leaf.clusterId)} was made. ${at}`;
  }
}
