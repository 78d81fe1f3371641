/** Payload `message`: a message of at most 60 KiB that the enclave hashes itself. */
import { createHash } from 'node:crypto';
import type { RingScope } from '../wire/policy/ring.ts';
import { algorithmRow } from '../wire/algorithm.ts';
import { Refusal } from '../wire/error-code.ts';
import type { ToBeSigned } from './to-be-signed.ts';

/** Throws Refusal when the message is longer than the ring's limit. */
export function messagePayload(message: Uint8Array, ring: RingScope): ToBeSigned {
  if (message.byteLength > ring.maxBytes) {
    throw new Refusal('MESSAGE_TOO_LARGE', {
      field: 'message',
      limitBytes: String(ring.maxBytes),
      actualBytes: String(message.byteLength),
    });
  }
  const row = algorithmRow(ring.algorithm);
  const digest = 'hash' in row ? createHash(row.hash).update(message).digest() : undefined;
  return { digest, message };
}
