/** Which rings plain calls may sign with: those that believe the host. It reads what they bring. */
import { status } from '@grpc/grpc-js';
import type { Reason } from '../../enclave/wire/error-code.ts';
import type { Rule } from '../../enclave/wire/policy/decide.ts';
import { isHostAsserted, RANKS, type Rank } from '../../enclave/wire/policy/ring.ts';
import type { KeyStatement } from '../verifier/index.ts';
import { SignerError } from './signer-error.ts';

type Ring = Pick<KeyStatement, 'ring' | 'scope'>;

/** A rank of a later release is none that believes the host. */
export function believesHost({ scope }: Pick<Ring, 'scope'>): boolean {
  const rank = RANKS.find((one) => one === scope.lowestRank);
  return rank !== undefined && isHostAsserted(rank);
}

/**
 * What the policy says of a call over a socket for a ring that believes no host. Its attested key says so too, before the
 * host has read a message that was not meant for it.
 */
export function peerRefusal({ ring, scope }: Ring): SignerError {
  const policyId: Rule = 'lowest-rank';
  const actual: Rank = 'peer';
  const reason: Reason = 'SIGNING_POLICY_DENIED';
  const { lowestRank: expected } = scope;
  return new SignerError(
    `ring ${ring} takes rank ${expected} or better, and a plain call over a socket has ${actual}: use a certificate`,
    {
      reason,
      retryable: false,
      grpcStatus: status.PERMISSION_DENIED,
      metadata: { policyId, ring, expected, actual },
    },
  );
}
