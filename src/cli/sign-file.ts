/**
 * Signs one file: asks the ring what it signs, sends the message or its digest, and believes the answer
 * only when it is about this ring, this key and this file.
 */
import { createHash, randomBytes, createPublicKey } from 'node:crypto';
import { algorithmRow } from '../../enclave/wire/algorithm.ts';
import { MAX_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import type { SealwrightClient } from '../client/client.ts';
import { PayloadKind } from '../gen/sealwright/v1/keys.ts';
import type { Key } from '../gen/sealwright/v1/keys.ts';
import { SignatureEncoding } from '../gen/sealwright/v1/signing.ts';
import type { SignRequest, SignResponse } from '../gen/sealwright/v1/signing.ts';
import { CliError, usageError } from './cli-error.ts';
import { EXIT } from './exit-status.ts';
import { readAtMost, readChunks } from './input-file.ts';
import { algorithmFits, startCheck } from './signature-check.ts';
import type { EcdsaEncoding, SignatureCheck } from './signature-check.ts';
import { algorithmOf, payloadWord } from './words.ts';

export interface FileToSign {
  readonly ring: string;
  /** `-` is stdin. */
  readonly path: string;
  /** For ECDSA only; undefined is DER. */
  readonly encoding: EcdsaEncoding | undefined;
}

/** Throws CliError and SignerError. */
export async function signFile(client: SealwrightClient, file: FileToSign): Promise<SignResponse> {
  const key = await client.getKey(file.ring);
  const prepared = await prepare(client, file, key);
  const answer = await client.sign(prepared.request);
  await compare(client, key, prepared, answer);
  return answer;
}

interface Prepared {
  readonly request: SignRequest;
  /** Has seen the whole file. */
  readonly check: SignatureCheck;
  /** What the service must have hashed; undefined for algorithms without a separate hash. */
  readonly digest: Uint8Array | undefined;
}

async function prepare(client: SealwrightClient, file: FileToSign, key: Key): Promise<Prepared> {
  const algorithm = algorithmOf(key);
  const row = algorithmRow(algorithm);
  const isEcdsa = row.family === 'ecdsa';
  const encoding = file.encoding ?? 'der';
  if (!isEcdsa && file.encoding !== undefined) {
    throw usageError(
      `--encoding is given, but ${key.ring} is ${algorithm}`,
      'no --encoding: only ECDSA signatures have two forms',
      'leave --encoding away',
    );
  }
  const publicKey = createPublicKey({
    key: Buffer.from(key.publicKey),
    format: 'der',
    type: 'spki',
  });
  if (!algorithmFits(algorithm, publicKey))
    throw inconsistent(`the key of ${key.ring} is not ${algorithm}`);
  const check = startCheck(algorithm, publicKey, encoding);
  const hash = 'hash' in row ? createHash(row.hash) : undefined;
  const take = (chunk: Uint8Array): void => {
    hash?.update(chunk);
    check.update(chunk);
  };
  const common = {
    ring: key.ring,
    algorithm: key.algorithm,
    encoding: isEcdsa
      ? SignatureEncoding[
          encoding === 'p1363' ? 'SIGNATURE_ENCODING_P1363' : 'SIGNATURE_ENCODING_ASN1_DER'
        ]
      : SignatureEncoding.SIGNATURE_ENCODING_UNSPECIFIED,
    requestId: randomBytes(16),
    declineReceipt: false,
  };

  if (key.payloadKind === PayloadKind.PAYLOAD_KIND_DIGEST) {
    await readChunks('in', file.path, take);
    const digest = hash?.digest() ?? new Uint8Array();
    return {
      request: { ...common, payload: { $case: 'digest', value: { digest } } },
      check,
      digest,
    };
  }
  if (key.payloadKind !== PayloadKind.PAYLOAD_KIND_MESSAGE) {
    throw new CliError({
      status: EXIT.refused,
      problem: `${key.ring} signs ${payloadWord(key.payloadKind)}, which this command cannot make`,
      expected: 'a ring of payload message or digest',
      wayOut: '"npx sealwright keys list" shows what each ring signs',
    });
  }
  const message = await readAtMost('in', file.path, MAX_MESSAGE_BYTES);
  if (message === undefined) throw await tooLarge(file.path, client, key);
  take(message);
  const request: SignRequest = { ...common, payload: { $case: 'message', value: { message } } };
  return { request, check, digest: hash?.digest() };
}

async function tooLarge(path: string, client: SealwrightClient, key: Key): Promise<CliError> {
  const digestRings = (await client.listKeys())
    .filter(({ payloadKind }) => payloadKind === PayloadKind.PAYLOAD_KIND_DIGEST)
    // Those of the same algorithm first: they need no change at the verifying side.
    .sort((a, b) => Number(b.algorithm === key.algorithm) - Number(a.algorithm === key.algorithm))
    .map((other) => `${other.ring} (${algorithmOf(other)})`);
  return new CliError({
    status: EXIT.refused,
    problem: `${path} is too large for ${key.ring} (${algorithmOf(key)}, payload message)`,
    expected: `at most ${String(MAX_MESSAGE_BYTES)} bytes, or a ring of payload digest`,
    wayOut:
      digestRings.length > 0
        ? `sign with a digest ring, which takes files of any size: ${[...new Set(digestRings)].join(', ')}`
        : 'have a ring of payload digest added to the policy; it takes files of any size',
    facts: { reason: 'MESSAGE_TOO_LARGE', retryable: false, limitBytes: MAX_MESSAGE_BYTES },
  });
}

/** An answer about another ring, key or file than asked for is worth nothing, whoever gave it. */
async function compare(
  client: SealwrightClient,
  key: Key,
  { request, check, digest }: Prepared,
  answer: SignResponse,
): Promise<void> {
  if (answer.ring !== request.ring) throw inconsistent(`it names ring "${answer.ring}"`);
  if (answer.algorithm !== request.algorithm) throw inconsistent('it names another algorithm');
  if (digest !== undefined && Buffer.compare(digest, answer.digest) !== 0) {
    throw inconsistent('it names another digest than that of the file');
  }
  if (answer.version !== key.version) {
    // The ring rotated between the two calls; the check holds the old key and would say no.
    const rotated = await client.getKey(answer.ring, answer.version);
    if (rotated.kid !== answer.kid) throw inconsistent('it names another key than the ring has');
    throw new CliError({
      status: EXIT.unavailable,
      problem: `${key.ring} rotated to version ${String(answer.version)} during the call`,
      wayOut: 'run the command again',
    });
  }
  if (answer.kid !== key.kid) throw inconsistent('it names another key than the ring has');
  if (!check.accepts(answer.signature)) throw inconsistent('the signature does not verify');
}

function inconsistent(what: string): CliError {
  return new CliError({
    status: EXIT.refused,
    problem: `the service’s answer is not about this request: ${what}`,
    wayOut: 'nothing was written; look at the host and its log',
  });
}
