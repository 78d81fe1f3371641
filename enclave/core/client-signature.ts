/** Signatures of callers under the key of their certificate (docs/spec/session.md, "Open"). */
import { verify, type KeyObject } from 'node:crypto';
import { ALGORITHMS } from '../wire/algorithm.ts';
import { callerAlgorithm, callerScheme } from '../wire/caller-key.ts';

/** Whether `algorithm` (a `sealwright.v1.Algorithm` number) is the key's and the signature holds. Never throws. */
export function checkCallerSignature(
  key: KeyObject,
  algorithm: number,
  input: Uint8Array,
  signature: Uint8Array,
): boolean {
  const name = callerAlgorithm(key);
  if (name === undefined || ALGORITHMS[name].wire !== algorithm) return false;
  const scheme = callerScheme(name, key);
  return verify(scheme.hash, input, scheme.key, signature);
}
