/**
 * The client library's sessions with an enclave in this process. What the host does to them in between is the test's to say;
 * how evidence is verified is tested elsewhere.
 */
import { leafHash } from '../../enclave/log/tree.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import { Refusal, type Reason } from '../../enclave/wire/error-code.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import type { SuiteNumber } from '../../enclave/wire/session/suites.ts';
import { canonicalize } from '../../enclave/wire/signed-json.ts';
import type { Attestation } from '../../src/client/attested.ts';
import { Checkpoints } from '../../src/client/checkpoints.ts';
import { SealwrightClient } from '../../src/client/client.ts';
import type { Carrier } from '../../src/client/session/carrier.ts';
import { openOrGiveUp } from '../../src/client/session/open-session.ts';
import type { Session } from '../../src/client/session/session.ts';
import { SessionTransport } from '../../src/client/session/session-transport.ts';
import { HostTransport, throughHost } from '../../src/client/session/weather.ts';
import { SignerError } from '../../src/client/signer-error.ts';
import { parseClaims } from '../../src/verifier/claims.ts';
import { World, type Running } from './fakes/world.ts';
import { claimsOf } from './log-audit.ts';
import { proofHost } from './proof-host.ts';
import {
  acceptIn,
  openRequest,
  recordRequest,
  recordsIn,
  targetFrom,
  testIdentity,
} from './session-caller.ts';

const HOUR_MS = 3_600_000;
const GRPC_UNAUTHENTICATED = 16;

/** As plain gRPC tells a refusal, or what a host made up. */
export function hostSays(reason: Reason): SignerError {
  const facts = { reason, retryable: false, grpcStatus: GRPC_UNAUTHENTICATED, metadata: {} };
  return new SignerError('the host says no', facts);
}

type Answers = readonly Uint8Array[];

/** What a host may do: each gets the truth, and gives what it likes. */
export interface Host {
  open(
    message: Uint8Array,
    truth: (message: Uint8Array) => Promise<Uint8Array>,
  ): Promise<Uint8Array>;
  /** One record. */
  call(record: Uint8Array, truth: (record: Uint8Array) => Promise<Answers>): Promise<Answers>;
}

export const HONEST: Host = {
  open: (message, truth) => truth(message),
  call: (record, truth) => truth(record),
};

/** A caller `ci`, its enclave with rings `release` (for sessions alone) and `batch`, and a host between them. */
export class SessionBed {
  readonly world: World;
  running: Running;
  host: Host = HONEST;
  /** Of the evidence: what a test wants a session to rest on. */
  evidenceMs = HOUR_MS;
  /** Thrown in place of evidence. */
  doubt: Error | undefined;
  identity = testIdentity('ci');
  opened = 0;
  /** Nothing but proofs of the log travels beside a session here. */
  readonly beside = proofHost(() => this.world.logStore.leaves.map(leafHash));
  readonly checkpoints = new Checkpoints(
    new SealwrightClient(new HostTransport(this.beside)),
    undefined,
  );

  private constructor(world: World, running: Running) {
    this.world = world;
    this.running = running;
  }

  static async start(suite: SuiteNumber = 1): Promise<SessionBed> {
    const world = new World('session bed');
    world.suite = suite;
    const running = await world.begin({
      release: { algorithm: 'EdDSA', lowestRank: 'session' },
    });
    return new SessionBed(world, running);
  }

  open(): Promise<Session> {
    return openOrGiveUp({
      attest: () => this.#attest(),
      identity: this.identity,
      carrier: this.carrier,
      checkpoints: this.checkpoints,
    });
  }

  transport(): SessionTransport {
    return new SessionTransport(new HostTransport(this.beside), () => this.open());
  }

  get carrier(): Carrier {
    return {
      open: (message) =>
        throughHost(async () => {
          this.opened += 1;
          return this.host.open(message, async (true_) =>
            acceptIn(await this.#ask(METHODS.openSession, openRequest(true_))),
          );
        }),
      carry: async (records, take) => {
        for (const record of records) {
          const answers = await throughHost(() =>
            this.host.call(record, async (true_) =>
              recordsIn(await this.#ask(METHODS.callSession, recordRequest(true_))),
            ),
          );
          if (take(answers)) return;
        }
      },
    };
  }

  /** The only host in between speaks plain gRPC, so a refusal loses its details. */
  async #ask(method: string, body: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.running.call(method, body);
    } catch (error) {
      throw error instanceof Refusal ? hostSays(error.reason) : error;
    }
  }

  async #attest(): Promise<Attestation> {
    if (this.doubt !== undefined) throw this.doubt;
    const json = await claimsOf(this.running);
    const claims = parseClaims(canonicalize(json));
    if (claims.kind !== 'evidence') throw new RangeError('no cluster');
    const { evidenceDigest } = targetFrom(json);
    const log = { origin: claims.logOrigin, publicKey: claims.logKey };
    const believed = { ...claims, notAfterMs: Date.now() + this.evidenceMs };
    return { claims: believed, evidence: { evidenceDigest }, log } as Attestation;
  }
}

/** Names of sessions that the records are of. */
export const sessionOf = ({ facts }: Session): string => toHex(facts.sessionId);
