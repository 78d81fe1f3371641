/** The way in: one connection to one service whose enclave meets what the caller trusts. */
import { AttestedClient, type Attestation } from '../attested.ts';
import { SealwrightClient, type Endpoint } from '../client.ts';
import type { AppraisalPolicy } from '../../verifier/index.ts';
import { explaining } from './errors.ts';
import { persist } from './persist.ts';
import { Signer } from './signer.ts';
import { TrustedKeys } from './trusted-keys.ts';

const DEFAULT_CONNECT_MS = 10_000;

/** Who calls: PEM bytes, not paths. */
export interface Identity {
  readonly cert: Uint8Array;
  /** PKCS#8 or SEC 1. */
  readonly key: Uint8Array;
  /** Authorities that the host's own certificate may come from. They say nothing about the enclave. */
  readonly ca: Uint8Array;
}

export interface ConnectOptions {
  /** HOST:PORT; or `unix:PATH`, where the permission to open the socket is the identity. */
  readonly address: string;
  /** What the enclave must be: parseAppraisalPolicy makes it of a reference file. Nothing is pinned at first sight. */
  readonly trust: AppraisalPolicy;
  /** Required, except for a Unix socket. */
  readonly identity?: Identity;
  /** Until the first evidence was believed. */
  readonly timeoutMs?: number;
}

/** A service whose enclave was believed when the connection was made, and is asked again for each key. */
export class Sealwright {
  readonly #service: SealwrightClient;
  readonly #keys: TrustedKeys;
  /** What was believed at first. */
  readonly attestation: Attestation;

  /** @internal */
  constructor(service: SealwrightClient, attested: AttestedClient, attestation: Attestation) {
    this.#service = service;
    this.#keys = new TrustedKeys(attested);
    this.attestation = attestation;
  }

  /** Asks nothing yet: a ring that is not there is told by the first call. */
  signer(ring: string): Signer {
    return new Signer(ring, this.#service, this.#keys);
  }

  close(): void {
    this.#service.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Connects, and verifies evidence before anything else is asked. Rejects with SecurityError when the enclave is not what
 * `trust` says, with UnavailableError when none answered in time, with RequestError when the options are wrong.
 */
export async function connect(options: ConnectOptions): Promise<Sealwright> {
  const service = new SealwrightClient(endpointOf(options));
  try {
    const attested = new AttestedClient(service, options.trust);
    const { timeoutMs = DEFAULT_CONNECT_MS } = options;
    const attestation = await explaining(() => persist(timeoutMs, () => attested.attest()));
    return new Sealwright(service, attested, attestation);
  } catch (error) {
    service.close();
    throw error;
  }
}

const SOCKET = 'unix:';

function endpointOf({ address, identity }: ConnectOptions): Endpoint {
  if (address.startsWith(SOCKET)) return { kind: 'socket', path: address.slice(SOCKET.length) };
  if (identity === undefined) throw new TypeError('identity is required for HOST:PORT');
  return { kind: 'tls', address, ...identity };
}
