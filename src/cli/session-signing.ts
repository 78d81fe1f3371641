/**
 * A session for one command: opened with the evidence that vouched for the ring's key, ended with the command. Loaded
 * only for rings that no plain call may use.
 */
import { MAX_OPENINGS_PER_SECOND } from '../../enclave/wire/limits.ts';
import type { AttestedClient, Attestation } from '../client/attested.ts';
import { Checkpoints } from '../client/checkpoints.ts';
import { SealwrightClient } from '../client/client.ts';
import type { Endpoint } from '../client/grpc-transport.ts';
import { RequestError } from '../client/sdk/errors.ts';
import { callerIdentity } from '../client/session/caller.ts';
import { carrierOver } from '../client/session/carrier.ts';
import { NotOpened } from '../client/session/not-opened.ts';
import { openOrGiveUp } from '../client/session/open-session.ts';
import { SessionTransport } from '../client/session/session-transport.ts';
import { HostTransport } from '../client/session/weather.ts';
import { CliError, usageError } from './cli-error.ts';
import type { Connection } from './connection.ts';
import { EXIT } from './exit-status.ts';

/** Runs `use` with a client of calls inside of the session. Throws CliError, SignerError and NotBelieved. */
export async function withSession<Result>(
  { grpc }: Connection,
  { cert, key }: Extract<Endpoint, { kind: 'tls' }>,
  { attested, known }: { readonly attested: AttestedClient; readonly known: Attestation },
  use: (service: SealwrightClient) => Promise<Result>,
): Promise<Result> {
  const host = new HostTransport(grpc);
  const evidence = [known];
  const source = {
    // What is a moment old is good enough, once.
    attest: async () => evidence.pop() ?? (await attested.attest()),
    identity: identityOf(cert, key),
    carrier: carrierOver(grpc),
    checkpoints: new Checkpoints(new SealwrightClient(host), undefined),
  };
  const sessions = new SessionTransport(host, () => openOrGiveUp(source));
  try {
    await sessions.session().catch(explainNotOpened);
    return await use(new SealwrightClient(sessions));
  } finally {
    await sessions.current?.retire();
  }
}

function identityOf(cert: Uint8Array, key: Uint8Array): ReturnType<typeof callerIdentity> {
  try {
    return callerIdentity(cert, key);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw usageError(
      error.message,
      'certificate chain and key of a caller',
      'check --cert and --key',
    );
  }
}

function explainNotOpened(error: unknown): never {
  if (!(error instanceof NotOpened)) throw error;
  throw new CliError({
    status: EXIT.refused,
    problem: 'no session was opened, with evidence verified anew each time',
    expected: `a certificate of a caller in the policy, with time left, and at most ${String(MAX_OPENINGS_PER_SECOND)} sessions a second for one caller`,
    wayOut:
      '"npx sealwright policy explain --policy FILE --caller CERT" tells what a policy makes of a certificate; ' +
      'the host can refuse sessions too: try another one',
    facts: { reason: 'SESSION_REFUSED', retryable: true },
  });
}
