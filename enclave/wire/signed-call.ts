/** What the caller of a signed call signs (docs/spec/signed-call.md): bytes only. Who hashes the request, knows how. */
import { concatBytes, label, lengthPrefixed, u64, utf8 } from './bytes.ts';

export interface SignedCallHead {
  /** Full gRPC path. */
  readonly method: string;
  /** 16 bytes. */
  readonly requestId: Uint8Array;
  /** Milliseconds since the Unix epoch, below 2^53. */
  readonly notAfterMs: number;
}

/**
 * Signed by the key of the caller's leaf. Checks nothing.
 *
 * @param clusterId 32 bytes
 * @param requestHash SHA-256 of the request message
 */
export function signedCallInput(
  clusterId: Uint8Array,
  { method, requestId, notAfterMs }: SignedCallHead,
  requestHash: Uint8Array,
): Uint8Array {
  return concatBytes(
    label('sealwright/request/v1'),
    clusterId,
    lengthPrefixed(utf8(method)),
    requestId,
    u64(BigInt(notAfterMs)),
    requestHash,
  );
}
