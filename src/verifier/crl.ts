/**
 * Certificate revocation lists (RFC 5280 §5), decoded and checked. A list is believed only when it is of the
 * expected issuer, signed by that issuer's key, and says until when it holds: without nextUpdate a list could be
 * replayed for ever, so there is no such list here.
 */
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import type { ValidityWindow } from './certificate-path.ts';
import { judge, moment, type Check } from './check.ts';
import { DerError, DerReader, TAG, explicitTag } from '../../enclave/wire/x509/der.ts';
import type { SubjectPublicKeyInfo } from '../../enclave/wire/x509/public-key.ts';
import { type SignatureProfile } from './signature-profile.ts';
import { readSignatureAlgorithm } from '../../enclave/wire/x509/signature-algorithm.ts';
import {
  CRL_SIGN,
  readAuthorityKeyId,
  readName,
  type CertificateName,
} from '../../enclave/wire/x509/certificate.ts';

/** Intel's longest list has 3 KB today. What is larger takes too long to read. */
export const MAX_CRL_BYTES = 128 * 1024;

export interface RevocationList {
  readonly toBeSigned: Uint8Array;
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
  readonly issuer: CertificateName;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number | undefined;
  /** Serial numbers, lower-case hex as in {@link Certificate}. */
  readonly revoked: ReadonlySet<string>;
  readonly authorityKeyId: string | undefined;
  /** Critical extensions of the list or of an entry: object identifiers. Each could turn the meaning round. */
  readonly critical: readonly string[];
}

const AUTHORITY_KEY_ID = '2.5.29.35';

/** Throws DerError with the offset. */
export function parseRevocationList(raw: Uint8Array): RevocationList {
  const document = DerReader.open(raw, MAX_CRL_BYTES);
  const outer = document.sequence();
  document.end();
  const signed = outer.element(TAG.sequence);
  const outerAlgorithm = outer.element(TAG.sequence).raw;
  const signature = outer.wholeBits();
  outer.end();

  const fields = outer.inside(signed);
  // RFC 5280 §5.1.2.1: version 2 says so; version 1 has no extensions and is not used by anybody here.
  if (fields.smallInteger(1) !== 1) fields.fail('not a version 2 list');
  const algorithm = fields.element(TAG.sequence);
  if (!equalBytes(algorithm.raw, outerAlgorithm)) fields.fail('two signature algorithms');
  const issuer = readName(fields);
  const thisUpdateMs = fields.time();
  const hasNext = fields.nextIs(TAG.utcTime) || fields.nextIs(TAG.generalizedTime);
  const nextUpdateMs = hasNext ? fields.time() : undefined;
  const critical: string[] = [];
  const revoked = fields.nextIs(TAG.sequence)
    ? readEntries(fields.sequence(), critical)
    : new Set<string>();
  const extensions = fields.more
    ? readExtensions(fields.enter(explicitTag(0)).sequence(), critical)
    : undefined;
  fields.end();
  return {
    toBeSigned: signed.raw,
    signatureAlgorithm: readSignatureAlgorithm(fields.inside(algorithm)),
    signature,
    issuer,
    thisUpdateMs,
    nextUpdateMs,
    revoked,
    authorityKeyId: extensions,
    critical,
  };
}

function readEntries(entries: DerReader, critical: string[]): Set<string> {
  const revoked = new Set<string>();
  while (entries.more) {
    const entry = entries.sequence();
    revoked.add(toHex(entry.unsigned()));
    // When it was revoked changes nothing: it is revoked.
    entry.element(entry.nextIs(TAG.utcTime) ? TAG.utcTime : TAG.generalizedTime);
    if (entry.more) readExtensions(entry.sequence(), critical);
    entry.end();
  }
  return revoked;
}

/** Gives the authority key identifier back, when there is one. */
function readExtensions(list: DerReader, critical: string[]): string | undefined {
  let keyId: string | undefined;
  while (list.more) {
    const extension = list.sequence();
    const identifier = extension.objectIdentifier();
    if (extension.nextIs(TAG.boolean) && extension.boolean()) critical.push(identifier);
    const value = extension.element(TAG.octetString);
    extension.end();
    if (identifier === AUTHORITY_KEY_ID) keyId = readAuthorityKeyId(extension.inside(value));
  }
  return keyId;
}

/** Who must have signed a list: a certificate, or a trust anchor. */
export interface RevocationIssuer {
  readonly subject: CertificateName;
  readonly publicKey: SubjectPublicKeyInfo;
  readonly subjectKeyId: string | undefined;
  readonly keyUsage: ReadonlySet<number> | undefined;
}

