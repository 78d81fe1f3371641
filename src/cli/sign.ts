import { writeFileSync } from 'node:fs';
import type { SealwrightClient } from '../client/client.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { hex, note, printJson } from './output.ts';
import { ENCODINGS } from './signature-check.ts';

export const sign: Command = {
  name: 'sign',
  example: 'npx sealwright sign --ring es256-hsm --in README.md --out README.sig',
  options: {
    ring: { value: 'RING', help: 'name of the key ring', required: true },
    in: { value: 'FILE', help: 'the file to sign; - is stdin', required: true },
    out: { value: 'FILE', help: 'where the signature goes; - is stdout', required: true },
    encoding: { value: 'FORM', help: 'form of an ECDSA signature (default der)', oneOf: ENCODINGS },
    ...CLIENT_OPTIONS,
  },
  notes: [
    'A message ring takes files up to 61,440 bytes and hashes them inside the enclave. A digest ring takes ' +
      'files of any size: the hash is computed here, with the hash of the ring’s algorithm.',
    'The signature is checked against the ring’s public key before it is written.',
    CLIENT_NOTE,
  ],
  run: (input) => withClient(input, (client) => runSign(input, client)),
};

async function runSign(input: Arguments, client: SealwrightClient): Promise<number> {
  const out = input.required('out');
  if (out === '-' && input.json) {
    throw usageError(
      '--json and --out - both want stdout',
      'one of them',
      'write the signature to a file',
    );
  }
  const { signFile } = await import('./sign-file.ts');
  const answer = await signFile(client, {
    ring: input.required('ring'),
    path: input.required('in'),
    encoding: ENCODINGS.find((encoding) => encoding === input.text('encoding')),
  });
  writeSignature(out, answer.signature);

  const words = await import('./words.ts');
  const made = {
    ring: answer.ring,
    version: answer.version,
    kid: answer.kid,
    algorithm: words.algorithmWord(answer.algorithm),
    encoding: words.encodingWord(answer.encoding),
    residency: words.residencyWord(answer.residency),
    digest: hex(answer.digest),
    measurement: hex(answer.measurement),
  };
  if (input.json) printJson({ ...made, signature: hex(answer.signature) });
  else {
    note(
      `signed with ${made.ring} version ${String(made.version)} ` +
        `(${made.algorithm}, ${made.encoding}, ${made.residency}): ${out}`,
    );
  }
  return EXIT.ok;
}

function writeSignature(out: string, signature: Uint8Array): void {
  if (out === '-') {
    process.stdout.write(signature);
    return;
  }
  try {
    writeFileSync(out, signature);
  } catch (error) {
    throw usageError(
      `--out: ${(error as Error).message}`,
      'a file that can be written',
      'correct the path',
    );
  }
}
