/** Signs a small file and verifies it: the proof that everything works, and something to try next. */
import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { SealwrightClient } from '../client/client.ts';
import { CallerRank, PayloadKind } from '../gen/sealwright/v1/keys.ts';
import { DEFAULT_STATE } from './connection.ts';
import { SAMPLE_RING } from './dev-manifest.ts';
import type { Progress } from './progress.ts';
import { signFile } from './sign-file.ts';
import { startCheck } from './signature-check.ts';
import { algorithmOf, algorithmWord } from './words.ts';

const TEXT = 'Sealwright signed this file with a key that nobody holds.\n';

/** The ring that signed; undefined when no ring takes messages from plain callers. */
export async function signSample(
  client: SealwrightClient,
  state: string,
  progress: Progress,
): Promise<string | undefined> {
  const fitting = (await client.listKeys()).filter(
    ({ payloadKind, lowestRank }) =>
      payloadKind === PayloadKind.PAYLOAD_KIND_MESSAGE &&
      lowestRank === CallerRank.CALLER_RANK_MTLS,
  );
  const ring = (fitting.find((key) => key.ring === SAMPLE_RING) ?? fitting[0])?.ring;
  if (ring === undefined) {
    progress.step('sample', 'left out: no ring takes messages from plain gRPC callers');
    return undefined;
  }
  const path = join(state, 'sample.txt');
  const signaturePath = join(state, 'sample.sig');
  writeFileSync(path, TEXT, { mode: 0o600 });
  const answer = await signFile(client, { ring, path, encoding: undefined });
  writeFileSync(signaturePath, answer.signature, { mode: 0o600 });
  const { ring: by, version, algorithm } = answer;
  progress.step(
    'sign',
    `${path} with ${by} version ${String(version)} (${algorithmWord(algorithm)})`,
  );

  // From the files and the published key alone, as somebody else would.
  const key = await client.getKey(ring, version);
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
