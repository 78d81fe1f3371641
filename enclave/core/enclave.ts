/** The enclave as one object: a call in, an answer or a refusal out. No sockets, no processes. */
import { Refusal, type Alarm } from '../wire/error-code.ts';
import { CommitGenesisResponse } from '../wire/gen/sealwright/v1/genesis.ts';
import { GetEvidenceRequest, GetEvidenceResponse } from '../wire/gen/sealwright/v1/attestation.ts';
import { CallSignedRequest, CallSignedResponse } from '../wire/gen/sealwright/v1/session.ts';
import { GetStatusResponse, type Phase as WirePhase } from '../wire/gen/sealwright/v1/status.ts';
import type { IncomingCall } from '../wire/link.ts';
import { MAX_CHAIN_LENGTH } from '../wire/limits.ts';
import { HOST_METHODS, maxRequestBytes, METHODS, SIGNED_CALLS } from '../wire/methods.ts';
import { boot } from './boot.ts';
import { INSTANCE_ID_BYTES, type Cluster } from './cluster.ts';
import type { Ports } from '../ports.ts';
import { explain } from './explain.ts';
import { EvidenceIssuer } from './evidence.ts';
import { SetupEvidenceIssuer } from './setup-evidence.ts';
import { commitGenesis } from './genesis.ts';
import { GenesisService, type ApprovedGenesis } from './genesis-service.ts';
import { Halt, Lifecycle, PHASES, type Command } from './lifecycle.ts';
import { getKey, listKeys } from './key-service.ts';
import { decoded } from './requests.ts';
import { LogHead } from './log-head.ts';
import { SigningService } from './signing-service.ts';
import { asHalt } from './as-halt.ts';
import { knownCaller } from './in-force.ts';
import { SessionService, type ServiceCall } from './sessions/session-service.ts';
import { SignedCalls } from './signed-calls.ts';
import { PolicyService } from './policy-service.ts';

/** An open cluster and what vouches for it. */
interface Serving {
  readonly cluster: Cluster;
  readonly evidence: EvidenceIssuer;
  readonly signing: SigningService;
  readonly policy: PolicyService;
  readonly sessions: SessionService;
  readonly signedCalls: SignedCalls;
  readonly head: LogHead;
}

/** Before there is a cluster. */
interface Setup {
  readonly evidence: SetupEvidenceIssuer;
  readonly genesis: GenesisService;
}

