/** The way in which a ring's signatures are asked for. */
import type { AttestedClient, AttestedKey } from '../client/attested.ts';
import type { SealwrightClient } from '../client/client.ts';
import { believesHost, peerRefusal } from '../client/plain-calls.ts';
import { CliError } from './cli-error.ts';
import type { Connection } from './connection.ts';
import { explainRefusal } from './explain-refusal.ts';

const CERTIFICATE =
  'use a certificate, which opens a session: --address with --ca, --cert and --key, or --state';

/**
 * Runs `use` with what signs: calls inside of a session for a ring that believes no host, plain calls for the others. Who
 * comes by a socket has nothing that could open a session: CliError, before anything of the message was sent.
 */
export async function withSigningService<Result>(
  attested: AttestedClient,
  connection: Connection,
  { key, attestation: known }: AttestedKey,
  use: (service: SealwrightClient) => Promise<Result>,
): Promise<Result> {
  const { endpoint } = connection;
  if (believesHost(key)) return use(attested.service);
  if (endpoint.kind === 'socket') {
    const { status, message, facts } = explainRefusal(peerRefusal(key), false);
    throw new CliError({ status, problem: message, wayOut: CERTIFICATE, facts });
  }
  const { withSession } = await import('./session-signing.ts');
  return withSession(connection, endpoint, { attested, known }, use);
}
