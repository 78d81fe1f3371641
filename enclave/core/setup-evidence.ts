/** Evidence before a cluster exists, for genesis (PROTOCOLS §2; docs/spec/evidence.md). */
import { type Ports } from '../ports.ts';
import { canonicalize } from '../wire/signed-json.ts';
import { encodeSetupClaims, type ProposalClaims } from './evidence-claims.ts';
import {
  bundleBase,
  FreshQuota,
  memoryKey,
  orUnavailable,
  platformEvidence,
  requireNonce,
} from './evidence-parts.ts';

const NO_NONCE = new Uint8Array(0);

/** Evidence before a cluster exists: the nonce, when there is one, is answered by the platform itself. */
export class SetupEvidenceIssuer {
  readonly #ports: Ports;
  readonly #instanceId: Uint8Array;
  readonly #hpke = memoryKey('x25519');
  readonly #quota = new FreshQuota();
  #proposal: ProposalClaims | undefined;

  constructor(ports: Ports, instanceId: Uint8Array) {
    this.#ports = ports;
    this.#instanceId = instanceId;
  }

  /** Evidence over what is proposed now; from then on every evidence names it. An older proposal stands when this throws. */
  async propose(proposal: ProposalClaims): Promise<Uint8Array> {
    const evidence = await this.#issue(NO_NONCE, proposal);
    this.#proposal = proposal;
    return evidence;
  }

  async bundle(nonce: Uint8Array): Promise<Uint8Array> {
    if (nonce.byteLength > 0) requireNonce(nonce);
    return this.#issue(nonce, this.#proposal);
  }

  async #issue(nonce: Uint8Array, proposal: ProposalClaims | undefined): Promise<Uint8Array> {
    const { attester, clock } = this.#ports;
    this.#quota.take(clock.monotonicMs());
    const claims = encodeSetupClaims({
      instanceId: this.#instanceId,
      platform: attester.identity,
      // No session is opened with it.
      suite: 1,
      hpkeKey: this.#hpke.publicKey,
      hardening: this.#ports.process.hardening(),
      issuedAt: clock.wallMs(),
      nonce: nonce.byteLength === 0 ? undefined : nonce,
      proposal,
    });
    const quote = await orUnavailable(platformEvidence(attester, 'setup', claims));
    return canonicalize(bundleBase(attester, claims, quote));
  }
}
