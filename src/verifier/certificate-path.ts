/**
 * Path rules (RFC 5280 §6.1) for the short chains of attestation keys: leaf first, the trust anchor last and
 * not part of what was sent. Nothing is searched for: the order is the format's, and another order fails.
 * Validity is not judged here, because verification knows no time: the windows go to the appraisal.
 */
import { equalBytes } from '../../enclave/wire/bytes.ts';
import { MAX_CHAIN_LENGTH } from '../../enclave/wire/limits.ts';
import { judge, printable, type Check } from './check.ts';
import { ecdsaDerToP1363 } from './ecdsa-form.ts';
import { curveOf } from './public-key.ts';
import type { ReadAnchor } from './trust-anchor.ts';
import { checkEcdsa, type Curve } from './web-crypto.ts';
import { DIGITAL_SIGNATURE, KEY_CERT_SIGN, type Certificate } from './x509.ts';

/** What a format demands of its chain beyond RFC 5280. */
export interface PathProfile {
  /** Certificates that are sent, the root not counted. */
  readonly sent: number;
  /** The one signature algorithm, with the curve of every key. */
  readonly signature: SignatureProfile;
}

export interface SignatureProfile {
  readonly oid: string;
  readonly name: string;
  readonly curve: Curve;
  readonly coordinateBytes: number;
  readonly hash: 'SHA-256' | 'SHA-384';
}

/** RFC 5758 §3.2 */
export const ECDSA_P384_SHA384: SignatureProfile = {
  oid: '1.2.840.10045.4.3.3',
  name: 'ecdsa-with-SHA384, P-384',
  curve: 'P-384',
  coordinateBytes: 48,
  hash: 'SHA-384',
};

