/** Key statements (docs/spec/key-statement.md): which public keys the attested enclave stands for. */
import { equalBytes, fromHex, toHex } from '../../enclave/wire/bytes.ts';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { keyStatementInput } from '../../enclave/wire/layouts.ts';
import { MAX_REQUEST_BYTES, MAX_RING_NAME_LENGTH } from '../../enclave/wire/limits.ts';
import { parseSignedJson } from '../../enclave/wire/signed-json.ts';
import { judge, moment, worstVerdict, type Check, type Verdict } from './check.ts';
import { DerError } from '../../enclave/wire/x509/der.ts';
import { decodingAt } from './malformed.ts';
import { jwkMembers, thumbprint } from './public-key.ts';
import { readSubjectPublicKeyInfo } from '../../enclave/wire/x509/public-key.ts';
import { assertVerified, type VerifiedEvidence } from './verify-evidence.ts';
import { checkEd25519 } from './web-crypto.ts';

export const KEY_STATES = [
  'pre-activation',
  'active',
  'suspended',
  'deactivated',
  'compromised',
  'destroyed',
] as const;

/** What the enclave says about one published key version. */
export interface KeyStatement {
  readonly clusterId: Uint8Array;
  readonly evidenceDigest: Uint8Array;
  readonly ring: string;
  readonly version: number;
  readonly kid: string;
  /** IANA JOSE name. */
  readonly alg: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly residency: 'hsm' | 'enclave';
  readonly scope: {
    readonly payload: string;
    readonly lowestRank: string;
    /** True: the ring signs for whomever the host names. */
    readonly hostAsserted: boolean;
  };
  /** SP 800-57 Part 1 Rev. 5 §7. */
  readonly state: (typeof KEY_STATES)[number];
  readonly notAfterMs: number;
}

export interface KeyStatementResult {
  readonly verdict: Verdict;
  readonly checks: readonly Check[];
  /** The key, only when nothing failed. */
  readonly key: KeyStatement | undefined;
}

/** What is wanted of a statement. */
export interface KeyStatementInput {
  readonly ring: string;
  /** Without it any version of the ring will do. */
  readonly version?: number;
  /** The relying party's own clock, milliseconds since the Unix epoch. */
  readonly now: number;
}

const RING_NAME = new RegExp(`^[a-z0-9][a-z0-9-]{0,${String(MAX_RING_NAME_LENGTH - 1)}}$`);
const WORD = /^[a-z0-9][a-z0-9-]{0,63}$/;
const ALG = /^[A-Za-z0-9-]{1,16}$/;
const KID = /^[A-Za-z0-9_-]{43}$/;
const SPKI = /^(?:[0-9a-f]{2}){1,4096}$/;

function decodeStatement(bytes: Uint8Array): KeyStatement {
  return decodingAt('', () => {
    const reader = new ObjectReader(parseSignedJson(bytes, MAX_REQUEST_BYTES));
    reader.integer('v', 1, 1);
    const scope = reader.object('scope');
    const statement = {
      clusterId: reader.hex('clusterId', 32),
      evidenceDigest: reader.hex('evidenceDigest', 32),
      ring: reader.string('ring', RING_NAME),
      version: reader.integer('version', 1, 0xffff_ffff),
      kid: reader.string('kid', KID),
      alg: reader.string('alg', ALG),
      publicKey: fromHex(reader.string('publicKey', SPKI)),
      residency: reader.oneOf('residency', ['hsm', 'enclave']),
      scope: {
        payload: scope.string('payload', WORD),
        lowestRank: scope.string('lowestRank', WORD),
        hostAsserted: scope.boolean('hostAsserted'),
      },
      state: reader.oneOf('state', KEY_STATES),
      notAfterMs: reader.integer('notAfter', 0),
    };
    scope.end();
    reader.end();
    return statement;
  });
}

/**
 * Whether the enclave of this evidence stands for this key: signature, evidence, cluster, ring, version, kid,
 * algorithm, time; a compromised key is contraindicated.
 *
 * It does NOT appraise the evidence: use its result only together with an `appraise` of the same evidence whose
 * verdict you accept. It does not check that the key is on its curve; whoever imports it does.
 * @throws MalformedEvidence for a statement that can't be decoded
 * @throws TypeError when `evidence` was not made by `verifyEvidence`
 */
