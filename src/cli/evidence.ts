import { writeFileSync } from 'node:fs';
import { MalformedEvidence, decodeBundle } from '../verifier/index.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { withClient } from './connection.ts';
import { NONCE_OPTIONS, requiredNonce } from './evidence-options.ts';
import { EXIT } from './exit-status.ts';
import { note, printJson } from './output.ts';

export const evidence: Command = {
  name: 'evidence',
  example:
    'npx sealwright evidence --nonce 00112233445566778899aabbccddeeff --out now.evidence.json',
  options: {
    ...NONCE_OPTIONS,
    fresh: { help: 'ask the platform itself; needs --nonce, and is rate-limited' },
    out: { value: 'FILE', help: 'where the bundle goes; - is stdout', required: true },
    ...CLIENT_OPTIONS,
  },
  notes: [
    'Nothing is verified: whoever has the file does that with "npx sealwright verify-evidence".',
    CLIENT_NOTE,
  ],
  run: runEvidence,
};

async function runEvidence(input: Arguments): Promise<number> {
  const { nonce } = requiredNonce(input);
  const fresh = input.switch('fresh');
  const out = input.required('out');
  if (fresh && nonce === undefined) {
    throw usageError(
      '--fresh is given without --nonce',
      '--fresh with --nonce HEX',
      'draw a nonce',
    );
  }
  if (out === '-' && input.json) {
    throw usageError('--json and --out - both want stdout', 'one of them', 'write to a file');
  }
  const bundle = await withClient(input, (client) =>
    client.getEvidence(nonce ?? new Uint8Array(0), { fresh }),
  );
  if (out === '-') process.stdout.write(bundle);
  else write(out, bundle);
  const facts = factsOf(bundle);
  if (input.json) printJson({ file: out, bytes: bundle.byteLength, ...facts });
  else {
    const what = facts.problem ?? `${String(facts.kind)}, ${String(facts.format)}`;
    note(`${out}: ${what}; nothing was verified`);
  }
  return EXIT.ok;
}

function factsOf(bundle: Uint8Array): { kind?: string; format?: string; problem?: string } {
  try {
    const { claims, format } = decodeBundle(bundle);
    return { kind: claims.kind, format };
  } catch (error) {
    // It is written all the same: what a service answered is worth keeping, above all when it is wrong.
    if (!(error instanceof MalformedEvidence)) throw error;
    return { problem: `not decodable: ${error.message}` };
  }
}

function write(out: string, bundle: Uint8Array): void {
  try {
    writeFileSync(out, bundle);
  } catch (error) {
    const problem = `--out: ${(error as Error).message}`;
    throw usageError(problem, 'a file that can be written', 'correct the path');
  }
}