/** When something is valid, for the appraisal to hold against its time. */
export interface ValidityWindow {
  readonly what: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface PathFindings {
  readonly checks: readonly Check[];
  /** The anchor that the chain names; undefined when none of the given ones has that name. */
  readonly anchor: ReadAnchor | undefined;
  readonly validity: readonly ValidityWindow[];
}

export async function checkPath(
  sent: readonly Certificate[],
  anchors: readonly ReadAnchor[],
  profile: PathProfile,
): Promise<PathFindings> {
  const anchor = await chooseAnchor(sent.at(-1), anchors, profile.signature);
  const chain = anchor === undefined ? sent : [...sent, anchor.parsed];
  const complete = anchor !== undefined && sent.length > 0;
  const rules: readonly Rule[] = [
    nameRule,
    algorithmRule(profile.signature),
    constraintRule,
    pathLengthRule,
    keyUsageRule,
    extensionRule,
    keyIdRule,
  ];
  const checks = [
    lengthCheck(sent, profile),
    judge(anchor !== undefined, {
      id: 'trust-anchor',
      expected: anchors.map(({ parsed }) => parsed.subject.text).join(' or ') || 'a trust anchor',
      found: sent.at(-1)?.issuer.text ?? 'no certificate',
      otherwise: 'nobody we trust issued this chain',
    }),
    await signatureCheck(chain, profile.signature, complete),
    ...rules.map((rule) => applyRule(rule, chain, complete)),
  ];
  return {
    checks,
    anchor,
    validity: chain.map(({ subject, notBeforeMs, notAfterMs }) => ({
      what: subject.text,
      notBeforeMs,
      notAfterMs,
    })),
  };
}

/** By name, and among anchors of one name the one whose key signed. */
async function chooseAnchor(
  top: Certificate | undefined,
  anchors: readonly ReadAnchor[],
  profile: SignatureProfile,
): Promise<ReadAnchor | undefined> {
  if (top === undefined) return undefined;
  const named = anchors.filter(({ parsed }) => equalBytes(parsed.subject.raw, top.issuer.raw));
  for (const anchor of named) {
    if (await isSignedBy(top, anchor.parsed, profile)) return anchor;
  }
  return named[0];
}

function lengthCheck(sent: readonly Certificate[], profile: PathProfile): Check {
  return judge(sent.length === profile.sent && sent.length + 1 <= MAX_CHAIN_LENGTH, {
    id: 'chain-length',
    expected: `${String(profile.sent)} certificates, the root not among them`,
    found: String(sent.length),
    otherwise: 'a certificate is missing or too many',
  });
}

async function isSignedBy(
  certificate: Certificate,
  issuer: Certificate,
  profile: SignatureProfile,
): Promise<boolean> {
  if (certificate.signatureAlgorithm !== profile.oid) return false;
  if (curveOf(issuer.publicKey) !== profile.curve) return false;
  const signature = ecdsaDerToP1363(certificate.signature, profile.coordinateBytes);
  if (signature === undefined) return false;
  const key = { spki: issuer.publicKey.raw, curve: profile.curve, hash: profile.hash };
  return checkEcdsa(key, signature, certificate.toBeSigned);
}

async function signatureCheck(
  chain: readonly Certificate[],
  profile: SignatureProfile,
  complete: boolean,
): Promise<Check> {
  const broken: string[] = [];
  for (const [i, certificate] of chain.entries()) {
    const issuer = chain[i + 1];
    if (issuer !== undefined && !(await isSignedBy(certificate, issuer, profile))) {
      broken.push(certificate.subject.text);
    }
  }
  return judge(complete && broken.length === 0, {
    id: 'chain-signatures',
    expected: 'every certificate signed by the next one, the last one by the trust anchor',
    found:
      broken.length > 0 ? `not signed: ${broken.join('; ')}` : complete ? 'signed' : 'no chain',
    otherwise: 'the chain is not what the trust anchor certified',
  });
}

/** One demand on every certificate; `undefined` when it holds, else what is wrong. */
interface Rule {
  readonly id: string;
  readonly expected: string;
  readonly otherwise: string;
  problem(certificate: Certificate, place: Place): string | undefined;
}

interface Place {
  /** 0 is the attestation key. */
  readonly index: number;
  readonly issuer: Certificate | undefined;
}

function applyRule(rule: Rule, chain: readonly Certificate[], complete: boolean): Check {
  const problems = chain.flatMap((certificate, index) => {
    const problem = rule.problem(certificate, { index, issuer: chain[index + 1] });
    return problem === undefined ? [] : [`${certificate.subject.text}: ${problem}`];
  });
  const { id, expected, otherwise } = rule;
  const found = problems.length > 0 ? problems.join('; ') : complete ? 'as expected' : 'no chain';
  return judge(complete && problems.length === 0, { id, expected, found, otherwise });
}

/** RFC 5280 §6.1.3 (a)(4), §4.1.2.6 */
const nameRule: Rule = {
  id: 'chain-names',
  expected: 'every issuer is the subject of the next certificate',
  otherwise: 'the certificates do not belong together, or stand in another order',
  problem: (certificate, { issuer }) => {
    if (certificate.subject.empty) return 'no subject';
    if (issuer === undefined || equalBytes(certificate.issuer.raw, issuer.subject.raw))
      return undefined;
    return `issued by ${certificate.issuer.text}`;
  },
};

function algorithmRule(profile: SignatureProfile): Rule {
  return {
    id: 'chain-algorithms',
    expected: profile.name,
    otherwise: 'a key or signature of another algorithm could be weaker than the format promises',
    problem: ({ signatureAlgorithm, publicKey }) => {
      if (signatureAlgorithm !== profile.oid) return `signed with ${signatureAlgorithm}`;
      const curve = curveOf(publicKey);
      return curve === profile.curve ? undefined : `key of ${curve ?? publicKey.algorithm}`;
    },
  };
}

/** RFC 5280 §6.1.4 (k), §4.2.1.9 */
const constraintRule: Rule = {
  id: 'chain-authority',
  expected: 'the attestation key is no authority, all others are',
  otherwise: 'a key that must not certify has certified, or the attestation key could',
  problem: ({ basicConstraints }, { index }) => {
    if (index === 0) return basicConstraints?.ca === true ? 'is an authority' : undefined;
    if (basicConstraints?.ca !== true) return 'is not an authority';
    return basicConstraints.critical ? undefined : 'basicConstraints is not critical';
  },
};

/** RFC 5280 §6.1.4 (l), (m). Nothing here is self-issued but the root. */
const pathLengthRule: Rule = {
  id: 'chain-path-length',
  expected: 'no more authorities below one than it allows',
  otherwise: 'an authority certified further authorities without being allowed to',
  problem: ({ basicConstraints }, { index }) => {
    const allowed = basicConstraints?.pathLength;
    if (allowed === undefined || index === 0) return undefined;
    const below = index - 1;
    return below <= allowed ? undefined : `allows ${String(allowed)}, has ${String(below)}`;
  },
};

/** RFC 5280 §6.1.4 (n), §4.2.1.3 */
const keyUsageRule: Rule = {
  id: 'chain-key-usage',
  expected: 'digitalSignature for the attestation key, keyCertSign for all others',
  otherwise: 'a key was used for what it is not meant for',
  problem: ({ keyUsage }, { index }) => {
    const wanted = index === 0 ? DIGITAL_SIGNATURE : KEY_CERT_SIGN;
    const unwanted = index === 0 ? KEY_CERT_SIGN : undefined;
    if (keyUsage === undefined) return 'no keyUsage';
    if (!keyUsage.has(wanted)) return 'usage is missing';
    return unwanted !== undefined && keyUsage.has(unwanted) ? 'may sign certificates' : undefined;
  },
};

/** RFC 5280 §4.2: a critical extension that is not understood ends the path. */
const extensionRule: Rule = {
  id: 'chain-extensions',
  expected: 'no critical extension that is unknown here',
  otherwise: 'the issuer demanded something that this verifier does not understand',
  problem: ({ unknownCritical }) =>
    unknownCritical.length > 0 ? printable(unknownCritical.join(', ')) : undefined,
};

/** RFC 5280 §4.2.1.1, §4.2.1.2 */
const keyIdRule: Rule = {
  id: 'chain-key-ids',
  expected: 'every authority key identifier is the next subject key identifier',
  otherwise: 'the certificate was issued by another key of the same name',
  problem: ({ authorityKeyId }, { issuer }) => {
    if (issuer === undefined) return undefined;
    if (authorityKeyId === undefined || issuer.subjectKeyId === undefined)
      return 'no key identifier';
    return authorityKeyId === issuer.subjectKeyId ? undefined : 'another key';
  },
};
