// What the cases of test/vectors/evidence.json share.
import {
  NONCE,
  NOW,
  changed,
  makeEvidence,
  makePolicy,
  type Changes,
  type EvidenceShape,
  type Json,
  type JsonObject,
} from '../evidence/index.ts';
import { fixedBytes, hex, vector, type VectorCase } from '../vector-file.ts';

/** What a case is asked for; the good bundle, policy, nonce and time when it does not say. */
export interface Asked {
  readonly bundle?: string;
  readonly policy?: JsonObject;
  readonly now?: number;
  readonly nonce?: Uint8Array;
  readonly noNonce?: string;
  readonly kind?: 'setup';
}

export const GOOD = { as: 'evidence' };

export function inputOf(asked: Asked): VectorCase['input'] {
  const { bundle, policy, now = NOW, nonce = NONCE, noNonce, kind } = asked;
  return {
    bundle: bundle ?? GOOD,
    policy: policy ?? GOOD,
    now,
    ...(noNonce === undefined ? { nonce: hex(nonce) } : { noNonce }),
    ...(kind === undefined ? {} : { kind }),
  };
}

/** Accepted, which for a simulated platform is at most a warning. */
export function accepted(
  id: string,
  comment: string,
  asked: Asked,
  ...alsoWarned: string[]
): VectorCase {
  const warned = ['simulated', ...alsoWarned];
  return vector(id, comment, inputOf(asked), 'warning', { failed: [], warned });
}

export function refused(
  id: string,
  comment: string,
  asked: Asked,
  ...failed: string[]
): VectorCase {
  return vector(id, comment, inputOf(asked), 'contraindicated', { failed });
}

export function malformed(id: string, comment: string, bundle: string, place: string): VectorCase {
  return vector(id, comment, inputOf({ bundle }), 'malformed', { place });
}

export const made = (shape: Partial<EvidenceShape>): string => makeEvidence(shape).text;
/** The good policy with other members. */
export const withPolicy = (changes: JsonObject): Asked => ({
  policy: { as: 'evidence', with: changes },
});

/** Rule `cluster`: so many of these admins approved its genesis. */
export function adminsPinned(threshold: number, ...admins: readonly { line: string }[]): Json {
  return { rule: 'require', adminKeys: admins.map(({ line }) => line), threshold };
}

export const good = makeEvidence();
export const otherRegister = fixedBytes('another enclave', 48);

export const value = (bytes: Uint8Array, more: Changes = {}): JsonObject =>
  changed({ name: 'release 1', value: hex(bytes) }, more);

/** The policy's registers with one of them changed. */
export function registers(name: string, rule: Json): JsonObject {
  const all = makePolicy()['registers'] as JsonObject;
  return { registers: { ...all, [name]: rule } };
}
