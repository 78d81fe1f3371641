import type { AttestedClient } from '../client/attested.ts';
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
import { requireOneStdout, writeOutput } from './output-file.ts';
import { RECEIPT_FORMATS, encodeAs, formatOf } from './receipt-options.ts';
import { ENCODINGS } from '../client/signature-check.ts';

export const sign: Command = {
  name: 'sign',
  example:
    'npx sealwright sign --ring es256-hsm --in README.md --out README.sig --receipt README.receipt',
  options: {
    ring: { value: 'RING', help: 'name of the key ring', required: true },
    in: { value: 'FILE', help: 'the file to sign; - is stdin', required: true },
    out: { value: 'FILE', help: 'where the signature goes; - is stdout', required: true },
    receipt: { value: 'FILE', help: 'where the receipt goes: proof that this is in the log' },
    format: {
      value: 'FORM',
      help: 'form of the receipt (default json); tlog-proof has no place for the salt',
      oneOf: RECEIPT_FORMATS,
    },
    encoding: { value: 'FORM', help: 'form of an ECDSA signature (default der)', oneOf: ENCODINGS },
    ...ATTESTED_OPTIONS,
  },
  notes: [
    'A message ring takes files up to 61,440 bytes and hashes them inside the enclave. A digest ring takes ' +
      'files of any size: the hash is computed here, with the hash of the ring’s algorithm.',
    SESSION_NOTE,
    'Signature and receipt are verified, under the attested key and the attested log key, before anything is written.',
    ATTESTED_NOTE,
    CLIENT_NOTE,
  ],
  run: runSign,
};

function runSign(input: Arguments): Promise<number> {
  requireOneStdout(input, ['out', 'receipt']);
  if (input.text('format') !== undefined && input.text('receipt') === undefined) {
    throw usageError('--format is given without --receipt', '--receipt FILE', 'add it');
  }
  return withAttested(input, (attested, connection) => signAndWrite(input, attested, connection));
}

async function signAndWrite(
  input: Arguments,
  attested: AttestedClient,
  connection: Connection,
): Promise<number> {
  const out = input.required('out');
  const [{ signFile }, { withSigningService }] = await Promise.all([
    import('./sign-file.ts'),
    import('./signing-service.ts'),
  ]);
  const attestedKey = await attested.key(input.required('ring'));
  const { key, attestation, answer, receipt } = await withSigningService(
    attested,
    connection,
    attestedKey,
    (service) =>
      signFile(attested, service, attestedKey, {
        path: input.required('in'),
        encoding: ENCODINGS.find((encoding) => encoding === input.text('encoding')),
      }),
  );
  const receiptPath = input.text('receipt');
  const format = formatOf(input) ?? 'json';
  if (receiptPath !== undefined) writeOutput('receipt', receiptPath, encodeAs(format, receipt));
  writeOutput('out', out, answer.signature);

  await tellWarning(attestation.result);
  const { signatureDocument } = await import('./words.ts');
  const made = signatureDocument(key, answer, receipt);
  if (input.json) {
    const { simulated } = attestation.result;
    printJson({ ...made, signature: hex(answer.signature), simulated });
    return EXIT.ok;
  }
  note(
    `signed with ${made.ring} version ${String(made.version)} ` +
      `(${made.algorithm}, ${made.encoding}, ${made.residency}), leaf ${String(made.leaf)} of the log: ${out}`,
  );
  if (receiptPath !== undefined && format === 'tlog-proof') {
    note(`keep the salt of the receipt beside it: ${made.salt}`);
  }
  return EXIT.ok;
}
