/** What a host that behaves would say: random calls of every kind, well formed. */
import { utf8 } from '../../../enclave/wire/bytes.ts';
import type { UntrustedCaller } from '../../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { GetEvidenceRequest } from '../../../enclave/wire/gen/sealwright/v1/attestation.ts';
import { SignBatchRequest, SignRequest } from '../../../enclave/wire/gen/sealwright/v1/signing.ts';
import { ProposeGenesisRequest } from '../../../enclave/wire/gen/sealwright/v1/genesis.ts';
import { HOST_METHODS, LOG_METHODS, METHODS } from '../../../enclave/wire/methods.ts';
import { MTLS_CALLER, PEER_CALLER, signRequest } from '../fakes/world.ts';
import type { Choices } from './choices.ts';
import { cancelFrame, NOTHING, requestFrame } from './frames.ts';

const RINGS = ['signer', 'signer', 'signer', 'peer', 'signed', 'token', 'nobody'] as const;
const OTHER_METHODS = [
  METHODS.getStatus,
  METHODS.listKeys,
  METHODS.getKey,
  HOST_METHODS.drained,
  LOG_METHODS.append,
  'unknown',
] as const;
const TIMEOUTS = [0, 1, 1000, 0xffff_ffff] as const;

function caller(random: Choices): UntrustedCaller | undefined {
  return random.pick<UntrustedCaller | undefined>([
    MTLS_CALLER,
    MTLS_CALLER,
    PEER_CALLER,
    { rank: random.below(6), certificates: [random.bytes(random.below(64))], socket: 'x' },
    undefined,
  ]);
}

function sign(random: Choices): Uint8Array {
  const message = random.bytes(random.below(64));
  // Few ids, so that some come again.
  const requestId = random.chance(0.3) ? new Uint8Array(16).fill(random.below(4)) : NOTHING;
  return signRequest(random.pick(RINGS), { message, requestId });
}

function signBatch(random: Choices): Uint8Array {
  const items = Array.from({ length: random.below(6) }, () => SignRequest.decode(sign(random)));
  return SignBatchRequest.encode({ items }).finish();
}

/** One frame of a host under this number, or under an older one for a CANCEL. */
export function anyFrame(id: bigint, random: Choices): Uint8Array {
  const more = { untrustedCaller: caller(random), timeoutMs: random.pick(TIMEOUTS) };
  switch (random.below(10)) {
    case 0:
      return cancelFrame(id - BigInt(random.below(3)));
    case 1:
      return requestFrame(id, random.pick(OTHER_METHODS), NOTHING, more);
    case 2: {
      const request = { nonce: random.bytes(random.pick([0, 16, 32, 65])), fresh: false };
      return requestFrame(id, METHODS.getEvidence, GetEvidenceRequest.encode(request).finish());
    }
    case 3: {
      const manifest = utf8('{"kind":"genesis"}');
      const body = ProposeGenesisRequest.encode({ manifest }).finish();
      return requestFrame(id, METHODS.proposeGenesis, body, more);
    }
    case 4:
      return requestFrame(id, METHODS.signBatch, signBatch(random), more);
    default:
      return requestFrame(id, METHODS.sign, sign(random), more);
  }
}
