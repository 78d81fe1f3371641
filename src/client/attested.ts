/**
 * The attested client: nothing that a host says about a key is believed. Evidence must answer a nonce drawn for
 * this one question and meet the caller's appraisal policy; a key counts when the enclave of that very evidence
 * signed a statement about it (docs/spec/key-statement.md).
 */
import { randomBytes } from 'node:crypto';
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import type { KnownLog } from '../tlog/verify-checkpoint.ts';
import {
  MalformedEvidence,
  appraise,
  decodeBundle,
  verifyEvidence,
  verifyKeyList,
  verifyKeyStatement,
  type AppraisalInput,
  type AppraisalPolicy,
  type AttestationResult,
  type Check,
  type KeyStatement,
  type ServingClaims,
  type VerifiedEvidence,
} from '../verifier/index.ts';
import type { SealwrightClient } from './client.ts';
import { NotBelieved, failedOf, formCheck, judge, requireAll } from './not-believed.ts';

export interface JudgedEvidence {
  readonly evidence: VerifiedEvidence;
  readonly result: AttestationResult;
}

/** Both steps over one bundle. Throws MalformedEvidence; a failed check is in the result. */
export async function judgeEvidence(
  bundle: Uint8Array,
  policy: AppraisalPolicy,
  input: AppraisalInput,
): Promise<JudgedEvidence> {
  const evidence = await verifyEvidence(decodeBundle(bundle), policy);
  return { evidence, result: appraise(evidence, policy, input) };
}

/** Evidence that was verified, met the policy, and is of an enclave that serves a cluster. */
export interface Attestation extends JudgedEvidence {
  readonly claims: ServingClaims;
  /** The log whose key this evidence vouches for. */
  readonly log: KnownLog;
}

export interface AttestedKey {
  readonly key: KeyStatement;
  readonly attestation: Attestation;
}

export interface AttestedKeys {
  /** Every published version of every ring: `keysDigest` leaves no way to hide one. */
  readonly keys: readonly KeyStatement[];
  readonly attestation: Attestation;
}

const NONCE_BYTES = 32;

/** Evidence is renewed when a key is published or leaves, at most; nobody is that unlucky more often. */
const MAX_RENEWALS = 3;

/** The one failure that an honest service can cause: evidence was renewed between two answers. */
const RENEWED = /(?:^|\/)key-evidence-digest$/;

interface Checked<Value> {
  readonly value: Value | undefined;
  readonly checks: readonly Check[];
}

/** The cluster of a connection: that of the first evidence that was believed. Its admins may have others. */
export class OneCluster {
  #id: Uint8Array | undefined;

  /** Throws NotBelieved for evidence of another one. */
  require({ claims: { clusterId } }: Pick<Attestation, 'claims'>): void {
    this.#id ??= clusterId;
    const asked = { id: 'cluster-changed', expected: toHex(this.#id), found: toHex(clusterId) };
    const same = equalBytes(clusterId, this.#id);
    requireAll([judge(same, asked, 'this enclave serves another cluster than the one before')]);
  }
}

export class AttestedClient {
  readonly service: SealwrightClient;
  readonly #policy: AppraisalPolicy;
  readonly #cluster: OneCluster;

  /** `cluster` is shared by those of one connection. */
  constructor(service: SealwrightClient, policy: AppraisalPolicy, cluster = new OneCluster()) {
    this.service = service;
    this.#policy = policy;
    this.#cluster = cluster;
  }

  /** Fresh evidence, verified and appraised. Throws NotBelieved and SignerError. */
  async attest(): Promise<Attestation> {
    const nonce = Uint8Array.from(randomBytes(NONCE_BYTES));
    const bundle = await this.service.getEvidence(nonce);
    try {
      const judged = await judgeEvidence(bundle, this.#policy, { now: Date.now(), nonce });
      const attestation = attestationOf(judged);
      this.#cluster.require(attestation);
      return attestation;
    } catch (error) {
      if (!(error instanceof MalformedEvidence)) throw error;
      throw new NotBelieved([formCheck('evidence-form', 'docs/spec/evidence.md', error)]);
    }
  }

  /**
   * One version of a ring, 0 for the one that the host says signs now; its state is in the statement.
   * Throws NotBelieved, also for a compromised key, and SignerError.
   */
  async key(ring: string, version = 0): Promise<AttestedKey> {
    const wanted = version === 0 ? { ring } : { ring, version };
    const { value: key, attestation } = await this.#together(
      () => this.service.getKey(ring, version),
      async ({ keyStatement, keyStatementSignature }, { evidence }) => {
        const input = { ...wanted, now: Date.now() };
        const result = await verifyKeyStatement(
          keyStatement,
          keyStatementSignature,
          evidence,
          input,
        );
        return { value: result.key, checks: result.checks };
      },
    );
    return { key, attestation };
  }

  /** All keys, in order of ring and version. Throws NotBelieved and SignerError. */
  async keys(): Promise<AttestedKeys> {
    const { value: keys, attestation } = await this.#together(
      () => this.service.listKeys(),
      async (listed, { evidence }) => {
        const statements = listed.map(({ keyStatement, keyStatementSignature }) => ({
          statement: keyStatement,
          signature: keyStatementSignature,
        }));
        const result = await verifyKeyList(statements, evidence, { now: Date.now() });
        return { value: result.keys, checks: result.checks };
      },
    );
    return { keys, attestation };
  }

  /** Asks for evidence and for something that it must vouch for; again when evidence was renewed in between. */
  async #together<Answer, Value>(
    ask: () => Promise<Answer>,
    check: (answer: Answer, attestation: Attestation) => Promise<Checked<Value>>,
  ): Promise<{ readonly value: Value; readonly attestation: Attestation }> {
    for (let renewals = 0; ; renewals += 1) {
      const asking = ask();
      // Evidence first: what an enclave that is not believed refuses is of no interest.
      asking.catch(() => undefined);
      const attestation = await this.attest();
      const answer = await asking;
      const { value, checks } = await checkForm(() => check(answer, attestation));
      const failed = failedOf(checks);
      if (failed.length === 0 && value !== undefined) return { value, attestation };
      const renewed = failed.some(({ id }) => RENEWED.test(id));
      if (!renewed || renewals === MAX_RENEWALS) throw new NotBelieved(failed);
    }
  }
}

async function checkForm<Value>(check: () => Promise<Checked<Value>>): Promise<Checked<Value>> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    const form = formCheck('key-form', 'a key statement (docs/spec/key-statement.md)', error);
    return { value: undefined, checks: [form] };
  }
}

function attestationOf({ evidence, result }: JudgedEvidence): Attestation {
  requireAll(result.checks);
  const { claims } = result;
  // The check `kind` of the appraisal has refused it already; this is for the type.
  if (claims.kind !== 'evidence') throw new NotBelieved([]);
  const log = { origin: claims.logOrigin, publicKey: claims.logKey };
  return { evidence, result, claims, log };
}
