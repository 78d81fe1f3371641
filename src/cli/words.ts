/** Names of the wire's numbers, as they are written in text and JSON. */
import { algorithmFromWire } from '../../enclave/wire/algorithm.ts';
import type { AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { CallerRank, KeyState, PayloadKind, Residency } from '../gen/sealwright/v1/keys.ts';
import type { Key } from '../gen/sealwright/v1/keys.ts';
import { SignatureEncoding } from '../gen/sealwright/v1/signing.ts';
import { Phase } from '../gen/sealwright/v1/status.ts';

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
export const stateWord = (state: KeyState): string => wordOf(KeyState, 'KEY_STATE_', state);
export const residencyWord = (residency: Residency): string =>
  wordOf(Residency, 'RESIDENCY_', residency);
export const payloadWord = (kind: PayloadKind): string =>
  wordOf(PayloadKind, 'PAYLOAD_KIND_', kind);
export const rankWord = (rank: CallerRank): string => wordOf(CallerRank, 'CALLER_RANK_', rank);

export function algorithmWord(algorithm: number): string {
  return algorithmFromWire(algorithm) ?? String(algorithm);
}

const ENCODING_WORDS: Readonly<Record<number, string>> = {
  [SignatureEncoding.SIGNATURE_ENCODING_ASN1_DER]: 'der',
  [SignatureEncoding.SIGNATURE_ENCODING_P1363]: 'p1363',
  [SignatureEncoding.SIGNATURE_ENCODING_RAW]: 'raw',
};

export function encodingWord(encoding: SignatureEncoding): string {
  return ENCODING_WORDS[encoding] ?? String(encoding);
}

/** A key as `--json` shows it. */
export function keyDocument(key: Key): Record<string, unknown> {
  return {
    ring: key.ring,
    version: key.version,
    kid: key.kid,
    algorithm: algorithmWord(key.algorithm),
    residency: residencyWord(key.residency),
    payload: payloadWord(key.payloadKind),
    lowestRank: rankWord(key.lowestRank),
    state: stateWord(key.state),
    createdAt: new Date(Number(key.createdAtUnixMs)).toISOString(),
    publicKey: publicKeyPem(key.publicKey),
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

/** The name of a key's algorithm. Throws for one that this build does not know. */
export function algorithmOf(key: Key): AlgorithmName {
  const name = algorithmFromWire(key.algorithm);
  if (name === undefined)
    throw new Error(`algorithm number ${String(key.algorithm)} of ${key.ring}`);
  return name;
}
