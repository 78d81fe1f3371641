/** Signs a small file and verifies it: the proof that everything works, and something to try next. */
import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { AttestedClient } from '../client/attested.ts';
import { SignerError } from '../client/signer-error.ts';
import { DEFAULT_STATE } from './connection.ts';
import { SAMPLE_RING } from '../simulator/dev-policy.ts';
import type { Progress } from './progress.ts';
import { signFile } from './sign-file.ts';
import { startCheck } from '../client/signature-check.ts';
import { algorithmOf } from './words.ts';

/** The certificates of a state folder may be others than its policy was made for. */
const NO_CALLER: ReadonlySet<string> = new Set(['CALLER_UNAUTHENTICATED', 'SIGNING_POLICY_DENIED']);

const TEXT = 'Sealwright signed this file with a key that nobody holds.\n';

/** The ring that signed; undefined when no ring takes messages from plain callers. */
export async function signSample(
  attested: AttestedClient,
  state: string,
  progress: Progress,
): Promise<string | undefined> {
  const { keys, attestation } = await attested.keys();
  const fitting = keys.filter(
    ({ scope }) => scope.payload === 'message' && scope.lowestRank === 'mtls',
  );
  const asked = fitting.find(({ ring }) => ring === SAMPLE_RING) ?? fitting[0];
  if (asked === undefined) {
    progress.step('sample', 'left out: no ring takes messages from plain gRPC callers');
    return undefined;
  }
  const path = join(state, 'sample.txt');
  const signaturePath = join(state, 'sample.sig');
  writeFileSync(path, TEXT, { mode: 0o600 });
  const { ring } = asked;
  const signed = await signFile(
    attested,
    attested.service,
    { key: asked, attestation },
    { path, encoding: undefined },
  ).catch((error: unknown) => {
    if (error instanceof SignerError && NO_CALLER.has(error.reason)) return error;
    throw error;
  });
  if (signed instanceof SignerError) {
    progress.step('sample', `left out: ${signed.reason}; the policy does not know who calls here`);
    return undefined;
  }
  writeFileSync(signaturePath, signed.answer.signature, { mode: 0o600 });
  const { version, alg } = signed.key;
  progress.step('sign', `${path} with ${ring} version ${String(version)} (${alg})`);

  // From the files and the attested key alone, as somebody else would.
  const { key } = await attested.key(ring, version);
  const publicKey = createPublicKey({
    key: Buffer.from(key.publicKey),
    format: 'der',
    type: 'spki',
  });
  const check = startCheck(algorithmOf(key), publicKey, 'der');
  check.update(readFileSync(path));
  if (!check.accepts(readFileSync(signaturePath)))
    throw new Error('the sample signature does not verify');
  progress.step('verify', 'OK');
  return ring;
}

/** Three commands that work as they stand, from the current folder. */
export function nextCommands(state: string, ring: string | undefined): readonly string[] {
  const folder = relative(process.cwd(), state);
  const shown = folder === '' || folder.startsWith('..') ? state : folder;
  const option = shown === DEFAULT_STATE ? '' : ` --state ${quoted(shown)}`;
  const sample = quoted(join(shown, 'sample'));
  const first = [`npx sealwright status${option}`, `npx sealwright keys list${option}`];
  if (ring === undefined) return first;
  return [
    ...first,
    `npx sealwright verify${option} --ring ${ring} --in ${sample}.txt --signature ${sample}.sig`,
  ];
}

function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
