/** What all calls of the service begin with. */
import { decodeMessage, type MessageDecoder } from '../wire/decode-message.ts';
import type { Residency } from '../wire/algorithm.ts';
import { Refusal } from '../wire/error-code.ts';
import type { SignedJsonError } from '../wire/signed-json.ts';
import type { Cluster } from './cluster.ts';
import type { KeyRing } from './key-ring.ts';

/** Numbers of `sealwright.v1.Residency`. */
export const RESIDENCY_NUMBERS = { hsm: 1, enclave: 2 } as const satisfies Record<
  Residency,
  number
>;

/** Runs a generated decoder over a caller's bytes. Throws Refusal. */
export function decoded<T>(decode: MessageDecoder<T>, body: Uint8Array): T {
  try {
    return decodeMessage(decode, body);
  } catch {
    throw new Refusal('REQUEST_MALFORMED');
  }
}

/** A document that is not what it should be, with the place. */
export function invalidAt(
  reason: 'POLICY_INVALID' | 'STATEMENT_INVALID',
  { place, problem }: SignedJsonError,
): Refusal {
  return new Refusal(reason, { field: place, expected: problem.replace(/^expected /, '') });
}

/** Throws Refusal. */
export function findRing(cluster: Cluster, name: string): KeyRing {
  const ring = cluster.inForce.rings.get(name);
  if (ring === undefined) throw new Refusal('KEY_NOT_FOUND', { keyId: name.slice(0, 64) });
  return ring;
}
