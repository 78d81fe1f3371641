/** How a secret could look in a place where it must not be. */

/**
 * Fragments overlap, so that a line break, a page or a buffer's end inside of a secret hides at most a part of it, and a
 * leak of half a key is one too. 96 bits and more of each are never met by chance.
 */
const FRAGMENT_BYTES = 16;
const STRIDE_BYTES = 8;
/** Fewer different bytes are a length, a padding or a point at infinity. */
const LEAST_DIFFERENT = 7;
/** Of a long part, evenly: a prime of an RSA key has 192 bytes. */
const MOST_FRAGMENTS = 6;

export function fragmentsOf(part: Buffer): Buffer[] {
  const last = part.byteLength - FRAGMENT_BYTES;
  if (last < 0) return [];
  const starts = new Set([last]);
  for (let start = 0; start < last; start += STRIDE_BYTES) starts.add(start);
  const inOrder = [...starts].sort((a, b) => a - b);
  const step = Math.max(1, (inOrder.length - 1) / (MOST_FRAGMENTS - 1));
  const chosen = Array.from({ length: Math.min(inOrder.length, MOST_FRAGMENTS) }, (_, i) =>
    Math.round(i * step),
  );
  return chosen
    .map((i) => part.subarray(inOrder[i] ?? 0, (inOrder[i] ?? 0) + FRAGMENT_BYTES))
    .filter((fragment) => new Set(fragment).size >= LEAST_DIFFERENT);
}

const COLUMNS = 6;

type Encoder = (fragment: Buffer) => Buffer;

const text =
  (encode: (fragment: Buffer) => string): Encoder =>
  (fragment) =>
    Buffer.from(encode(fragment), 'latin1');

const hex = (fragment: Buffer): string => fragment.toString('hex');

/** Base64 of a longer text in which the fragment begins at any place: whole groups of it are always the same. */
const aligned =
  (alphabet: 'base64' | 'base64url', skipped: number) =>
  (fragment: Buffer): string => {
    const groups = Math.floor((fragment.byteLength - skipped) / 3);
    return fragment.subarray(skipped, skipped + 3 * groups).toString(alphabet);
  };

/**
 * Of inspect() on a Uint8Array: a few in a line, each column as wide as its widest number. In one secret of a hundred
 * two of these columns have no number above 99, and it is missed.
 */
const columns = (fragment: Buffer, narrow?: number): string =>
  [...fragment.subarray(0, COLUMNS)]
    .map((byte, column) => String(byte).padStart(column === narrow ? 2 : 3))
    .join(', ');

const TEXTS: Readonly<Record<string, (fragment: Buffer) => string>> = {
  hex,
  HEX: (fragment) => hex(fragment).toUpperCase(),
  // Of inspect() on a Buffer.
  'hex, spaced': (fragment) => hex(fragment).replace(/..(?=.)/g, '$& '),
  // Of JSON and join().
  'decimal, commas': (fragment) => fragment.join(','),
  'decimal, spaced': (fragment) => fragment.join(', '),
  'decimal, columns': (fragment) => columns(fragment),
  ...Object.fromEntries(
    Array.from({ length: COLUMNS }, (_, narrow) => [
      `decimal, columns, a narrow one at ${String(narrow)}`,
      (fragment: Buffer) => columns(fragment, narrow),
    ]),
  ),
  ...Object.fromEntries(
    (['base64', 'base64url'] as const).flatMap((alphabet) =>
      [0, 1, 2].map((skipped) => [`${alphabet} +${String(skipped)}`, aligned(alphabet, skipped)]),
    ),
  ),
};

const utf16: (encode: (fragment: Buffer) => string) => Encoder = (encode) => (fragment) =>
  Buffer.from(encode(fragment), 'utf16le');

const latin1 = (fragment: Buffer): string => fragment.toString('latin1');

/** By name; the first that gives some bytes gives them their name. */
export const ENCODINGS: Readonly<Record<string, Encoder>> = {
  raw: (fragment) => fragment,
  // Big numbers in memory have their lowest byte first.
  reversed: (fragment) => Buffer.from(fragment).reverse(),
  'reversed hex': text((fragment) => hex(Buffer.from(fragment).reverse())),
  // Bytes that were taken for text.
  'UTF-8': (fragment) => Buffer.from(latin1(fragment), 'utf8'),
  ...Object.fromEntries(Object.entries(TEXTS).map(([name, encode]) => [name, text(encode)])),
  'UTF-16': utf16(latin1),
  ...Object.fromEntries(
    Object.entries(TEXTS).map(([name, encode]) => [`UTF-16 of ${name}`, utf16(encode)]),
  ),
};
