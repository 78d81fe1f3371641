/** Leaves of the log, each in one line. */
import { printable } from '../../enclave/wire/printable.ts';
import type { LogLeaf } from '../tlog/leaf.ts';
import { moment } from '../verifier/check.ts';
import { hex } from './output.ts';

export function leafCells(index: number, leaf: LogLeaf): readonly string[] {
  return [String(index), moment(leaf.timeMs), leaf.kind, about(leaf)];
}

const SHOWN = 12;

function about(leaf: LogLeaf): string {
  switch (leaf.kind) {
    case 'genesis':
      return `cluster ${hex(leaf.clusterId)}, token ${printable(leaf.tokenSerial)}`;
    case 'boot':
      return `epoch ${String(leaf.bootEpoch)}, svn ${String(leaf.svn)}, MR0 ${hex(leaf.mr0).slice(0, SHOWN)}…`;
    case 'policy':
      return `version ${String(leaf.policyVersion)}`;
    case 'key-birth':
      return `${keyOf(leaf)}, ${leaf.residency}`;
    case 'key-state':
      return `${leaf.ring}/${String(leaf.version)} ${leaf.from} to ${leaf.to}: ${printable(leaf.reason)}`;
    case 'emergency':
      return `${leaf.call} ${leaf.ring}${leaf.version === 0 ? '' : `/${String(leaf.version)}`}, statement ${String(leaf.sequence)}, approved by ${leaf.approvedBy.join(' ')}`;
    case 'session':
      return `${hex(leaf.sessionId)} of ${leaf.caller}`;
    case 'signature':
      return `${keyOf(leaf)} for ${leaf.caller}`;
    case 'refusal':
      return `${leaf.ring}: ${leaf.reason}, ${String(leaf.count)} of ${leaf.caller ?? printable(leaf.callerId)}`;
  }
}

function keyOf({ ring, version, alg }: { ring: string; version: number; alg: string }): string {
  return `${ring}/${String(version)} ${alg}`;
}