export class Enclave {
  readonly #ports: Ports;
  readonly #lifecycle = new Lifecycle();
  #serving: Serving | undefined;
  #setup: Setup | undefined;
  #commits = 0;
  readonly #onLogFailure = (error: unknown): void => {
    void this.#halt(error);
  };

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** From `booting` to `serving`, `setup` or `halted`. Never rejects. */
  async boot(): Promise<void> {
    try {
      const { fault } = this.#ports.process;
      if (fault !== undefined) throw new Halt(fault.reason, fault.details);
      const found = await boot(this.#ports, this.#onLogFailure);
      if (found === 'setup') {
        const instanceId = this.#ports.entropy.bytes(INSTANCE_ID_BYTES);
        const evidence = new SetupEvidenceIssuer(this.#ports, instanceId);
        this.#setup = { evidence, genesis: new GenesisService(this.#ports, evidence) };
        this.#advance('setup');
      } else await this.#serve(found);
    } catch (error) {
      await this.#halt(error);
    }
  }

  /** Answers one call. Throws Refusal; anything else is a bug and becomes INTERNAL. */
  handle(call: IncomingCall): Uint8Array | Promise<Uint8Array> {
    checkSize(call);
    switch (call.method) {
      case METHODS.openSession:
        return this.#openSession(call.body);
      case METHODS.callSession:
      case METHODS.streamSession:
        return this.#require('sign').sessions.call(call.body, () => call.cancelled);
      case METHODS.callSigned:
        return this.#callSigned(call);
      case METHODS.proposeGenesis:
        return this.#proposeGenesis(call.body);
      case METHODS.commitGenesis:
        return this.#commitGenesis(call.body);
      case HOST_METHODS.drained:
        return this.writeLogHead().then(() => EMPTY);
      default:
        return this.#carryOut(this.#plain(call));
    }
  }

  /** A call for which the host's word says who asks. */
  #plain(call: IncomingCall): ServiceCall {
    const { clock } = this.#ports;
    const deadline = clock.monotonicMs() + call.timeoutMs;
    return {
      method: call.method,
      body: call.body,
      whoAsks: ({ callers }) => callers.identify(call.untrustedCaller, this.#nowMs()),
      stillWanted: () => !call.cancelled && clock.monotonicMs() <= deadline,
    };
  }

  /** The enclave's time; its clock's while no cluster is open. */
  #nowMs(): number {
    return this.#serving?.cluster.time.nowMs() ?? this.#ports.clock.wallMs();
  }

  /** A call of the service, however it came. Throws Refusal. */
  #carryOut(call: ServiceCall): Uint8Array | Promise<Uint8Array> {
    checkRequestSize(call);
    const { method, body } = call;
    switch (method) {
      case METHODS.sign:
      case METHODS.signBatch:
        return this.#sign(call);
      case METHODS.getKey: {
        const { cluster, evidence } = this.#require('keys');
        return getKey(cluster, evidence, body);
      }
      case METHODS.listKeys: {
        const { cluster, evidence } = this.#require('keys');
        return listKeys(cluster, evidence, body);
      }
      case METHODS.explain: {
        const { cluster } = this.#require('keys');
        return explain(cluster.inForce, body, call.whoAsks, cluster.time.nowMs());
      }
      case METHODS.getPolicy:
        return this.#require('keys').policy.get(body);
      case METHODS.applyPolicy:
      case METHODS.applyEmergency:
        return this.#administer(call);
      case METHODS.getEvidence:
        return this.#evidence(body);
      case METHODS.getStatus:
        return this.#status();
      default:
        throw new Refusal('METHOD_UNKNOWN');
    }
  }

  /** What is in flight ends; health says so, and the host sends no more. */
  startDraining(): void {
    // Signals come when they like, and more than once.
    const { phase } = this.#lifecycle;
    if (phase !== 'halted' && phase !== 'draining') this.#lifecycle.enter('draining');
  }

  /** The index names the log as it is now; what would not be named must be read back at the next boot. Never rejects. */
  async writeLogHead(): Promise<void> {
    try {
      await this.#serving?.head.write();
    } catch (error) {
      await this.#halt(error);
    }
  }

  /** A genesis is under way: ended now, its token would be initialised and its PINs lost. */
  get bearing(): boolean {
    return this.#commits > 0;
  }

  /** Logs out of the token. Nothing may be called any more. */
  async close(): Promise<void> {
    await this.#serving?.cluster.token.close();
  }

  /** Called every second or so: what is due by the monotonic clock. Never rejects. */
  async tick(): Promise<void> {
    try {
      const serving = this.#serving;
      serving?.signing.logRefusals();
      serving?.sessions.tick();
      await serving?.evidence.renewWhenDue();
      await serving?.head.writeWhenDue();
    } catch (error) {
      await this.#halt(error);
    }
  }

  #allow(command: Command): void {
    if (this.#lifecycle.allows(command)) return;
    const halted = this.#lifecycle.haltedBy;
    if (halted !== undefined) throw new Refusal('ENCLAVE_HALTED', { haltReason: halted.reason });
    if (command === 'genesis' && this.#serving !== undefined) {
      throw new Refusal('GENESIS_NOT_ALLOWED');
    }
    throw new Refusal('ENCLAVE_NOT_READY', { actual: this.#lifecycle.phase });
  }

  #require(command: Command): Serving {
    this.#allow(command);
    if (this.#serving === undefined) throw new Refusal('ENCLAVE_NOT_READY');
    return this.#serving;
  }

  async #serve(cluster: Cluster): Promise<void> {
    const evidence = new EvidenceIssuer(this.#ports, cluster);
    const signing = new SigningService(this.#ports, cluster);
    const head = new LogHead(this.#ports, cluster);
    const policy = new PolicyService(this.#ports, cluster, evidence, (error) => this.#halt(error));
    const sessions = new SessionService(this.#ports, cluster, evidence.openings, (call) =>
      this.#carryOut(call),
    );
    const signedCalls = new SignedCalls(
      {
        clusterId: cluster.state.clusterId,
        isCallable: (method) => SIGNED_CALLS.has(method),
        identify: (certificates, nowMs) => knownCaller(cluster.inForce, certificates, nowMs),
      },
      cluster.time.nowMs(),
    );
    this.#serving = { cluster, evidence, signing, policy, sessions, signedCalls, head };
    void cluster.token.broken.then((failure) => this.#halt(failure));
    this.#setup = undefined;
    this.#advance('unsealed');
    await evidence.start();
    this.#advance('attested');
    this.#advance('serving');
  }

  /** A signal may have come while something was awaited: what drains goes on draining, and is no broken invariant. */
  #advance(next: 'setup' | 'unsealed' | 'attested' | 'serving'): void {
    if (this.#lifecycle.phase !== 'draining') this.#lifecycle.enter(next);
  }

  async #halt(error: unknown): Promise<void> {
    this.#lifecycle.halt(asHalt(error));
    const serving = this.#serving;
    this.#serving = undefined;
    this.#setup = undefined;
    serving?.cluster.log.stop();
    // A pool that does not close can't keep the enclave from being halted.
    await serving?.cluster.token.close().catch(() => undefined);
  }

  async #sign({ method, body, whoAsks, requestId, stillWanted }: ServiceCall): Promise<Uint8Array> {
    const { signing } = this.#require('sign');
    const answer =
      method === METHODS.signBatch
        ? await signing.signBatch(body, whoAsks, stillWanted)
        : await signing.sign(body, whoAsks, stillWanted, requestId);
    // A signature that was under way when the enclave halted stays here.
    this.#allow('sign');
    return answer;
  }

  async #openSession(body: Uint8Array): Promise<Uint8Array> {
    const { sessions } = this.#require('sign');
    try {
      const answer = await sessions.open(body);
      // Another opening may have proved a rollback meanwhile: an Accept carries a head of the log.
      this.#allow('sign');
      return answer;
    } catch (error) {
      if (!(error instanceof Halt)) throw error;
      await this.#halt(error);
      return this.#halted();
    }
  }

  #halted(): never {
    const reason = this.#lifecycle.haltedBy?.reason;
    throw new Refusal('ENCLAVE_HALTED', reason === undefined ? {} : { haltReason: reason });
  }

  async #callSigned(call: IncomingCall): Promise<Uint8Array> {
    const { cluster, signedCalls } = this.#require('sign');
    const signed = decoded((input) => CallSignedRequest.decode(input), call.body);
    const { caller, method, request, timeoutMs } = signedCalls.admit(signed, cluster.time.nowMs());
    const plain = this.#plain({ ...call, timeoutMs: Math.min(timeoutMs, call.timeoutMs) });
    const response = await this.#carryOut({
      ...plain,
      stillWanted: () => !call.cancelled && plain.stillWanted(),
      method,
      body: request,
      whoAsks: ({ callers }) => {
        if (!callers.stillNames(caller)) throw new Refusal('CALLER_UNAUTHENTICATED');
        return { rank: 'signed', identity: caller.identity };
      },
    });
    return CallSignedResponse.encode({ response }).finish();
  }

  async #administer({ method, body }: ServiceCall): Promise<Uint8Array> {
    const { policy } = this.#require('administer');
    try {
      return await (method === METHODS.applyPolicy
        ? policy.apply(body)
        : policy.applyEmergency(body));
    } catch (error) {
      // Whatever failed: a halted enclave says so, and why.
      if (this.#lifecycle.haltedBy !== undefined) this.#allow('administer');
      throw error;
    }
  }

  #proposeGenesis(body: Uint8Array): Promise<Uint8Array> {
    this.#allow('genesis');
    return this.#requireSetup().genesis.propose(body);
  }

  async #commitGenesis(body: Uint8Array): Promise<Uint8Array> {
    this.#allow('genesis');
    const { genesis } = this.#requireSetup();
    this.#commits += 1;
    try {
      await genesis.commit(body, (approved) => this.#bear(approved));
    } finally {
      this.#commits -= 1;
    }
    const { cluster } = this.#require('sign');
    return CommitGenesisResponse.encode({
      clusterId: cluster.state.clusterId,
      tokenSerial: cluster.token.info.serial,
      rings: cluster.inForce.rings.size,
    }).finish();
  }

  async #bear(approved: ApprovedGenesis): Promise<void> {
    try {
      await this.#serve(await commitGenesis(this.#ports, approved, this.#onLogFailure));
    } catch (error) {
      await this.#halt(error);
      this.#allow('genesis');
    }
  }

  #requireSetup(): Setup {
    if (this.#setup === undefined) throw new Refusal('ENCLAVE_NOT_READY');
    return this.#setup;
  }

  async #evidence(body: Uint8Array): Promise<Uint8Array> {
    const request = decoded((input) => GetEvidenceRequest.decode(input), body);
    const nonce = Uint8Array.from(request.nonce);
    const bundle =
      this.#setup === undefined
        ? await this.#require('keys').evidence.bundle(nonce, request.fresh)
        : await this.#setup.evidence.bundle(nonce);
    // The platform may have taken its time: nothing vouches for a halted enclave.
    if (this.#lifecycle.haltedBy !== undefined) this.#allow('keys');
    return GetEvidenceResponse.encode({ bundle }).finish();
  }

  #status(): Uint8Array {
    const { identity } = this.#ports.attester;
    const halted = this.#lifecycle.haltedBy;
    const { cluster, evidence } = this.#serving ?? {};
    const alarms: Alarm[] = evidence?.renewalFails === true ? ['EVIDENCE_RENEWAL_FAILS'] : [];
    if (cluster?.token.signedWrong() === true) alarms.push('HSM_SIGNATURE_WRONG');
    return GetStatusResponse.encode({
      phase: (PHASES.indexOf(this.#lifecycle.phase) + 1) as WirePhase,
      haltReason: halted?.reason ?? '',
      haltDetails: { ...halted?.details },
      clusterId: cluster?.state.clusterId ?? EMPTY,
      platform: identity.kind,
      simulated: identity.simulated,
      measurements: [...identity.measurements],
      epoch: cluster?.state.index.epoch ?? 0n,
      rings: cluster?.inForce.rings.size ?? 0,
      instanceId: cluster?.instanceId ?? EMPTY,
      tokenSerial: cluster?.token.info.serial ?? '',
      workersReady: cluster?.token.workersReady() ?? 0,
      hardening: [...this.#ports.process.hardening()],
      alarms,
    }).finish();
  }
}

const EMPTY = new Uint8Array(0);

/** Empty ones take two bytes of a frame and a hundred of memory. Throws Refusal. */
function checkSize(call: IncomingCall): void {
  if ((call.untrustedCaller?.certificates.length ?? 0) > MAX_CHAIN_LENGTH) {
    throw new Refusal('CALLER_UNAUTHENTICATED', { policyId: 'caller', actual: 'chain-length' });
  }
  checkRequestSize(call);
}

/** The host checks it too, in its own interest; here it bounds what calls in flight hold. Throws Refusal. */
function checkRequestSize({ method, body }: Pick<ServiceCall, 'method' | 'body'>): void {
  const limitBytes = maxRequestBytes(method);
  if (body.byteLength <= limitBytes) return;
  throw new Refusal('FRAME_TOO_LARGE', {
    limitBytes: String(limitBytes),
    actualBytes: String(body.byteLength),
  });
}
