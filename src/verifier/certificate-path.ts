/**
 * Path rules (RFC 5280 §6.1) for the short chains of attestation keys: leaf first, the trust anchor last and
 * not part of what was sent. Nothing is searched for: the order is the format's, and another order fails.
 * Validity is not judged here, because verification knows no time: the windows go to the appraisal.
 */
import { equalBytes } from '../../enclave/wire/bytes.ts';
import { MAX_CHAIN_LENGTH } from '../../enclave/wire/limits.ts';
import { judge, type Check } from './check.ts';
import { printable } from '../../enclave/wire/printable.ts';
import { curveOf } from '../../enclave/wire/x509/public-key.ts';
import type { SignatureProfile } from './signature-profile.ts';
import type { TrustAnchor } from './trust-anchor.ts';
import {
  DIGITAL_SIGNATURE,
  KEY_CERT_SIGN,
  type Certificate,
  type PathCertificate,
} from '../../enclave/wire/x509/certificate.ts';

/** What a format demands of its chain beyond RFC 5280. */
export interface PathProfile {
  /** Ids of the checks begin with this, for formats with several chains: `pck-`. */
  readonly prefix?: string;
  /** Certificates that are sent, the root not counted. */
  readonly sent: number | { readonly min: number; readonly max: number };
  /** Algorithms of signatures; whose key signs must be of the kind that goes with it. */
  readonly signatures: readonly SignatureProfile[];
  /** What the leaf's own key must fit. */
  readonly leafKey: SignatureProfile;
  /** Some vendors leave out of leaf certificates what RFC 5280 only recommends; default: required. */
  readonly leafKeyUsage?: 'if-present';
  readonly keyIds?: 'if-present';
  readonly clause?: string;
}

