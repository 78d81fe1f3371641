import { MAX_EMERGENCY_BYTES } from '../../enclave/wire/limits.ts';
import { parseEmergency } from '../../enclave/wire/policy/emergency.ts';
import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { APPROVE_OPTIONS, approveFile, approveNote } from './approval-files.ts';
import { usageError } from './cli-error.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { readAtMost } from './input-file.ts';
import { hex, note, printJson } from './output.ts';
import { requireOneStdout } from './output-file.ts';

export const emergencyApprove: Command = {
  name: 'emergency approve',
  example: 'npx sealwright emergency approve statement.json --key ~/.ssh/id_ed25519',
  positionals: [{ name: 'FILE', help: 'the statement that another admin wrote' }],
  options: APPROVE_OPTIONS,
  notes: [
    'Says in words what the statement does, then signs it.',
    approveNote('sealwright-emergency'),
  ],
  run: runEmergencyApprove,
};

async function runEmergencyApprove(input: Arguments): Promise<number> {
  requireOneStdout(input, ['out']);
  const file = input.positional(0);
  const bytes = await readStatement(file);
  const statement = parseEmergency(bytes);
  const { call, ring, version, clusterId, sequence, previous, notAfter, reason } = statement;
  const which = version === 0 ? 'all versions' : `version ${String(version)}`;
  note(`${call} ring ${ring}, ${which}: ${reason}`);
  note(`cluster ${hex(clusterId)}, statement ${String(sequence)}`);
  note(previous.some((byte) => byte !== 0) ? `directly after ${hex(previous)}` : 'after no other');
  note(`to be used until ${new Date(notAfter).toISOString()}`);
  const approval = await approveFile(input, 'sealwright-emergency', file, bytes);
  if (input.json) printJson({ call, ring, version, sequence, approval });
  return EXIT.ok;
}

/** The bytes of a statement. Throws CliError (64) for a file that is none. */
export async function readStatement(file: string): Promise<Uint8Array> {
  const bytes = await readAtMost('FILE', file, MAX_EMERGENCY_BYTES);
  const wanted = (problem: string) =>
    usageError(
      `${file} is no emergency statement: ${problem}`,
      'a document that "emergency suspend", "resume" or "mark-compromised" wrote',
      'check what it is',
    );
  if (bytes === undefined) throw wanted('too long');
  try {
    parseEmergency(bytes);
    return bytes;
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    throw wanted(error.message);
  }
}
