/** Names of the wire's numbers, and of what key statements say, as they are written in text and JSON. */
import { isAlgorithmName } from '../../enclave/wire/algorithm.ts';
import type { AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { SignatureEncoding } from '../gen/sealwright/v1/signing.ts';
import type { SignResponse } from '../gen/sealwright/v1/signing.ts';
import { Phase } from '../gen/sealwright/v1/status.ts';
import type { Receipt } from '../tlog/receipt-file.ts';
import type { KeyStatement } from '../verifier/index.ts';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-status.ts';
import { hex } from './output.ts';

type Words = Readonly<Record<string, number>>;

/** `KEY_STATE_PRE_ACTIVATION` → `pre-activation`; a number of a newer service stays a number. */
function wordOf(words: Words, prefix: string, value: number): string {
  const name = Object.keys(words).find((key) => words[key] === value && key !== 'UNRECOGNIZED');
  return name === undefined
    ? String(value)
    : name.slice(prefix.length).toLowerCase().replaceAll('_', '-');
}

export function phaseWord(phase: Phase): string {
  return phase === Phase.PHASE_UNSPECIFIED ? 'absent' : wordOf(Phase, 'PHASE_', phase);
}

const ENCODING_WORDS: Readonly<Record<number, string>> = {
  [SignatureEncoding.SIGNATURE_ENCODING_ASN1_DER]: 'der',
  [SignatureEncoding.SIGNATURE_ENCODING_P1363]: 'p1363',
  [SignatureEncoding.SIGNATURE_ENCODING_RAW]: 'raw',
};

export function encodingWord(encoding: SignatureEncoding): string {
  return ENCODING_WORDS[encoding] ?? String(encoding);
}

/** A key as `--json` shows it: what the enclave stated, and nothing that only the host says. */
export function keyDocument(key: KeyStatement): Record<string, unknown> {
  return {
    ring: key.ring,
    version: key.version,
    kid: key.kid,
    algorithm: key.alg,
    residency: key.residency,
    payload: key.scope.payload,
    lowestRank: key.scope.lowestRank,
    hostAsserted: key.scope.hostAsserted,
    state: key.state,
    publicKey: publicKeyPem(key.publicKey),
  };
}

/** A signature as `--json` shows it, without its bytes. */
export function signatureDocument(key: KeyStatement, answer: SignResponse, receipt: Receipt) {
  return {
    ring: key.ring,
    version: key.version,
    kid: key.kid,
    algorithm: key.alg,
    encoding: encodingWord(answer.encoding),
    residency: key.residency,
    digest: hex(answer.digest),
    measurement: hex(answer.measurement),
    leaf: receipt.index,
    salt: hex(receipt.salt ?? new Uint8Array(0)),
  };
}

/** PEM of a SubjectPublicKeyInfo (RFC 7468 §13). */
export function publicKeyPem(spki: Uint8Array): string {
  const lines =
    Buffer.from(spki)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PUBLIC KEY-----', ...lines, '-----END PUBLIC KEY-----', ''].join('\n');
}

/** A statement's algorithm, which this build must know. Throws CliError (70). */
export function algorithmOf({ ring, alg }: KeyStatement): AlgorithmName {
  if (isAlgorithmName(alg)) return alg;
  throw new CliError({
    status: EXIT.refused,
    problem: `${ring} is ${alg}, which this build does not know`,
    wayOut: 'use a newer one',
  });
}