/** When something is valid, for the appraisal to hold against its time. */
export interface ValidityWindow {
  /** Windows of one id make one check; default `chain-validity`. */
  readonly id?: string;
  readonly what: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface PathFindings {
  readonly checks: readonly Check[];
  /** The anchor that the chain names; undefined when none of the given ones has that name. */
  readonly anchor: TrustAnchor | undefined;
  readonly validity: readonly ValidityWindow[];
}

/**
 * @param sent leaf first, without the root
 * @param anchors those of the format; nobody else is believed
 */
export async function checkPath(
  sent: readonly Certificate[],
  anchors: readonly TrustAnchor[],
  profile: PathProfile,
): Promise<PathFindings> {
  const anchor = await chooseAnchor(sent.at(-1), anchors, profile);
  const chain = anchor === undefined ? sent : [...sent, anchor.parsed];
  const complete = anchor !== undefined && sent.length > 0;
  const rules: readonly Rule[] = [
    nameRule,
    algorithmRule(profile),
    constraintRule,
    pathLengthRule,
    keyUsageRule(profile),
    extensionRule,
    keyIdRule(profile),
  ];
  const checks = [
    lengthCheck(sent, profile),
    judge(anchor !== undefined, {
      id: 'trust-anchor',
      expected: anchors.map(({ parsed }) => parsed.subject.text).join(' or ') || 'a trust anchor',
      found: sent.at(-1)?.issuer.text ?? 'no certificate',
      otherwise: 'nobody we trust issued this chain',
    }),
    await signatureCheck(sent, anchor, profile),
    ...rules.map((rule) => applyRule(rule, chain, complete)),
  ];
  const { prefix = '', clause } = profile;
  return {
    checks: checks.map((check) => ({
      ...check,
      id: `${prefix}${check.id}`,
      ...(clause === undefined ? {} : { clause }),
    })),
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
  anchors: readonly TrustAnchor[],
  profile: PathProfile,
): Promise<TrustAnchor | undefined> {
  if (top === undefined) return undefined;
  const named = anchors.filter(({ parsed }) => equalBytes(parsed.subject.raw, top.issuer.raw));
  for (const anchor of named) {
    if (await isSignedBy(top, anchor.parsed, profile)) return anchor;
  }
  return named[0];
}

function lengthCheck(sent: readonly Certificate[], profile: PathProfile): Check {
  const { min, max } =
    typeof profile.sent === 'number' ? { min: profile.sent, max: profile.sent } : profile.sent;
  const fits = sent.length >= min && sent.length <= Math.min(max, MAX_CHAIN_LENGTH - 1);
  return judge(fits, {
    id: 'chain-length',
    expected: `${min === max ? '' : `${String(min)} to `}${String(max)} certificates, the root not among them`,
    found: String(sent.length),
    otherwise: 'a certificate is missing or too many',
  });
}

async function isSignedBy(
  certificate: Certificate,
  issuer: PathCertificate,
  { signatures }: PathProfile,
): Promise<boolean> {
  const { signatureAlgorithm, signature, toBeSigned } = certificate;
  const profile = signatures.find(({ algorithm }) => algorithm === signatureAlgorithm);
  return (await profile?.verify(issuer.publicKey, signature, toBeSigned)) ?? false;
}

async function signatureCheck(
  sent: readonly Certificate[],
  anchor: TrustAnchor | undefined,
  profile: PathProfile,
): Promise<Check> {
  const complete = anchor !== undefined && sent.length > 0;
  const broken: string[] = [];
  // A chain of another length has failed already, and a very long one would take its time.
  for (const [i, certificate] of sent.slice(0, MAX_CHAIN_LENGTH).entries()) {
    const issuer = sent[i + 1] ?? anchor?.parsed;
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
  problem(certificate: PathCertificate, place: Place): string | undefined;
}

interface Place {
  /** 0 is the attestation key. */
  readonly index: number;
  readonly issuer: PathCertificate | undefined;
}

function applyRule(rule: Rule, chain: readonly PathCertificate[], complete: boolean): Check {
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

function algorithmRule({ signatures, leafKey }: PathProfile): Rule {
  return {
    id: 'chain-algorithms',
    expected: signatures.map(({ name }) => name).join(' or '),
    otherwise: 'a key or signature of another algorithm could be weaker than the format promises',
    problem: ({ signatureAlgorithm, publicKey }, { index }) => {
      if (!signatures.some(({ algorithm }) => algorithm === signatureAlgorithm))
        return `signed with ${signatureAlgorithm}`;
      const allowed = index === 0 ? [leafKey] : signatures;
      if (allowed.some((profile) => profile.fits(publicKey))) return undefined;
      return `key of ${curveOf(publicKey) ?? publicKey.algorithm}`;
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
function keyUsageRule({ leafKeyUsage }: PathProfile): Rule {
  return {
    id: 'chain-key-usage',
    expected: 'digitalSignature for the attestation key, keyCertSign for all others',
    otherwise: 'a key was used for what it is not meant for',
    problem: ({ keyUsage }, { index }) => {
      const wanted = index === 0 ? DIGITAL_SIGNATURE : KEY_CERT_SIGN;
      const unwanted = index === 0 ? KEY_CERT_SIGN : undefined;
      if (keyUsage === undefined) {
        return index === 0 && leafKeyUsage === 'if-present' ? undefined : 'no keyUsage';
      }
      if (!keyUsage.has(wanted)) return 'usage is missing';
      return unwanted !== undefined && keyUsage.has(unwanted) ? 'may sign certificates' : undefined;
    },
  };
}

/** RFC 5280 §4.2: a critical extension that is not understood ends the path. */
const extensionRule: Rule = {
  id: 'chain-extensions',
  expected: 'no critical extension that is unknown here',
  otherwise: 'the issuer demanded something that this verifier does not understand',
  problem: ({ unknownCritical }) =>
    unknownCritical.length > 0 ? printable(unknownCritical.join(', ')) : undefined,
};

/** RFC 5280 §4.2.1.1, §4.2.1.2 */
function keyIdRule({ keyIds }: PathProfile): Rule {
  return {
    id: 'chain-key-ids',
    expected: 'every authority key identifier is the next subject key identifier',
    otherwise: 'the certificate was issued by another key of the same name',
    problem: ({ authorityKeyId }, { issuer }) => {
      if (issuer === undefined) return undefined;
      if (authorityKeyId === undefined || issuer.subjectKeyId === undefined) {
        return keyIds === 'if-present' ? undefined : 'no key identifier';
      }
      return authorityKeyId === issuer.subjectKeyId ? undefined : 'another key';
    },
  };
}
