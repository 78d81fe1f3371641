/** A chain of which only the end matters: whom it names, and by which key. */
import { hash, type KeyObject } from 'node:crypto';
import type { IdentifiedChain } from '../../enclave/wire/policy/chain.ts';

export function identifiedChain(
  identity: string,
  leafKey: KeyObject,
  notAfterMs = Infinity,
): IdentifiedChain {
  const spki = leafKey.export({ format: 'der', type: 'spki' });
  const keys = [hash('sha256', spki, 'hex')];
  return { identity, leafKey, notBeforeMs: -Infinity, notAfterMs, keys, root: undefined };
}
