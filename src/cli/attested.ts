/** What the commands that use keys or the log share: the reference file, the attested client, the warning. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AttestedClient } from '../client/attested.ts';
import { statePaths } from '../supervisor/state-folder.ts';
import type { AttestationResult } from '../verifier/index.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_OPTIONS } from './command.ts';
import type { Arguments } from './command.ts';
import { DEFAULT_STATE, withConnection, type Connection } from './connection.ts';
import { isAddress } from './from-option.ts';
import { note } from './output.ts';

export const REFERENCE_OPTION = {
  reference: {
    value: 'FILE',
    help: 'appraisal policy that the service must meet (default: see below)',
  },
} as const;

export const ATTESTED_OPTIONS = { ...REFERENCE_OPTION, ...CLIENT_OPTIONS } as const;

export const ATTESTED_NOTE =
  'Nothing that the host says is believed: the service must show fresh evidence that meets the reference file, and ' +
  'the enclave of that evidence must vouch for each key. The reference file is --reference, else reference.json of ' +
  'the folder of --state, else SEALWRIGHT_REFERENCE, else reference.json of the state folder that the service is ' +
  'found by. A failed check ends the command with 2.';

export const SESSION_NOTE =
  'A ring that takes sessions or signed calls only is asked inside of a session: the host sees how long that is, and can ' +
  'only delay it. This takes a certificate; over a Unix socket such rings do not sign.';

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws CliError (64) when there is none: a service is never pinned because it was seen first. */
export function referencePath(input: Arguments, environment: Environment = process.env): string {
  const path = findReference(input, environment);
  if (path !== undefined) return path;
  throw usageError(
    'there is no reference file, and nothing is pinned at first sight',
    '--reference FILE, reference.json in the folder of --state, or SEALWRIGHT_REFERENCE',
    'write one with "npx sealwright reference-values"; "npx sealwright dev" writes DIR/reference.json',
  );
}

/** Undefined when there is none. */
export function findReference(
  input: Arguments,
  environment: Environment = process.env,
): string | undefined {
  const given = input.text('reference');
  if (given !== undefined) return given;
  const from = input.text('from');
  const state = from !== undefined && !isAddress(from) ? from : input.text('state');
  const named = environment['SEALWRIGHT_REFERENCE'] ?? '';
  const candidates = [
    ...(state === undefined ? [] : [statePaths(state).reference].filter(existsSync)),
    ...(named === '' ? [] : [named]),
    ...foundBy(input, environment).filter(existsSync),
  ];
  return candidates[0];
}

/** The reference of the state folder that leads to the service when no option and no address does. */
function foundBy(input: Arguments, environment: Environment): string[] {
  const options = ['state', 'socket', 'from', 'address', 'ca', 'cert', 'key'];
  const elsewhere = options.some((name) => input.text(name) !== undefined);
  if (elsewhere || (environment['SEALWRIGHT_ADDRESS'] ?? '') !== '') return [];
  const folder = environment['SEALWRIGHT_STATE'] ?? '';
  return [join(folder === '' ? DEFAULT_STATE : folder, 'reference.json')];
}

/** Runs `use` with a client that believes nothing but attested keys. Throws CliError. */
export function withAttested<Result>(
  input: Arguments,
  use: (attested: AttestedClient, connection: Connection) => Promise<Result>,
): Promise<Result> {
  return withConnection(input, async (connection) =>
    use(await attestedOver(connection, input), connection),
  );
}

/** Throws CliError when there is no reference file, or none that can be used. */
export async function attestedOver(
  { client }: Connection,
  input: Arguments,
): Promise<AttestedClient> {
  const path = referencePath(input);
  const [{ AttestedClient: Attested }, { readReference }] = await Promise.all([
    import('../client/attested.ts'),
    import('./evidence-options.ts'),
  ]);
  return new Attested(client, readReference(path));
}

/** One line on stderr when the evidence was good enough, and no better. */
export async function tellWarning(result: AttestationResult): Promise<void> {
  if (result.verdict !== 'warning') return;
  const { lastLine } = await import('./evidence-report.ts');
  note(lastLine(result));
}
