/** Names and extensions as certificates and requests for them have them (RFC 5280), written only. */
import { isIP } from 'node:net';
import * as der from './der.ts';

export interface Name {
  readonly organization?: string;
  readonly commonName: string;
}

export type SubjectAltName =
  { readonly dns: string } | { readonly ip: string } | { readonly uri: string };

export function encodeName(name: Name): der.Der {
  const attribute = (oid: string, text: string): der.Der =>
    der.setOfOne(der.sequence(der.objectIdentifier(oid), der.utf8String(text)));
  const { organization, commonName } = name;
  return der.sequence(
    ...(organization === undefined ? [] : [attribute('2.5.4.10', organization)]),
    attribute('2.5.4.3', commonName),
  );
}

export function extension(oid: string, critical: boolean, value: der.Der): der.Der {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(oid), ...flag, der.octetString(value));
}

function ipBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.').map(Number));
  if (isIP(address) !== 6) throw new RangeError(`not an IP address: ${address}`);
  // URL writes the one canonical text form, with at most one '::'.
  const [head = '', tail = ''] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const words = (text: string): string[] => text.split(':').filter((word) => word !== '');
  const middle = 8 - words(head).length - words(tail).length;
  const all = [...words(head), ...Array<string>(middle).fill('0'), ...words(tail)];
  return Uint8Array.from(
    all.flatMap((word) => [parseInt(word, 16) >> 8, parseInt(word, 16) & 255]),
  );
}

function encodeAltName(name: SubjectAltName): der.Der {
  if ('dns' in name) return der.implicitAscii(2, name.dns);
  if ('uri' in name) return der.implicitAscii(6, name.uri);
  return der.implicit(7, ipBytes(name.ip));
}

/** RFC 5280 §4.2.1.6. */
export function subjectAltNames(names: readonly SubjectAltName[]): der.Der {
  return extension('2.5.29.17', false, der.sequence(...names.map(encodeAltName)));
}
