/** The way in which a ring's signatures are asked for. */
import { isHostAsserted, RANKS } from '../../enclave/wire/policy/ring.ts';
import type { AttestedClient, AttestedKey } from '../client/attested.ts';
import type { SealwrightClient } from '../client/client.ts';
import type { Connection } from './connection.ts';

/**
 * Runs `use` with what signs: calls inside of a session for a ring that believes no host, plain calls for the others. Who
 * comes by a socket has nothing that could open a session, and is told by the service what the ring wants.
 */
export async function withSigningService<Result>(
  attested: AttestedClient,
  connection: Connection,
  { key, attestation: known }: AttestedKey,
  use: (service: SealwrightClient) => Promise<Result>,
): Promise<Result> {
  const { endpoint } = connection;
  const rank = RANKS.find((one) => one === key.scope.lowestRank);
  // A rank of a later release is none that believes the host.
  const believesHost = rank !== undefined && isHostAsserted(rank);
  if (believesHost || endpoint.kind === 'socket') return use(attested.service);
  const { withSession } = await import('./session-signing.ts');
  return withSession(connection, endpoint, { attested, known }, use);
}
