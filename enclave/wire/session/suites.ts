/** The suites of sessions (docs/spec/session.md, "Suites"), one row each. The list is closed. */

export interface Suite {
  /** `suite` in claims. */
  readonly word: string;
  /** Length of a serialised public key of the KEM, and of what it encapsulates, in bytes (RFC 9180 §7.1). */
  readonly publicKeyBytes: number;
  readonly encapsulatedBytes: number;
  /** Name in OpenSSL of the AEAD that seals records; its key has 32 bytes, its nonce 12, its tag 16. */
  readonly recordCipher: 'chacha20-poly1305' | 'aes-256-gcm';
}

export const SUITES = {
  1: {
    word: 'x25519-hkdf-sha256-chacha20poly1305',
    publicKeyBytes: 32,
    encapsulatedBytes: 32,
    recordCipher: 'chacha20-poly1305',
  },
  2: {
    word: 'p256-hkdf-sha256-aes256gcm',
    publicKeyBytes: 65,
    encapsulatedBytes: 65,
    recordCipher: 'aes-256-gcm',
  },
  3: {
    word: 'mlkem768-x25519-hkdf-sha256-chacha20poly1305',
    publicKeyBytes: 1216,
    encapsulatedBytes: 1120,
    recordCipher: 'chacha20-poly1305',
  },
} as const satisfies Record<number, Suite>;

export type SuiteNumber = keyof typeof SUITES;

export type SuiteWord = (typeof SUITES)[SuiteNumber]['word'];

const SUITE_NUMBERS = [1, 2, 3] as const satisfies readonly SuiteNumber[];

/** By number. */
export const SUITE_WORDS: readonly SuiteWord[] = SUITE_NUMBERS.map((suite) => SUITES[suite].word);

export function isSuiteNumber(value: number): value is SuiteNumber {
  return Object.hasOwn(SUITES, value);
}

/** Throws RangeError for a word that is not in the table. */
export function suiteOf(word: string): SuiteNumber {
  const found = SUITE_NUMBERS.find((suite) => SUITES[suite].word === word);
  if (found === undefined) throw new RangeError('suite');
  return found;
}
