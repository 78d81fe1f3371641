/** Who calls, as far as the host may say it (PROTOCOLS §8). */
import { hash } from 'node:crypto';
import { Refusal } from '../wire/error-code.ts';
import type { UntrustedCaller } from '../wire/gen/sealwright/enclave/v1/frame.ts';
import { MAX_CERTIFICATE_BYTES, MAX_CHAIN_LENGTH } from '../wire/limits.ts';
import { rankNumber, type Rank, type RingScope } from './policy.ts';

/** A caller as the host asserted it. */
export interface Caller {
  readonly rank: Rank;
  /** `mtls:` and the SHA-256 of the leaf certificate, or `peer:` and the name of the socket. */
  readonly principal: string;
}

const MAX_SOCKET_NAME_LENGTH = 107;

/** Throws Refusal when the host says of nobody who called. */
export function assertedCaller(caller: UntrustedCaller | undefined): Caller {
  const leaf = caller?.certificates[0];
  if (caller?.rank === rankNumber('mtls') && leaf !== undefined && isChain(caller.certificates)) {
    return { rank: 'mtls', principal: `mtls:${hash('sha256', leaf, 'hex')}` };
  }
  if (caller?.rank === rankNumber('peer') && isSocketName(caller.socket)) {
    return { rank: 'peer', principal: `peer:${caller.socket}` };
  }
  throw new Refusal('CALLER_UNAUTHENTICATED');
}

function isChain(certificates: readonly Uint8Array[]): boolean {
  return (
    certificates.length <= MAX_CHAIN_LENGTH &&
    certificates.every((der) => der.byteLength <= MAX_CERTIFICATE_BYTES)
  );
}

/** It goes into leaves: printable ASCII only. */
function isSocketName(name: string): boolean {
  return name.length <= MAX_SOCKET_NAME_LENGTH && /^[\x21-\x7e]+$/.test(name);
}

/** Only rings that accept a host-asserted rank listen to what the host says of the caller. Throws Refusal. */
export function authorise(scope: RingScope, caller: Caller): void {
  if (rankNumber(caller.rank) <= rankNumber(scope.lowestRank)) return;
  throw new Refusal('SIGNING_POLICY_DENIED', {
    ring: scope.name,
    policyId: 'lowest-rank',
    expected: scope.lowestRank,
    actual: caller.rank,
  });
}
