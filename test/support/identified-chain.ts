/** A chain of which only the end matters: whom it names, and by which key. */
import type { KeyObject } from 'node:crypto';
import type { IdentifiedChain } from '../../enclave/wire/policy/chain.ts';

export function identifiedChain(
  identity: string,
  leafKey: KeyObject,
  notAfterMs = Infinity,
): IdentifiedChain {
  return { identity, leafKey, notBeforeMs: -Infinity, notAfterMs, keys: [], root: undefined };
}