export async function verifyKeyStatement(
  statement: Uint8Array,
  signature: Uint8Array,
  evidence: VerifiedEvidence,
  input: KeyStatementInput,
): Promise<KeyStatementResult> {
  const key = decodeStatement(statement);
  const checks = [
    ...(await provenanceChecks({ statement, signature, key }, evidence, input.now)),
    judge(key.ring === input.ring, {
      id: 'key-ring',
      expected: input.ring,
      found: key.ring,
      otherwise: 'a key of another ring',
    }),
    judge(input.version === undefined || key.version === input.version, {
      id: 'key-version',
      expected: input.version === undefined ? 'any' : String(input.version),
      found: String(key.version),
      otherwise: 'another version of the ring',
    }),
    judge(key.state !== 'compromised', {
      id: 'key-state',
      expected: 'not compromised',
      found: key.state,
      otherwise: 'the enclave itself says that this key must not be believed',
    }),
  ];
  const verdict = worstVerdict(checks);
  return { verdict, checks, key: verdict === 'contraindicated' ? undefined : key };
}

export interface SignedKeyStatement {
  readonly statement: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  readonly key: KeyStatement;
}

/** Decodes and keeps the bytes that are signed. Throws MalformedEvidence. */
export function openStatement(statement: Uint8Array, signature: Uint8Array): SignedKeyStatement {
  return { statement, signature, key: decodeStatement(statement) };
}

/** Everything but which key was asked for. */
export async function provenanceChecks(
  { statement, signature, key }: SignedKeyStatement,
  evidence: VerifiedEvidence,
  now: number,
): Promise<Check[]> {
  assertVerified(evidence);
  const { claims } = evidence;
  const serving = claims.kind === 'evidence' ? claims : undefined;
  const broken = evidence.checks.filter(({ verdict }) => verdict === 'contraindicated');
  const signed =
    serving !== undefined &&
    (await checkEd25519(serving.identityKey, signature, keyStatementInput(statement)));
  const clusterId = serving === undefined ? 'no cluster' : toHex(serving.clusterId);
  return [
    judge(serving !== undefined && broken.length === 0, {
      id: 'key-evidence',
      expected: 'evidence that was verified',
      found:
        serving === undefined
          ? 'setup evidence'
          : broken.map(({ id }) => id).join(', ') || 'verified',
      otherwise: 'the identity key is not known to be an enclave’s',
    }),
    judge(signed, {
      id: 'key-signature',
      expected: 'signed by the identity key of the evidence',
      found: signed ? 'signed' : 'not signed by it',
      otherwise: 'the enclave of this evidence never said this',
    }),
    judge(equalBytes(key.evidenceDigest, evidence.evidenceDigest), {
      id: 'key-evidence-digest',
      expected: toHex(evidence.evidenceDigest),
      found: toHex(key.evidenceDigest),
      otherwise: 'a statement made with other evidence',
    }),
    judge(toHex(key.clusterId) === clusterId, {
      id: 'key-cluster',
      expected: clusterId,
      found: toHex(key.clusterId),
      otherwise: 'a statement of another cluster',
    }),
    ...(await keyChecks(key)),
    judge(now <= key.notAfterMs && key.notAfterMs <= claims.notAfterMs, {
      id: 'key-not-after',
      expected: `${moment(now)} or later, and not after the evidence`,
      found: moment(key.notAfterMs),
      otherwise: 'an old statement: ask for a new one',
    }),
  ];
}

async function keyChecks(key: KeyStatement): Promise<Check[]> {
  const jwk = readKey(key.publicKey);
  const kid = jwk === undefined ? 'none: not a key that JOSE knows' : await thumbprint(jwk);
  return [
    judge(kid === key.kid, {
      id: 'key-kid',
      expected: kid,
      found: key.kid,
      otherwise: 'the kid is not the thumbprint of this key (RFC 7638)',
    }),
    judge(jwk?.algs.includes(key.alg) === true, {
      id: 'key-alg',
      expected: jwk?.algs.join(' or ') ?? 'a known kind of key',
      found: key.alg,
      otherwise: 'the key is not one of this algorithm',
    }),
  ];
}

function readKey(spki: Uint8Array): ReturnType<typeof jwkMembers> {
  try {
    return jwkMembers(readSubjectPublicKeyInfo(spki));
  } catch (error) {
    // The signature covers these bytes: that they are no key is a finding, not a decoding problem.
    if (error instanceof DerError) return undefined;
    throw error;
  }
}
