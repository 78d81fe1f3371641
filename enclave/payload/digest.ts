/** Payload `digest`: a SHA-2 digest that the caller computed. */
import type { RingScope } from '../wire/policy/ring.ts';
import { algorithmRow } from '../wire/algorithm.ts';
import { Refusal } from '../wire/error-code.ts';
import type { ToBeSigned } from './to-be-signed.ts';

/** Throws Refusal when the length is not that of the algorithm's hash. */
export function digestPayload(digest: Uint8Array, ring: RingScope): ToBeSigned {
  const row = algorithmRow(ring.algorithm);
  // The policy parser refuses such rings; a ring that slipped through must not sign.
  if (!('hash' in row)) throw new Refusal('PAYLOAD_KIND_MISMATCH', { ring: ring.name });
  if (digest.byteLength !== row.digestBytes) {
    throw new Refusal('DIGEST_LENGTH_MISMATCH', {
      field: 'digest',
      expectedBytes: String(row.digestBytes),
      actualBytes: String(digest.byteLength),
    });
  }
  return { digest, message: undefined };
}
