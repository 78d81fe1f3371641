import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { AttestedClient } from '../client/attested.ts';
import { printable } from '../../enclave/wire/printable.ts';
import {
  ATTESTED_NOTE,
  ATTESTED_OPTIONS,
  SESSION_NOTE,
  tellWarning,
  withAttested,
} from './attested.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import type { Connection } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { hex, note, printJson } from './output.ts';
import { writeOutput } from './output-file.ts';
import { ENCODINGS } from '../client/signature-check.ts';
import type { FileOutcome, RefusedPath, SignedPath } from './sign-files.ts';

export const signBatch: Command = {
  name: 'sign-batch',
  example: 'npx sealwright sign-batch --ring es256-hsm --out signatures README.md LICENSE',
  positionals: [{ name: 'FILE', help: 'the files to sign', repeated: true }],
  options: {
    ring: { value: 'RING', help: 'name of the key ring', required: true },
    out: {
      value: 'DIR',
      help: 'where NAME.sig and NAME.receipt of each file go; made when it is missing',
      required: true,
    },
    encoding: { value: 'FORM', help: 'form of ECDSA signatures (default der)', oneOf: ENCODINGS },
    ...ATTESTED_OPTIONS,
  },
  notes: [
    'Up to 256 files are signed in one call. They share a durable write and a proof; each gets a receipt of its own, ' +
      'as "sign --receipt" writes it.',
    SESSION_NOTE,
    'Signatures and receipts of a call are verified, under the attested key and the attested log key, before any of ' +
      'them is written. A file that the service refuses does not keep the others from being signed: it is named, ' +
      'and the command ends with 69 when all such files may be tried again, else with 70.',
    ATTESTED_NOTE,
    CLIENT_NOTE,
  ],
  run: runSignBatch,
};

function runSignBatch(input: Arguments): Promise<number> {
  requireDistinctNames(input.positionals);
  return withAttested(input, (attested, connection) => signAndWrite(input, attested, connection));
}

/** Outputs are named by the last part of a path. Throws CliError (64). */
function requireDistinctNames(paths: readonly string[]): void {
  if (paths.includes('-')) {
    throw usageError('FILE is -', 'files with names', 'use "npx sealwright sign" for stdin');
  }
  const seen = new Map<string, string>();
  for (const path of paths) {
    const other = seen.get(basename(path));
    if (other !== undefined) {
      throw usageError(
        `${other} and ${path} have one name`,
        'files whose names differ: outputs are named by them',
        'sign them into two folders',
      );
    }
    seen.set(basename(path), path);
  }
}

async function signAndWrite(
  input: Arguments,
  attested: AttestedClient,
  connection: Connection,
): Promise<number> {
  const [out, ring] = [input.required('out'), input.required('ring')];
  const encoding = ENCODINGS.find((form) => form === input.text('encoding'));
  const [{ signFiles }, { withSigningService }] = await Promise.all([
    import('./sign-files.ts'),
    import('./signing-service.ts'),
  ]);
  const attestedKey = await attested.key(ring);
  const files = input.positionals.map((path) => ({ path, option: 'FILE', encoding }));
  makeFolder(out);
  const outcomes: FileOutcome[] = [];
  await withSigningService(attested, connection, attestedKey, async (service) => {
    for await (const batch of signFiles(attested, service, attestedKey, files)) {
      for (const outcome of batch) {
        outcomes.push(outcome);
        await writeOutcome(outcome, out, input.json);
      }
    }
  });
  const { key, attestation } = attestedKey;
  const refused = outcomes.filter((outcome) => outcome.kind === 'refused');
  await tellWarning(attestation.result);
  if (input.json) {
    const { signatureDocument } = await import('./words.ts');
    const signedDocument = ({ answer, receipt }: SignedPath): object => ({
      ...signatureDocument(key, answer, receipt),
      signature: hex(answer.signature),
    });
    const shown = outcomes.map((outcome) => ({
      file: outcome.path,
      ...(outcome.kind === 'refused'
        ? { refused: refusalDocument(outcome) }
        : { signed: signedDocument(outcome) }),
    }));
    printJson({ simulated: attestation.result.simulated, files: shown });
  } else {
    const signed = `${String(files.length - refused.length)} of ${String(files.length)} files`;
    const by = `${key.ring} version ${String(key.version)} (${key.alg}, ${key.residency})`;
    note(`signed ${signed} with ${by}`);
  }
  if (refused.length === 0) return EXIT.ok;
  return refused.every(({ error }) => error.retryable) ? EXIT.unavailable : EXIT.refused;
}

/** Throws CliError (64). */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    const expected = 'a folder that can be written';
    throw usageError(`--out: ${(error as Error).message}`, expected, 'correct the path');
  }
}

async function writeOutcome(outcome: FileOutcome, out: string, json: boolean): Promise<void> {
  const { path } = outcome;
  if (outcome.kind === 'refused') {
    const { reason, metadata } = outcome.error;
    const facts = Object.entries(metadata).map(([name, value]) => `${name} ${value}`);
    // The host's words, as a terminal may show them.
    if (!json) note(`${path}: refused: ${printable([reason, ...facts].join(', '))}`);
    return;
  }
  const { encodeReceipt } = await import('../tlog/receipt-file.ts');
  const { answer, receipt } = outcome;
  const to = join(out, basename(path));
  writeOutput('out', `${to}.receipt`, encodeReceipt(receipt));
  writeOutput('out', `${to}.sig`, answer.signature);
  if (!json) note(`${path}: ${to}.sig, leaf ${String(receipt.index)} of the log`);
}

function refusalDocument({ error }: RefusedPath): Record<string, unknown> {
  const { reason, retryable, metadata } = error;
  return { reason, retryable, metadata };
}
