/** `emergency suspend | resume | mark-compromised`: writes the statement, and may approve and send it at once. */
import { MAX_EMERGENCY_MS } from '../../enclave/wire/limits.ts';
import {
  encodeEmergency,
  parseEmergency,
  type EmergencyCall,
} from '../../enclave/wire/policy/emergency.ts';
import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import type { LastStatement } from '../client/attested-policy.ts';
import { ATTESTED_NOTE, ATTESTED_OPTIONS, withAttested } from './attested.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { changeDocument, changeWords } from './key-changes.ts';
import { hex, note, printJson, printText } from './output.ts';
import { requireOneStdout, writeOutput } from './output-file.ts';
import { signCommand, signWithSshKeygen } from './ssh-keygen.ts';

const NAMESPACE = 'sealwright-emergency';
const HOUR_MS = 3_600_000;
const DEFAULT_HOURS = 24;

/** What each needs and does, for its help. */
const ABOUT = {
  suspend: 'One admin is enough. The key signs no more until M admins resume it; it verifies on.',
  resume: 'All M admins must approve: write the statement with --out, and send it when they have.',
  'mark-compromised':
    'Two admins, or M when that is less. There is no way back: the next policy bears a new version.',
} as const satisfies Record<EmergencyCall, string>;

export function emergencyCommand(call: EmergencyCall): Command {
  return {
    name: `emergency ${call}`,
    example: `npx sealwright emergency ${call} release --reason "laptop stolen" ${
      call === 'suspend' ? '--approve-with ~/.ssh/id_ed25519' : '--out statement.json'
    }`,
    positionals: [{ name: 'RING', help: 'the ring' }],
    options: {
      reason: { value: 'TEXT', help: 'why: it goes into the log, for all to read', required: true },
      version: { value: 'N', help: 'one version of the ring (default: all that it can apply to)' },
      hours: { value: 'N', help: 'for how long the statement may be used (default 24)' },
      'approve-with': {
        value: 'FILE',
        help: 'SSH key of ours: approves, and sends when there is no --out',
      },
      out: { value: 'FILE', help: 'write the statement instead of sending it; "-" is stdout' },
      'cluster-id': {
        value: 'HEX',
        help: 'the cluster by your own records, instead of by evidence',
      },
      sequence: {
        value: 'N',
        help: 'number of this statement, with --previous: nothing is asked of the service',
      },
      previous: {
        value: 'HEX',
        help: 'digest of the last statement that was applied; 64 zeros when there was none',
      },
      ...ATTESTED_OPTIONS,
    },
    notes: [
      ABOUT[call],
      'The cluster is the one that evidence proves, so that no host gets a statement about another; with --cluster-id ' +
        'nothing is attested. A statement is good directly after the last one that was applied: of two, the first wins.',
      `By hand an approval is "${signCommand(NAMESPACE, 'FILE')}".`,
      ATTESTED_NOTE,
      CLIENT_NOTE,
    ],
    run: (input) => runEmergencyCall(call, input),
  };
}

async function runEmergencyCall(call: EmergencyCall, input: Arguments): Promise<number> {
  requireOneStdout(input, ['out']);
  const [out, keyFile] = [input.text('out'), input.text('approve-with')];
  if (out === undefined && keyFile === undefined) {
    throw usageError(
      'neither --out nor --approve-with is given',
      '--approve-with KEY to approve and send, or --out FILE to let others approve',
      'add one of them',
    );
  }
  const hours = integerOption(input, 'hours', DEFAULT_HOURS, MAX_EMERGENCY_MS / HOUR_MS);
  const version = integerOption(input, 'version', 0, 0xffff_ffff);
  const { clusterId, sequence, previous } = await target(input);
  const statement = checkedStatement({
    call,
    clusterId,
    ring: input.positional(0),
    version,
    sequence,
    previous,
    notAfter: Date.now() + hours * HOUR_MS,
    reason: input.required('reason'),
  });
  const approvals =
    keyFile === undefined ? [] : [await signWithSshKeygen(NAMESPACE, statement, keyFile)];
  if (out === undefined) {
    const answer = await withClient(input, (client) => client.applyEmergency(statement, approvals));
    tellEmergency(input, answer.sequence, answer.changes);
    return EXIT.ok;
  }
  writeOutput('out', out, statement);
  for (const approval of out === '-' ? [] : approvals) {
    writeOutput('out', `${out}.sig`, approval);
    note(`approval written to ${out}.sig`);
  }
  if (input.json) printJson({ statement: out, sequence });
  return EXIT.ok;
}

interface Target {
  readonly clusterId: string;
  readonly sequence: number;
  /** Digest of the last statement, in hex. */
  readonly previous: string;
}

/** Which cluster, and which of its statements this is. */
async function target(input: Arguments): Promise<Target> {
  const known = hexOption(input, 'cluster-id');
  const given = givenPlace(input);
  if (known !== undefined && given !== undefined) return { clusterId: known, ...given };
  const { lastStatementOf, provedPolicy } = await import('../client/attested-policy.ts');
  if (known !== undefined) {
    const answer = await withClient(input, (client) => client.getPolicy());
    return { clusterId: known, ...after(lastStatementOf(answer)) };
  }
  const { untrustedLast, attestation } = await withAttested(input, provedPolicy);
  return { clusterId: hex(attestation.claims.clusterId), ...(given ?? after(untrustedLast)) };
}

type Place = Omit<Target, 'clusterId'>;

function after(last: LastStatement): Place {
  return { sequence: last.sequence + 1, previous: hex(last.digest) };
}

/** Throws CliError (64) for one option without the other: both say which statement was the last. */
function givenPlace(input: Arguments): Place | undefined {
  const sequence = integerOption(input, 'sequence', 0, Number.MAX_SAFE_INTEGER);
  const previous = hexOption(input, 'previous');
  if (sequence === 0 && previous === undefined) return undefined;
  if (sequence !== 0 && previous !== undefined) return { sequence, previous };
  throw usageError(
    sequence === 0
      ? '--previous is given without --sequence'
      : '--sequence is given without --previous',
    'both, or neither',
    'add the other one',
  );
}

/** What came of a statement. */
export function tellEmergency(
  input: Arguments,
  sequence: bigint,
  changes: readonly Parameters<typeof changeWords>[0][],
): void {
  if (input.json) printJson({ sequence: Number(sequence), changes: changes.map(changeDocument) });
  else printText(changes.map(changeWords).join('\n'));
}

function checkedStatement(statement: Parameters<typeof encodeEmergency>[0]): Uint8Array {
  try {
    const bytes = encodeEmergency(statement);
    parseEmergency(bytes);
    return bytes;
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    throw usageError(
      `this makes no statement: ${error.message}`,
      'a ring’s name, and a reason of 1 to 200 printable ASCII characters',
      'correct it',
    );
  }
}

function hexOption(input: Arguments, name: string): string | undefined {
  const text = input.text(name);
  if (text === undefined || /^[0-9a-f]{64}$/.test(text)) return text;
  throw usageError(`--${name} is "${text}"`, '64 lower-case hex digits', 'correct it');
}

function integerOption(input: Arguments, name: string, otherwise: number, max: number): number {
  const text = input.text(name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^[1-9]\d{0,15}$/.test(text) && value <= max) return value;
  throw usageError(`--${name} is "${text}"`, `a number from 1 to ${String(max)}`, 'correct it');
}
