/**
 * Certificates (RFC 5280 §4), decoded and not judged. A certificate that is not version 3 DER, that says an
 * extension twice, or whose two algorithm fields differ is undecodable; everything else is for the path rules.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { MAX_CERTIFICATE_BYTES } from '../limits.ts';
import { printable } from '../printable.ts';
import { DerReader, TAG, explicitTag, implicitTag } from './der.ts';
import { readSubjectPublicKeyInfo, type SubjectPublicKeyInfo } from './public-key.ts';
import { readSignatureAlgorithm } from './signature-algorithm.ts';

export interface CertificateName {
  /** Issuer and subject are compared as bytes: stricter than RFC 5280 §7.1, and nobody here needs case folding. */
  readonly raw: Uint8Array;
  /** For people. */
  readonly text: string;
  readonly empty: boolean;
}

export interface BasicConstraints {
  readonly ca: boolean;
  readonly pathLength: number | undefined;
  readonly critical: boolean;
}

export interface Certificate {
  readonly raw: Uint8Array;
  /** The signed part. */
  readonly toBeSigned: Uint8Array;
  readonly serial: string;
  /** As {@link readSignatureAlgorithm} says it. */
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
  readonly issuer: CertificateName;
  readonly subject: CertificateName;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: SubjectPublicKeyInfo;
  readonly basicConstraints: BasicConstraints | undefined;
  /** Numbers of RFC 5280 §4.2.1.3. */
  readonly keyUsage: ReadonlySet<number> | undefined;
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
  /** Critical extensions that nothing here reads: object identifiers. */
  readonly unknownCritical: readonly string[];
  /** All extensions by object identifier: the content of their OCTET STRING, which need not be DER. */
  readonly extensions: ReadonlyMap<string, Uint8Array>;
}

/** What the path rules look at: of a certificate, or of a trust anchor that is no more than a name and a key. */
export type PathCertificate = Omit<
  Certificate,
  'raw' | 'toBeSigned' | 'serial' | 'signature' | 'extensions'
>;

/** Bits of keyUsage that matter here. */
export const DIGITAL_SIGNATURE = 0;
export const KEY_CERT_SIGN = 5;
export const CRL_SIGN = 6;

const EXTENSION = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
} as const;

/** What an authority writes although RFC 5280 says otherwise. */
export interface CertificateLeniency {
  /** AMD gives every VCEK and VLEK the serial number zero (57230 §3.1). */
  readonly zeroSerial: boolean;
  /** The ASK and ASVK certificates write the zero bits after keyCertSign, which DER leaves out (X.690 §11.2.2). */
  readonly paddedKeyUsage: boolean;
}

/** Throws DerError with the offset. */
export function parseCertificate(raw: Uint8Array, leniency?: CertificateLeniency): Certificate {
  const document = DerReader.open(raw, MAX_CERTIFICATE_BYTES);
  const outer = document.sequence();
  document.end();
  const signed = outer.element(TAG.sequence);
  const outerAlgorithm = outer.element(TAG.sequence).raw;
  const signature = outer.wholeBits();
  outer.end();

  const fields = outer.inside(signed);
  const version = fields.enter(explicitTag(0));
  if (version.smallInteger(2) !== 2) version.fail('not a version 3 certificate');
  version.end();
  const serial = fields.unsigned();
  // RFC 5280 §4.1.2.2
  const isZero = serial.every((byte) => byte === 0);
  if (serial.byteLength > 20 || (isZero && leniency?.zeroSerial !== true)) {
    fields.fail('serial number');
  }
  const algorithm = fields.element(TAG.sequence);
  // RFC 5280 §4.1.1.2: else the unsigned field would choose how the signature is checked.
  if (!equalBytes(algorithm.raw, outerAlgorithm)) fields.fail('two signature algorithms');
  const issuer = readName(fields);
  const validity = fields.sequence();
  const notBeforeMs = validity.time();
  const notAfterMs = validity.time();
  validity.end();
  const subject = readName(fields);
  const publicKey = readSubjectPublicKeyInfo(fields.element(TAG.sequence).raw);
  // Unique identifiers ([1], [2]) are obsolete (RFC 5280 §4.1.2.8) and end here as an unexpected tag.
  const extensions = readExtensions(fields.enter(explicitTag(3)), leniency);
  fields.end();

  return {
    raw,
    toBeSigned: signed.raw,
    serial: toHex(serial),
    signatureAlgorithm: readSignatureAlgorithm(fields.inside(algorithm)),
    signature,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    publicKey,
    ...extensions,
  };
}

