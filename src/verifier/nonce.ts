/** Freshness by nonce: required unless the caller says in words why not. */
import { toHex } from '../../enclave/wire/bytes.ts';
import { MAX_NONCE_BYTES, MIN_NONCE_BYTES } from '../../enclave/wire/layouts.ts';
import { judge, notChecked, type Check } from './check.ts';
import type { VerifiedEvidence } from './verify-evidence.ts';

/** The nonce that the caller drew, or why it drew none. */
export type NonceExpectation =
  | { readonly nonce: Uint8Array; readonly noNonce?: never }
  | { readonly noNonce: string; readonly nonce?: never };

/** @throws RangeError when the input asks for nothing, for both, or for a nonce that proves nothing */
export function checkNonceInput(input: NonceExpectation): void {
  const { nonce, noNonce } = input as { nonce?: Uint8Array; noNonce?: string };
  if ((nonce === undefined) === (noNonce === undefined)) {
    throw new RangeError('either a nonce or a reason for none');
  }
  if (noNonce?.trim() === '') throw new RangeError('noNonce: the reason is empty');
  const length = nonce?.byteLength ?? MIN_NONCE_BYTES;
  if (length < MIN_NONCE_BYTES || length > MAX_NONCE_BYTES) {
    throw new RangeError(
      `nonce: ${String(MIN_NONCE_BYTES)} to ${String(MAX_NONCE_BYTES)} bytes, not ${String(length)}`,
    );
  }
}

/** As constant in time as JavaScript allows: it does not stop at the first difference. */
export function equalNonces(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.byteLength ^ b.byteLength;
  for (let i = 0; i < MAX_NONCE_BYTES; i += 1) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/**
 * The nonce is answered by the platform, when it stands in the claims, or by the identity key, in a freshness
 * statement whose signature held. The host's time in that statement is not looked at.
 */
export function appraiseNonce(evidence: VerifiedEvidence, input: NonceExpectation): Check {
  const id = 'nonce';
  const inClaims = evidence.claims.nonce;
  const { freshness } = evidence;
  const answered = [inClaims, freshness?.signed === true ? freshness.nonce : undefined];
  const present = [inClaims, freshness?.nonce].filter((nonce) => nonce !== undefined);
  const found = present.map(toHex).join(' and ') || 'no nonce';
  if (input.nonce === undefined) return notChecked(id, found, input.noNonce);
  const { nonce } = input;
  return judge(
    answered.some((answer) => answer !== undefined && equalNonces(answer, nonce)),
    {
      id,
      expected: toHex(nonce),
      found,
      otherwise: present.length === 0 ? 'nobody answered the nonce' : 'an answer to another nonce',
    },
  );
}
