/**
 * A writer for the few DER types that certificates need (X.690). It writes only: nothing here may be used
 * to read what somebody else sent.
 */

export type Der = Uint8Array;

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/** Tag, definite length, content. */
function tlv(tag: number, content: Uint8Array): Der {
  const length = content.byteLength;
  if (length < 0x80) return concat([Uint8Array.of(tag, length), content]);
  const digits: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return concat([Uint8Array.of(tag, 0x80 | digits.length, ...digits), content]);
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

export const sequence = (...parts: readonly Der[]): Der => tlv(0x30, concat(parts));

/** A SET of one element, which needs no sorting. */
export const setOfOne = (part: Der): Der => tlv(0x31, part);

export const boolean = (value: boolean): Der => tlv(0x01, Uint8Array.of(value ? 0xff : 0));

export const octetString = (content: Uint8Array): Der => tlv(0x04, content);

export const utf8String = (text: string): Der => tlv(0x0c, new TextEncoder().encode(text));

/** A BIT STRING of whole bytes. */
export const bitString = (content: Uint8Array): Der =>
  tlv(0x03, concat([Uint8Array.of(0), content]));

/** A BIT STRING of named bits (X.690 §11.2.2: trailing zero bits are left out). */
export function namedBits(bits: readonly number[]): Der {
  const last = Math.max(...bits);
  const content = new Uint8Array(Math.floor(last / 8) + 1);
  for (const bit of bits) content[bit >> 3] = (content[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return tlv(0x03, concat([Uint8Array.of(7 - (last & 7)), content]));
}

/** A non-negative INTEGER from big-endian bytes. */
export function integer(bigEndian: Uint8Array): Der {
  let start = 0;
  while (start < bigEndian.byteLength - 1 && bigEndian[start] === 0) start += 1;
  const digits = bigEndian.subarray(start);
  // A set top bit would make it negative.
  const pad = (digits[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return tlv(0x02, concat([pad, digits]));
}

export function objectIdentifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const content = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let high = arc >>> 7; high > 0; high >>>= 7) digits.unshift((high & 0x7f) | 0x80);
    content.push(...digits);
  }
  return tlv(0x06, Uint8Array.from(content));
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. Whole seconds. */
export function time(at: Date): Der {
  const digits = at
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  return at.getUTCFullYear() < 2050 ? tlv(0x17, ascii(digits.slice(2))) : tlv(0x18, ascii(digits));
}

/** [number] EXPLICIT. */
export const explicit = (number: number, content: Der): Der => tlv(0xa0 | number, content);

/** [number] IMPLICIT of a primitive type. */
export const implicit = (number: number, content: Uint8Array): Der => tlv(0x80 | number, content);

/** [number] IMPLICIT IA5String. */
export const implicitAscii = (number: number, text: string): Der => implicit(number, ascii(text));

/** [number] IMPLICIT of a SET or SEQUENCE. */
export const constructed = (number: number, ...parts: readonly Der[]): Der =>
  tlv(0xa0 | number, concat(parts));

/** NULL. */
export const nothing: Der = Uint8Array.of(0x05, 0);
