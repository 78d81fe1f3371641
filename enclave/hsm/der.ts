/** A DER writer (ITU-T X.690) as small as a SubjectPublicKeyInfo needs it. */

function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Uint8Array.of(0x80 | octets.length, ...octets);
}

function element(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  return concatenate([Uint8Array.of(tag), lengthOctets(length), ...contents]);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

export const derSequence = (...contents: readonly Uint8Array[]): Uint8Array =>
  element(0x30, ...contents);

export const derNull = (): Uint8Array => element(0x05);

/** A BIT STRING of whole octets. */
export const derBitString = (content: Uint8Array): Uint8Array =>
  element(0x03, Uint8Array.of(0), content);

/** A non-negative INTEGER from its big-endian octets, leading zeros allowed (X.690 §8.3: they are not kept). */
export function derUnsignedInteger(octets: Uint8Array): Uint8Array {
  let start = 0;
  while (start < octets.length - 1 && octets[start] === 0) start++;
  const significant = octets.length === 0 ? Uint8Array.of(0) : octets.subarray(start);
  const negative = (significant[0] ?? 0) >= 0x80;
  return negative ? element(0x02, Uint8Array.of(0), significant) : element(0x02, significant);
}

/** The content of an OCTET STRING that fills `bytes` exactly, in DER; undefined when it is none. */
export function parseOctetString(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes[0] !== 0x04 || bytes.length < 2) return undefined;
  for (const header of [2, 3, 4]) {
    if (header > bytes.length) return undefined;
    const expected = lengthOctets(bytes.length - header);
    if (expected.length !== header - 1) continue;
    if (expected.every((octet, index) => octet === bytes[index + 1])) return bytes.subarray(header);
  }
  return undefined;
}
