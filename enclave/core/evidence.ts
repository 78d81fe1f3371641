/**
 * Evidence of a serving enclave: identity key and HPKE key in memory only, claims, quote, freshness, and
 * the statements by which it vouches for its public keys (PROTOCOLS §2, §3; docs/spec/evidence.md).
 */
import { sign } from 'node:crypto';
import { PlatformFailure, type Ports } from '../ports.ts';
import { toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  evidenceDigestInput,
  freshnessInput,
  keysDigestInput,
  keyStatementInput,
} from '../wire/layouts.ts';
import { MAX_RENEWAL_PAUSE_MS, RENEWAL_PAUSE_MS } from '../wire/limits.ts';
import { canonicalize, type SignedJson } from '../wire/signed-json.ts';
import { genesisCertificate, type Cluster } from './cluster.ts';
import { encodeServingClaims, EVIDENCE_MAX_AGE_MS } from './evidence-claims.ts';
import { genesisDigest } from './genesis-manifest.ts';
import { sha256 } from './kdf.ts';
import type { InForce } from './in-force.ts';
import type { KeyRing, OpenKey } from './key-ring.ts';
import { Hpke, type HpkePair } from '../wire/session/hpke.ts';
import { isHostAsserted } from '../wire/policy/ring.ts';
import { OpeningKeys } from './sessions/opening-keys.ts';
import { SeenOpenings } from './sessions/seen-openings.ts';
import {
  bundleBase,
  FreshQuota,
  memoryKey,
  orUnavailable,
  platformEvidence,
  requireNonce,
  type InMemoryKey,
} from './evidence-parts.ts';

interface MemoryKeys {
  readonly identity: InMemoryKey;
  readonly hpke: HpkePair;
  /** Openings under the HPKE key. */
  readonly seen: SeenOpenings;
}

/** One set of claims with the keys that it names and what was made for it. */
interface Issued {
  readonly keys: MemoryKeys;
  readonly claims: Uint8Array;
  readonly digest: Uint8Array;
  readonly quote: Uint8Array;
  readonly notAfter: number;
  readonly issuedMonotonicMs: number;
  /** What it was issued for: nothing else is vouched for by it. */
  readonly inForce: InForce;
  readonly statements: WeakMap<OpenKey, KeyStatement>;
}

export interface KeyStatement {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
}

export class EvidenceIssuer {
  readonly #ports: Ports;
  readonly #cluster: Cluster;
  readonly #quota = new FreshQuota();
  /** What sessions may be opened with. */
  readonly openings = new OpeningKeys();
  readonly #hpke: Hpke;
  #drawnPair: Promise<HpkePair> | undefined;
  #current: Issued | undefined;
  #renewing = false;
  /** By the monotonic clock; never while the first evidence is still being made. */
  #renewAtMs = Infinity;
  #pauseMs = RENEWAL_PAUSE_MS;

