/** What certificates call their holder: subject, URI names, and what the key is for (RFC 5280 §4.1.2.6, §4.2.1). */
import { DerReader, TAG, implicitTag } from './der.ts';
import type { Certificate } from './certificate.ts';

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const NAME_CONSTRAINTS = '2.5.29.30';

/** RFC 5280 §4.2.1.12 */
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
export const ANY_EXTENDED_KEY_USAGE = '2.5.29.37.0';

/** Extensions that {@link Certificate} leaves to its readers, and that are read here. */
export const NAME_EXTENSIONS: readonly string[] = [SUBJECT_ALTERNATIVE_NAME, EXTENDED_KEY_USAGE];

/** GeneralName uniformResourceIdentifier: [6] IA5String. */
const URI = implicitTag(6);
const MAX_EXTENSION_BYTES = 16 * 1024;

/** RFC 4514 §3, and the two that people write most beside them. */
const TYPES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
  '2.5.4.5': 'serialNumber',
};

const TEXT_TAGS: readonly number[] = [TAG.utf8String, TAG.printableString, TAG.ia5String];

/**
 * The subject as `TYPE=value`, one text an RDN, in the certificate's order. Undefined when an RDN has several
 * values or one that is not text: such a name has no text that nobody else has. Throws DerError.
 */
export function subjectRdns({
  subject,
}: Pick<Certificate, 'subject'>): readonly string[] | undefined {
  const document = DerReader.open(subject.raw, MAX_EXTENSION_BYTES);
  const name = document.sequence();
  document.end();
  const rdns: string[] = [];
  while (name.more) {
    const relative = name.enter(TAG.set);
    const attribute = relative.sequence();
    const type = attribute.objectIdentifier();
    const { tag, content } = attribute.element();
    attribute.end();
    const text = TEXT_TAGS.includes(tag) ? strictText(content, tag) : undefined;
    if (relative.more || text === undefined) return undefined;
    rdns.push(`${TYPES[type] ?? type}=${text}`);
  }
  return rdns;
}

function strictText(content: Uint8Array, tag: number): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
    const isAscii = [...content].every((byte) => byte < 0x80);
    return tag === TAG.utf8String || isAscii ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Names of type URI, in order. Throws DerError. */
export function uriNames({ extensions }: Pick<Certificate, 'extensions'>): readonly string[] {
  const value = extensions.get(SUBJECT_ALTERNATIVE_NAME);
  if (value === undefined) return [];
  const document = DerReader.open(value, MAX_EXTENSION_BYTES);
  const names = document.sequence();
  document.end();
  const uris: string[] = [];
  while (names.more) {
    const { tag, content } = names.element();
    if (tag !== URI) continue;
    uris.push(strictText(content, TAG.ia5String) ?? names.fail('not an IA5String'));
  }
  return uris;
}

/** Purposes as object identifiers; undefined when the certificate names none. Throws DerError. */
export function extendedKeyUsage({
  extensions,
}: Pick<Certificate, 'extensions'>): readonly string[] | undefined {
  const value = extensions.get(EXTENDED_KEY_USAGE);
  if (value === undefined) return undefined;
  const document = DerReader.open(value, MAX_EXTENSION_BYTES);
  const list = document.sequence();
  document.end();
  const purposes: string[] = [];
  while (list.more) purposes.push(list.objectIdentifier());
  return purposes;
}

export function hasNameConstraints({ extensions }: Pick<Certificate, 'extensions'>): boolean {
  return extensions.has(NAME_CONSTRAINTS);
}
