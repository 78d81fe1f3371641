/**
 * Signs one file: asks for the ring's attested key, sends the message or its digest, and believes the answer only
 * when every check of it holds, those of its receipt included.
 */
import { algorithmRow } from '../../enclave/wire/algorithm.ts';
import { MAX_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import type { AttestedClient, AttestedKey } from '../client/attested.ts';
import type { SealwrightClient } from '../client/client.ts';
import { requireAll } from '../client/not-believed.ts';
import { Preparation, type PreparedRequest } from '../client/prepared.ts';
import { checkSignedAnswer } from '../client/signed-answer.ts';
import type { SignResponse } from '../gen/sealwright/v1/signing.ts';
import type { Receipt } from '../tlog/receipt-file.ts';
import type { KeyStatement } from '../verifier/index.ts';
import { CliError, usageError } from './cli-error.ts';
import { EXIT } from './exit-status.ts';
import { readAtMost, readChunks } from './input-file.ts';
import type { EcdsaEncoding } from '../client/signature-check.ts';
import { algorithmOf } from './words.ts';

export interface FileToSign {
  /** `-` is stdin. */
  readonly path: string;
  /** Where the path was given, for errors; `--in` when it is not said. */
  readonly option?: string;
  /** For ECDSA only; undefined is DER. */
  readonly encoding: EcdsaEncoding | undefined;
}

export interface SignedFile extends AttestedKey {
  readonly answer: SignResponse;
  readonly receipt: Receipt;
}

/** Asks `service` for a signature of the key that was attested. Throws CliError, SignerError and NotBelieved. */
export async function signFile(
  attested: AttestedClient,
  service: SealwrightClient,
  { key, attestation }: AttestedKey,
  file: FileToSign,
): Promise<SignedFile> {
  const { holds, ...prepared } = await prepareFile(attested, file, key);
  const answer = await service.sign(prepared.request);
  await requireSameVersion(attested, key, answer);
  const asked = { ...prepared, key, attestation };
  const { checks, receipt } = await checkSignedAnswer(answer, asked, holds(answer.signature));
  requireAll(checks);
  if (receipt === undefined) throw new Error('an answer without a receipt passed its checks');
  return { key, attestation, answer, receipt };
}

/** Reads the file and makes the request for it, with a request id of its own. Throws CliError and SignerError. */
export async function prepareFile(
  attested: AttestedClient,
  file: FileToSign,
  key: KeyStatement,
): Promise<PreparedRequest> {
  const { option = '--in' } = file;
  const algorithm = algorithmOf(key);
  const isEcdsa = algorithmRow(algorithm).family === 'ecdsa';
  if (!isEcdsa && file.encoding !== undefined) {
    throw usageError(
      `--encoding is given, but ${key.ring} is ${algorithm}`,
      'no --encoding: only ECDSA signatures have two forms',
      'leave --encoding away',
    );
  }
  const preparation = new Preparation(key, algorithm, file.encoding);
  const { payload } = key.scope;
  if (payload === 'digest') {
    await readChunks(option, file.path, (chunk) => void preparation.take(chunk));
    return preparation.finish();
  }
  if (payload !== 'message') {
    throw new CliError({
      status: EXIT.refused,
      problem: `${key.ring} signs ${payload}, which this command cannot make`,
      expected: 'a ring of payload message or digest',
      wayOut: '"npx sealwright keys list" shows what each ring signs',
    });
  }
  const message = await readAtMost(option, file.path, MAX_MESSAGE_BYTES);
  if (message === undefined) throw await tooLarge(file.path, attested, key);
  preparation.take(message);
  return preparation.finish();
}

async function tooLarge(
  path: string,
  attested: AttestedClient,
  key: KeyStatement,
): Promise<CliError> {
  const { keys } = await attested.keys();
  const digestRings = keys
    .filter(({ scope }) => scope.payload === 'digest')
    // Those of the same algorithm first: they need no change at the verifying side.
    .sort((a, b) => Number(b.alg === key.alg) - Number(a.alg === key.alg))
    .map((other) => `${other.ring} (${other.alg})`);
  return new CliError({
    status: EXIT.refused,
    problem: `${path} is too large for ${key.ring} (${key.alg}, payload message)`,
    expected: `at most ${String(MAX_MESSAGE_BYTES)} bytes, or a ring of payload digest`,
    wayOut:
      digestRings.length > 0
        ? `sign with a digest ring, which takes files of any size: ${[...new Set(digestRings)].join(', ')}`
        : 'have a ring of payload digest added to the policy; it takes files of any size',
    facts: { reason: 'MESSAGE_TOO_LARGE', retryable: false, limitBytes: MAX_MESSAGE_BYTES },
  });
}

/** A ring may rotate between the two calls: that is no lie when the enclave vouches for the new version. */
export async function requireSameVersion(
  attested: AttestedClient,
  key: KeyStatement,
  answer: SignResponse,
): Promise<void> {
  if (answer.ring !== key.ring || answer.version <= key.version) return;
  const { keys } = await attested.keys();
  const rotated = keys.some(({ ring, version }) => ring === key.ring && version === answer.version);
  if (!rotated) return;
  throw new CliError({
    status: EXIT.unavailable,
    problem: `${key.ring} rotated to version ${String(answer.version)} during the call`,
    wayOut: 'run the command again',
  });
}
