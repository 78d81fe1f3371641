/** A connection to one service, as a caller has it. */
import type { Attestation, AttestedClient } from '../attested.ts';
import type { Checkpoints } from '../checkpoints.ts';
import type { SealwrightClient } from '../client.ts';
import type { Session } from '../session/session.ts';
import type { Transport } from '../transport.ts';
import { Signer } from './signer.ts';
import { TrustedKeys } from './trusted-keys.ts';

/** @internal */
export interface Connection {
  readonly transport: Transport;
  readonly service: SealwrightClient;
  readonly attested: AttestedClient;
  readonly checkpoints: Checkpoints;
  /** The host reads what is asked: no session is opened. */
  readonly plain: boolean;
  /** Verifies evidence, and opens what calls travel in. */
  readonly open: () => Promise<Attestation>;
  readonly session: () => Session | undefined;
}

/** What the enclave says of the session that calls begin in. */
export interface SessionInfo {
  /** Whom the policy takes the caller for. */
  readonly principal: string;
  /** By the enclave's clock. A successor is opened before. */
  readonly notAfter: Date;
  /** Of the policy that let the caller in. Every call is decided by the one of its moment. */
  readonly policyVersion: number;
}

/** A service whose enclave was believed when the connection was made, and is asked again for each session and each key. */
export class Sealwright {
  readonly #connection: Connection;
  readonly #keys: TrustedKeys;
  readonly #first: Attestation;

  /** @internal */
  constructor(connection: Connection, first: Attestation) {
    this.#connection = connection;
    this.#keys = new TrustedKeys(connection.attested);
    this.#first = first;
  }

  /** What was believed when the session was opened; over a plain socket: when the connection was. */
  get attestation(): Attestation {
    return this.#connection.session()?.attestation ?? this.#first;
  }

  /** Undefined over a plain socket, and after `close`. */
  get session(): SessionInfo | undefined {
    const facts = this.#connection.session()?.facts;
    if (facts === undefined) return undefined;
    const { principal, notAfterMs, policyVersion } = facts;
    return { principal, notAfter: new Date(notAfterMs), policyVersion };
  }

  /**
   * The newest checkpoint that was verified, a signed note: to be kept, and given to the next `connect`, so that no log that
   * was set back in between is believed.
   */
  get lastCheckpoint(): string | undefined {
    return this.#connection.checkpoints.note;
  }

  /** Asks nothing yet: a ring that is not there is told by the first call. */
  signer(ring: string): Signer {
    const { service, checkpoints, plain } = this.#connection;
    return new Signer(ring, { service, checkpoints, plain, keys: this.#keys });
  }

  /** Ends the session, and calls under way with it. */
  close(): void {
    void this[Symbol.asyncDispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** As `close`. Resolves when the enclave has heard of it, after a second at most. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection.transport.close();
  }
}
