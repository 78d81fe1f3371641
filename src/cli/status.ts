import { HARDENING } from '../../enclave/wire/hardening.ts';
import type { GetStatusResponse } from '../gen/sealwright/v1/status.ts';
import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { hex, printJson, printTable, printText } from './output.ts';
import { alarmText, wayOutOf } from './way-out.ts';

export const SIMULATED_WARNING = 'SIMULATED, protects nothing';

export const status: Command = {
  name: 'status',
  example: 'npx sealwright status --state .sealwright',
  options: CLIENT_OPTIONS,
  notes: [
    CLIENT_NOTE,
    'The exit status is 0 whenever the service answered, also when its enclave is halted or absent: ' +
      'scripts read "phase" with --json.',
  ],
  run: runStatus,
};

async function runStatus(input: Arguments): Promise<number> {
  const answer = await withClient(input, (client) => client.getStatus());
  const { phaseWord } = await import('./words.ts');
  const phase = phaseWord(answer.phase);
  if (input.json) printJson(statusDocument(answer, phase));
  else printStatus(answer, phase);
  return EXIT.ok;
}

export function statusDocument(answer: GetStatusResponse, phase: string): Record<string, unknown> {
  const halted = answer.haltReason !== '';
  return {
    phase,
    ...(halted ? { halt: { reason: answer.haltReason, details: answer.haltDetails } } : {}),
    clusterId: hex(answer.clusterId),
    platform: answer.platform,
    simulated: answer.simulated,
    measurements: answer.measurements.map(hex),
    epoch: Number(answer.epoch),
    rings: answer.rings,
    instanceId: hex(answer.instanceId),
    tokenSerial: answer.tokenSerial,
    workersReady: answer.workersReady,
    hardening: answer.hardening,
    alarms: answer.alarms,
  };
}

function printStatus(answer: GetStatusResponse, phase: string): void {
  const rows: [string, string][] = [['phase', phase]];
  if (answer.haltReason !== '') rows.push(...haltRows(answer));
  for (const alarm of answer.alarms) rows.push(['alarm', alarmText(alarm)]);
  if (answer.platform !== '') {
    rows.push([
      'platform',
      answer.simulated ? `${answer.platform}: ${SIMULATED_WARNING}` : answer.platform,
    ]);
  }
  rows.push(['cluster', answer.clusterId.byteLength === 0 ? 'none yet' : hex(answer.clusterId)]);
  answer.measurements.forEach((bytes, i) => rows.push([`MR${String(i)}`, hex(bytes)]));
  if (answer.tokenSerial !== '') {
    rows.push(['token', `${answer.tokenSerial}, ${String(answer.workersReady)} workers ready`]);
  }
  if (answer.platform !== '') rows.push(...hardeningRows(answer.hardening));
  rows.push(['rings', String(answer.rings)], ['epoch', String(answer.epoch)]);
  printTable(rows);
  const next = NEXT_STEPS[phase];
  if (next !== undefined) printText(`\n${next}`);
}

/** What shields the enclave's process, and what could and does not. */
function hardeningRows(held: readonly string[]): [string, string][] {
  const text = (words: readonly string[]): string =>
    words.map((word) => word.replaceAll('-', ' ')).join(', ') || 'nothing';
  const rows: [string, string][] = [['hardening', text(held)]];
  const missing = HARDENING.filter((word) => !held.includes(word));
  if (missing.length > 0) rows.push(['  not held', text(missing)]);
  return rows;
}

const NEXT_STEPS: Readonly<Record<string, string>> = {
  absent: 'No enclave is connected to the host; the log of the host tells more.',
  setup: 'There is no cluster yet: npx sealwright genesis propose',
};

/** Reason first, facts next, the way out last: what a person in a hurry reads. */
export function haltRows({ haltReason, haltDetails }: GetStatusResponse): [string, string][] {
  const wayOut = wayOutOf(haltReason);
  const rows: [string, string][] = [['halted', haltReason]];
  for (const [key, value] of Object.entries(haltDetails)) rows.push([`  ${key}`, value]);
  if (wayOut !== undefined) rows.push(['  way out', wayOut]);
  return rows;
}
