/** The way in: one connection to one service whose enclave meets what the caller trusts. */
import type { AppraisalPolicy } from '../../verifier/index.ts';
import { AttestedClient, OneCluster, type Attestation } from '../attested.ts';
import { Checkpoints } from '../checkpoints.ts';
import { SealwrightClient } from '../client.ts';
import { GrpcTransport, type Endpoint } from '../grpc-transport.ts';
import { callerIdentity } from '../session/caller.ts';
import { carrierOver } from '../session/carrier.ts';
import { openOrGiveUp } from '../session/open-session.ts';
import type { Session } from '../session/session.ts';
import { SessionTransport } from '../session/session-transport.ts';
import { HostTransport } from '../session/weather.ts';
import { explaining } from './errors.ts';
import { persist } from './persist.ts';
import { Sealwright, type Connection } from './sealwright.ts';

const DEFAULT_CONNECT_MS = 10_000;

/** Who calls: PEM bytes, not paths. */
export interface Identity {
  /** The caller's certificate, and those between it and a root of the policy: leaf first. */
  readonly cert: Uint8Array;
  /** Private key of the leaf: P-256, P-384, P-521, Ed25519 or RSA; PKCS#8 or SEC 1. */
  readonly key: Uint8Array;
  /**
   * Authorities that the host's own certificate may come from; those that Node trusts without it. They say nothing about the
   * enclave.
   */
  readonly ca?: Uint8Array;
}

export interface ConnectOptions {
  /** HOST:PORT, or `unix:PATH`. */
  readonly address: string;
  /** What the enclave must be: parseAppraisalPolicy makes it of a reference file. Nothing is pinned at first sight. */
  readonly trust: AppraisalPolicy;
  /**
   * Opens sessions: the host sees and decides nothing. Without one, which only `unix:PATH` allows, calls are plain, and the
   * permission to open the socket is who calls: rank `peer`.
   */
  readonly identity?: Identity;
  /** `lastCheckpoint` of an earlier connection to this cluster: a log that does not continue it is not believed. */
  readonly lastCheckpoint?: string;
  /** Until the first evidence was believed and the first session is open. */
  readonly timeoutMs?: number;
}

/**
 * Connects: verifies evidence before anything else is asked, then opens a session. Rejects with SecurityError when the
 * enclave is not what `trust` says, or its log not the one of `lastCheckpoint`; with UnavailableError when none answered in
 * time, or no session was opened; with RequestError when the identity is none, or `lastCheckpoint` too large, and TypeError when
 * an identity is missing.
 */
export async function connect(options: ConnectOptions): Promise<Sealwright> {
  const { timeoutMs = DEFAULT_CONNECT_MS } = options;
  const connection = connectionOf(options);
  try {
    const attestation = await explaining(() => persist(timeoutMs, () => connection.open()));
    return new Sealwright(connection, attestation);
  } catch (error) {
    await connection.transport.close();
    throw error;
  }
}

function connectionOf(options: ConnectOptions): Connection {
  const { identity } = options;
  const endpoint = endpointOf(options);
  if (identity === undefined) return plainConnection(options, new GrpcTransport(endpoint));
  const caller = callerIdentity(identity.cert, identity.key);
  const grpc = new GrpcTransport(endpoint);
  const host = new HostTransport(grpc);
  const untrusted = new SealwrightClient(host);
  const checkpoints = new Checkpoints(untrusted, options.lastCheckpoint);
  const cluster = new OneCluster();
  const evidence = new AttestedClient(untrusted, options.trust, cluster);
  const source = {
    attest: () => evidence.attest(),
    identity: caller,
    carrier: carrierOver(grpc),
    checkpoints,
  };
  const sessions = new SessionTransport(host, () => openOrGiveUp(source));
  const service = new SealwrightClient(sessions);
  const attested = new AttestedClient(service, options.trust, cluster);
  const open = async (): Promise<Attestation> => (await sessions.session()).attestation;
  const session = (): Session | undefined => sessions.current;
  return { transport: sessions, service, attested, checkpoints, plain: false, open, session };
}

/** What the caller chose with a socket and no identity. */
function plainConnection(
  { trust, lastCheckpoint }: ConnectOptions,
  grpc: GrpcTransport,
): Connection {
  const service = new SealwrightClient(grpc);
  const attested = new AttestedClient(service, trust);
  const checkpoints = new Checkpoints(service, lastCheckpoint);
  const open = async (): Promise<Attestation> => {
    const attestation = await attested.attest();
    const before = await checkpoints.newest(attestation.log);
    if (before !== undefined) {
      await checkpoints.meet(await service.getCheckpoint(), attestation, before);
    }
    return attestation;
  };
  const session = (): undefined => undefined;
  return { transport: grpc, service, attested, checkpoints, plain: true, open, session };
}

const SOCKET = 'unix:';

function endpointOf({ address, identity }: ConnectOptions): Endpoint {
  if (address.startsWith(SOCKET)) return { kind: 'socket', path: address.slice(SOCKET.length) };
  if (identity === undefined) throw new TypeError('identity is required for HOST:PORT');
  return { kind: 'tls', address, ...identity };
}
