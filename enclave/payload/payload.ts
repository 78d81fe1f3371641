/**
 * One file per kind of payload: parse → check against the ring → to-be-signed bytes. The enclave signs
 * what it checked and never a second reading of the caller's bytes (DESIGN §8).
 */
import type { RingScope } from '../wire/policy/ring.ts';
import type { SignRequest } from '../wire/gen/sealwright/v1/signing.ts';
import { Refusal } from '../wire/error-code.ts';
import { digestPayload } from './digest.ts';
import { messagePayload } from './message.ts';
import type { ToBeSigned } from './to-be-signed.ts';

/** Throws Refusal. */
export function toBeSigned(request: SignRequest, ring: RingScope): ToBeSigned {
  const { payload } = request;
  if (payload === undefined) throw new Refusal('REQUEST_MALFORMED', { field: 'payload' });
  if (payload.$case !== ring.payloadKind) {
    throw new Refusal('PAYLOAD_KIND_MISMATCH', {
      ring: ring.name,
      expected: ring.payloadKind,
      actual: payload.$case,
    });
  }
  return payload.$case === 'digest'
    ? digestPayload(payload.value.digest, ring)
    : messagePayload(payload.value.message, ring);
}