const ATTRIBUTES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
};

const TEXT_TAGS: readonly number[] = [TAG.utf8String, TAG.printableString, TAG.ia5String];

/** Name (RFC 5280 §4.1.2.4), at the reader's place. Throws DerError. */
export function readName(fields: DerReader): CertificateName {
  const element = fields.element(TAG.sequence);
  const name = fields.inside(element);
  const parts: string[] = [];
  while (name.more) {
    const relative = name.enter(TAG.set);
    do {
      const attribute = relative.sequence();
      const type = attribute.objectIdentifier();
      const { tag, content } = attribute.element();
      attribute.end();
      const text = TEXT_TAGS.includes(tag)
        ? printable(new TextDecoder().decode(content))
        : `#${toHex(content)}`;
      parts.push(`${ATTRIBUTES[type] ?? type}=${text}`);
    } while (relative.more);
  }
  return { raw: element.raw, text: parts.join(', '), empty: parts.length === 0 };
}

type Extensions = Pick<
  Certificate,
  | 'basicConstraints'
  | 'keyUsage'
  | 'subjectKeyId'
  | 'authorityKeyId'
  | 'unknownCritical'
  | 'extensions'
>;

function readExtensions(wrapper: DerReader, leniency: CertificateLeniency | undefined): Extensions {
  const list = wrapper.sequence();
  wrapper.end();
  const extensions = new Map<string, Uint8Array>();
  const unknownCritical: string[] = [];
  const found: { -readonly [Name in keyof Extensions]?: Extensions[Name] } = {};
  while (list.more) {
    const extension = list.sequence();
    const identifier = extension.objectIdentifier();
    // RFC 5280 §4.2: no certificate has two of a kind.
    if (extensions.has(identifier)) extension.fail(`extension ${identifier} stands twice`);
    const critical = extension.nextIs(TAG.boolean) && extension.boolean();
    const wrapper = extension.element(TAG.octetString);
    extension.end();
    extensions.set(identifier, wrapper.content);
    const value = extension.inside(wrapper);
    switch (identifier) {
      case EXTENSION.basicConstraints:
        found.basicConstraints = readBasicConstraints(value, critical);
        break;
      case EXTENSION.keyUsage:
        found.keyUsage = value.namedBits(leniency?.paddedKeyUsage);
        value.end();
        break;
      case EXTENSION.subjectKeyId:
        found.subjectKeyId = toHex(value.octetString());
        value.end();
        break;
      case EXTENSION.authorityKeyId:
        found.authorityKeyId = readAuthorityKeyId(value);
        break;
      default:
        if (critical) unknownCritical.push(identifier);
    }
  }
  return {
    basicConstraints: found.basicConstraints,
    keyUsage: found.keyUsage,
    subjectKeyId: found.subjectKeyId,
    authorityKeyId: found.authorityKeyId,
    unknownCritical,
    extensions,
  };
}

/** RFC 5280 §4.2.1.9. A false `cA` must be left out in DER, but authorities write it; it changes nothing. */
function readBasicConstraints(value: DerReader, critical: boolean): BasicConstraints {
  const fields = value.sequence();
  value.end();
  const ca = fields.nextIs(TAG.boolean) && fields.boolean();
  const pathLength = fields.more ? fields.smallInteger(255) : undefined;
  fields.end();
  return { ca, pathLength, critical };
}

/** RFC 5280 §4.2.1.1: the key identifier; issuer and serial beside it are not used to find anything. */
export function readAuthorityKeyId(value: DerReader): string | undefined {
  const fields = value.sequence();
  value.end();
  const keyId = fields.nextIs(implicitTag(0)) ? toHex(fields.element().content) : undefined;
  while (fields.more) fields.element();
  return keyId;
}