  constructor(ports: Ports, cluster: Cluster) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#hpke = new Hpke(ports.suite);
  }

  /** Issues the first evidence. Throws PlatformFailure. */
  async start(): Promise<void> {
    this.#serve(await this.#issue(await this.#newKeys(), undefined));
  }

  /** The last renewal failed. */
  get renewalFails(): boolean {
    return this.#pauseMs > RENEWAL_PAUSE_MS;
  }

  /**
   * Replaces keys and claims at half their age, so that what is served has time left, also for a platform that is
   * away for a while; and when the HPKE key has opened as many sessions as it may. The old identity key goes with the
   * old claims, the old HPKE key stays for callers who verified those just before.
   */
  async renewWhenDue(): Promise<void> {
    const { clock } = this.#ports;
    this.openings.drop(clock.monotonicMs());
    const due = clock.monotonicMs() >= this.#renewAtMs || this.#keyUsedUp(clock.monotonicMs());
    if (this.#renewing || !due) return;
    this.#renewing = true;
    try {
      // Keys and claims change together: a statement never names claims whose key did not sign it.
      this.#serve(await this.#issue(await this.#newKeys(), undefined));
    } catch (error) {
      if (!(error instanceof PlatformFailure)) throw error;
      this.#renewAtMs = clock.monotonicMs() + this.#pauseMs;
      this.#pauseMs = Math.min(2 * this.#pauseMs, MAX_RENEWAL_PAUSE_MS);
    } finally {
      this.#renewing = false;
    }
  }

  /**
   * Evidence for what will be in force, so that no call meets it without: served by the function that this
   * resolves with. Where the platform does not answer, there is none until the next renewal.
   */
  async prepare(next: InForce): Promise<() => void> {
    try {
      const issued = await this.#issue(await this.#newKeys(), undefined, next);
      return () => {
        this.#serve(issued);
      };
    } catch (error) {
      if (!(error instanceof PlatformFailure)) throw error;
      return () => {
        this.#renewAtMs = -Infinity;
      };
    }
  }

  /** A key that admins have stopped since must not be vouched for by what was signed before. */
  #isOfNow({ inForce }: Issued): boolean {
    return inForce === this.#cluster.inForce;
  }

  /** Not while a platform that was away is given its pause. */
  #keyUsedUp(nowMs: number): boolean {
    return this.openings.usedUp && (!this.renewalFails || nowMs >= this.#renewAtMs);
  }

  async #newKeys(): Promise<MemoryKeys> {
    const hpke = await this.#takePair();
    return { identity: memoryKey('ed25519'), hpke, seen: new SeenOpenings() };
  }

  /** Drawn ahead, on another thread: an emergency does not wait for it. */
  #takePair(): Promise<HpkePair> {
    const drawn = this.#drawnPair ?? this.#hpke.generateKeyPair();
    this.#drawnPair = this.#hpke.generateKeyPair();
    // Whoever takes it is told.
    this.#drawnPair.catch(() => undefined);
    return drawn;
  }

  #serve(issued: Issued): void {
    // Asked for before admins changed something: what was issued for that change stands.
    if (!this.#isOfNow(issued)) return;
    this.#current = issued;
    const { clusterId } = this.#cluster.state;
    const target = { suite: this.#ports.suite, clusterId, evidenceDigest: issued.digest };
    const { hpke: pair, seen } = issued.keys;
    const key = { target, hpke: this.#hpke, pair, seen };
    this.openings.replace([key], this.#ports.clock.monotonicMs());
    this.#renewAtMs = issued.issuedMonotonicMs + EVIDENCE_MAX_AGE_MS / 2;
    this.#pauseMs = RENEWAL_PAUSE_MS;
  }

  /** Bundle for a nonce; empty: without freshness. `fresh` puts the nonce into claims of its own. */
  async bundle(nonce: Uint8Array, fresh: boolean): Promise<Uint8Array> {
    if (nonce.byteLength > 0 || fresh) requireNonce(nonce);
    if (fresh) this.#quota.take(this.#ports.clock.monotonicMs());
    const current = this.#issued;
    const issued = fresh ? await orUnavailable(this.#issue(current.keys, nonce)) : current;
    // The platform took its time, and admins changed something meanwhile.
    if (!this.#isOfNow(issued)) throw new Refusal('EVIDENCE_STALE');
    return canonicalize({
      ...bundleBase(this.#ports.attester, issued.claims, issued.quote),
      genesis: genesisCertificate(this.#cluster.genesis),
      ...(nonce.byteLength === 0 ? {} : { freshness: this.#freshness(issued, nonce) }),
    });
  }

  /** The statement of one published key, bound to the current evidence. */
  keyStatement(ring: KeyRing, key: OpenKey): KeyStatement {
    const { statements, digest, notAfter, keys } = this.#issued;
    // By object: a key in another state is another one, and has another statement.
    const known = statements.get(key);
    if (known !== undefined) return known;
    const statement = canonicalize({
      v: 1,
      clusterId: toHex(this.#cluster.state.clusterId),
      evidenceDigest: toHex(digest),
      ring: ring.scope.name,
      version: key.record.version,
      kid: key.kid,
      alg: ring.scope.algorithm,
      publicKey: toHex(key.record.publicKey),
      residency: ring.scope.residency,
      scope: {
        payload: ring.scope.payloadKind,
        lowestRank: ring.scope.lowestRank,
        hostAsserted: isHostAsserted(ring.scope.lowestRank),
      },
      state: key.record.state,
      notAfter,
    });
    const signature = sign(null, keyStatementInput(statement), keys.identity.privateKey);
    const made = { statement, signature };
    statements.set(key, made);
    return made;
  }

  get #issued(): Issued {
    const current = this.#current;
    if (current === undefined) throw new Refusal('ENCLAVE_NOT_READY');
    const ageMs = this.#ports.clock.monotonicMs() - current.issuedMonotonicMs;
    if (ageMs >= EVIDENCE_MAX_AGE_MS || !this.#isOfNow(current)) {
      throw new Refusal('EVIDENCE_STALE');
    }
    return current;
  }

  #freshness(issued: Issued, nonce: Uint8Array): SignedJson {
    const timeMs = this.#ports.clock.wallMs();
    const input = freshnessInput(issued.digest, nonce, timeMs);
    const signature = sign(null, input, issued.keys.identity.privateKey);
    return { nonce: toHex(nonce), timeMs, signature: toHex(signature) };
  }

  async #issue(
    keys: MemoryKeys,
    nonce: Uint8Array | undefined,
    inForce = this.#cluster.inForce,
  ): Promise<Issued> {
    const { attester, clock, anchor } = this.#ports;
    const { state, token, genesis, instanceId } = this.#cluster;
    const { policy, rings } = inForce;
    const issuedAt = clock.wallMs();
    const issuedMonotonicMs = clock.monotonicMs();
    const claims = encodeServingClaims({
      instanceId,
      platform: attester.identity,
      suite: this.#ports.suite,
      hpkeKey: keys.hpke.publicKey,
      hardening: this.#ports.process.hardening(),
      issuedAt,
      nonce,
      clusterId: state.clusterId,
      clusterNonce: genesis.clusterNonce,
      genesisDigest: genesisDigest(genesis.manifest),
      bootEpoch: this.#cluster.bootEpoch,
      identityKey: keys.identity.publicKey,
      logOrigin: this.#cluster.logOrigin,
      logKey: this.#cluster.logKey,
      checkpoint: this.#cluster.log.checkpoint,
      policyVersion: policy.version,
      policyDigest: inForce.digest,
      keysDigest: keysDigest(rings),
      hostAssertedRings: policy.rings
        .filter((ring) => isHostAsserted(ring.lowestRank))
        .map((ring) => ring.name)
        .sort(),
      token: token.info,
      anchor: anchor.kind,
    });
    return {
      keys,
      claims,
      digest: sha256(evidenceDigestInput(claims)),
      quote: await platformEvidence(attester, 'evidence', claims),
      notAfter: issuedAt + EVIDENCE_MAX_AGE_MS,
      issuedMonotonicMs,
      inForce,
      statements: new WeakMap(),
    };
  }
}

function keysDigest(rings: ReadonlyMap<string, KeyRing>): Uint8Array {
  const ordered = [...rings.values()].sort((a, b) => (a.scope.name < b.scope.name ? -1 : 1));
  const published = ordered.flatMap((ring) =>
    ring.keys.map((key) => ({
      ring: ring.scope.name,
      version: key.record.version,
      kid: key.kid,
      publicKey: key.record.publicKey,
    })),
  );
  return sha256(keysDigestInput(published));
}