export interface RevocationQuestion {
  /** Of all checks of this list, e.g. `root-crl`. */
  readonly id: string;
  /** DER; undefined when nobody gave it. */
  readonly list: Uint8Array | undefined;
  /** Undefined when the chain has no such certificate: then nothing holds. */
  readonly issuer: RevocationIssuer | undefined;
  readonly profile: SignatureProfile;
  /** Certificates of that issuer that must not be in the list. */
  readonly certificates: readonly { readonly serial: string; readonly subject: CertificateName }[];
  readonly clause?: string;
}

export interface RevocationFindings {
  /** `ID` (it can be read), `ID-issuer`, `ID-signature`, `ID-next-update`, `ID-extensions`, `ID-revoked`. */
  readonly checks: readonly Check[];
  /** From thisUpdate to nextUpdate; the appraisal holds it against its time as `crl-current`. */
  readonly validity: readonly ValidityWindow[];
}

/** All questions about one list; a missing, empty or garbled one fails the first of them. Never throws. */
export async function checkRevocation(question: RevocationQuestion): Promise<RevocationFindings> {
  const { id, list, issuer, profile, certificates, clause } = question;
  const ask = (
    part: string,
    passed: boolean,
    expected: string,
    found: string,
    otherwise: string,
  ): Check =>
    judge(passed, {
      id: part === '' ? id : `${id}-${part}`,
      expected,
      found,
      otherwise,
      ...(clause === undefined ? {} : { clause }),
    });
  const read = readList(list);
  if (typeof read === 'string') {
    const unread = ask(
      '',
      false,
      'a certificate revocation list',
      read,
      'nobody knows what is revoked',
    );
    return { checks: [unread], validity: [] };
  }
  const revoked = certificates.filter(({ serial }) => read.revoked.has(serial));
  const wrongIssuer = issuerProblem(read, issuer);
  const signed =
    issuer !== undefined &&
    read.signatureAlgorithm === profile.algorithm &&
    (await profile.verify(issuer.publicKey, read.signature, read.toBeSigned));
  const checks = [
    ask('', true, 'a certificate revocation list', 'can be read', ''),
    ask(
      'issuer',
      wrongIssuer === undefined,
      issuer?.subject.text ?? 'the issuer of the chain',
      wrongIssuer ?? read.issuer.text,
      'a list of somebody else says nothing about these certificates',
    ),
    ask(
      'signature',
      signed,
      'signed by its issuer',
      signed ? 'signed' : 'not signed by it',
      'anybody could have written it',
    ),
    ask(
      'next-update',
      read.nextUpdateMs !== undefined && read.nextUpdateMs > read.thisUpdateMs,
      'says until when it holds',
      read.nextUpdateMs === undefined ? 'no nextUpdate' : `until ${moment(read.nextUpdateMs)}`,
      'such a list could be replayed for ever',
    ),
    ask(
      'extensions',
      read.critical.length === 0,
      'no critical extension',
      read.critical.slice(0, 4).join(', ') || 'none',
      'the issuer demanded something that this verifier does not understand',
    ),
    ask(
      'revoked',
      revoked.length === 0,
      'none of the certificates',
      revoked.map(({ subject, serial }) => `${subject.text} (${serial})`).join('; ') || 'none',
      'the vendor has taken its word back',
    ),
  ];
  const notAfterMs = read.nextUpdateMs ?? read.thisUpdateMs;
  const what = `list of ${read.issuer.text}`;
  return {
    checks,
    validity: [{ id: 'crl-current', what, notBeforeMs: read.thisUpdateMs, notAfterMs }],
  };
}

/** RFC 5280 §6.3.3 (b), (f) */
function issuerProblem(
  list: RevocationList,
  issuer: RevocationIssuer | undefined,
): string | undefined {
  if (issuer === undefined) return 'the chain has none';
  if (!equalBytes(issuer.subject.raw, list.issuer.raw)) return list.issuer.text;
  if (issuer.keyUsage?.has(CRL_SIGN) === false) return 'may not sign lists';
  const { authorityKeyId } = list;
  if (authorityKeyId === undefined || issuer.subjectKeyId === undefined) return undefined;
  return authorityKeyId === issuer.subjectKeyId ? undefined : 'another key of this name';
}

function readList(list: Uint8Array | undefined): RevocationList | string {
  if (list === undefined) return 'missing';
  if (list.byteLength === 0) return 'empty';
  try {
    return parseRevocationList(list);
  } catch (error) {
    if (error instanceof DerError) return `unreadable: ${error.message}`;
    throw error;
  }
}
