import { describe, expect, test } from 'vitest';
import { CborError, CborTag, decodeCbor, type CborValue } from '../../src/verifier/cbor.ts';
import { decodeCoseSign1 } from '../../src/verifier/cose-sign1.ts';

const LIMITS = { maxBytes: 1024, maxDepth: 4, maxItems: 32 };
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const decode = (hex: string): CborValue => decodeCbor(bytes(hex), LIMITS);

/** The problem, or what it decodes to: both must be as named. */
function problemOf(work: () => unknown): string {
  try {
    return `decoded: ${JSON.stringify(work())}`;
  } catch (error) {
    if (error instanceof CborError) return error.problem;
    throw error;
  }
}

describe('CBOR that is accepted', () => {
  // RFC 8949 appendix A, as far as attestation documents use it.
  for (const [hex, value] of [
    ['00', 0],
    ['17', 23],
    ['1818', 24],
    ['1903e8', 1000],
    ['1a000f4240', 1_000_000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['20', -1],
    ['3822', -35],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['60', ''],
    ['62c3bc', undefined],
    ['63e6b0b4', '水'],
    ['80', []],
    ['83010203', [1, 2, 3]],
    ['9f0102ff', [1, 2]],
    ['9fff', []],
  ] as const) {
    test(hex, () => {
      if (value === undefined) expect(problemOf(() => decode('61fc'))).toBe('text is not UTF-8');
      else expect(decode(hex)).toEqual(value);
    });
  }

  test('byte strings are views, maps keep their order, tags their number', () => {
    const document = bytes('d28244010203048162f09f');
    expect(decode('4401020304')).toEqual(bytes('01020304'));
    expect([...(decode('a26162016161 02'.replace(' ', '')) as Map<string, number>)]).toEqual([
      ['b', 1],
      ['a', 2],
    ]);
    expect(decode('bf616101ff')).toEqual(new Map([['a', 1]]));
    expect(decode('d201')).toEqual(new CborTag(18, 1));
    expect(problemOf(() => decodeCbor(document, LIMITS))).toBe('text is not UTF-8');
  });
});

describe('CBOR that is refused', () => {
  for (const [name, hex, problem] of [
    ['nothing', '', 'ends too early'],
    ['two documents', '0000', 'trailing bytes'],
    ['a break alone', 'ff', 'a break without a beginning'],
    ['a number in two bytes that fits one', '1817', 'length is not minimal'],
    ['a number in three bytes that fits two', '1900ff', 'length is not minimal'],
    ['a number in five bytes that fits three', '1a0000ffff', 'length is not minimal'],
    ['a number in nine bytes that fits five', '1b00000000ffffffff', 'length is not minimal'],
    ['a number beyond 2^53', '1b0020000000000001', 'number beyond 2^53'],
    ['reserved additional information 28', '1c', 'reserved length'],
    ['an integer of indefinite length', '1f', 'reserved length'],
    ['a tag of indefinite length', 'df', 'reserved length'],
    ['a length that is cut', '19ff', 'ends in a length'],
    ['bytes shorter than they say', '4401', 'length reaches beyond the end'],
    ['text of 4 GiB', '7affffffff', 'length reaches beyond the end'],
    ['bytes of 2^53', '5b0020000000000000', 'number beyond 2^53'],
    ['an array of 2^32 items', '9affffffff', 'ends too early'],
    ['a map of 2^32 members', 'baffffffff', 'ends too early'],
    ['an array that never ends', '9f01', 'ends too early'],
    ['a map that never ends', 'bf6161', 'ends too early'],
    ['a map with a key and no value', 'bf6161ff', 'a break without a beginning'],
    ['bytes in chunks', '5f4101ff', 'a string in chunks'],
    ['text in chunks', '7f6161ff', 'a string in chunks'],
    ['undefined', 'f7', 'float or simple value'],
    ['a half float', 'f93c00', 'float or simple value'],
    ['a double', 'fb3ff0000000000000', 'float or simple value'],
    ['a simple value', 'f820', 'float or simple value'],
    ['a key twice', 'a2616101616102', 'a key stands twice'],
    ['a key twice in an open map', 'bf616101616102ff', 'a key stands twice'],
    ['an integer key twice', 'a201010102', 'a key stands twice'],
    ['a key of bytes', 'a1410100', 'a key that is neither integer nor text'],
    ['a key that is a list', 'a18000', 'a key that is neither integer nor text'],
    ['text that is not UTF-8', '62c328', 'text is not UTF-8'],
    ['five levels of lists', '818181818100', 'nested too deeply'],
    ['five levels of tags', 'c1c1c1c1c100', 'nested too deeply'],
    ['33 items', `9820${'00'.repeat(32)}`, 'too many items'],
    ['more bytes than the limit', `590400${'00'.repeat(1024)}`, 'larger than the limit'],
  ] as const) {
    test(name, () => {
      expect(problemOf(() => decode(hex))).toBe(problem);
    });
  }

  test('200,000 levels end in a refusal, not in the stack', () => {
    const limits = { maxBytes: 2 ** 20, maxDepth: 4, maxItems: 2 ** 20 };
    for (const opener of [0x81, 0x9f, 0xa1, 0xbf, 0xc1]) {
      const nested = new Uint8Array(200_000).fill(opener);
      expect(problemOf(() => decodeCbor(nested, limits))).toMatch(
        /^nested too deeply|^a key that is neither/,
      );
    }
  });
});

describe('COSE_Sign1', () => {
  const GOOD = '8443a10122a0420102420304';

  test('tagged or not, and the bytes that are signed are those that were received', () => {
    const plain = decodeCoseSign1(bytes(GOOD), 64);

    expect(plain.protectedHeaders).toEqual(new Map([[1, -3]]));
    expect(plain.payload).toEqual(bytes('0102'));
    expect(plain.signature).toEqual(bytes('0304'));
    // RFC 9052 §4.4: ["Signature1", protected, h'', payload]
    expect(Buffer.from(plain.toBeSigned).toString('hex')).toBe(
      `846a${Buffer.from('Signature1').toString('hex')}43a1012240420102`,
    );
    expect(decodeCoseSign1(bytes(`d2${GOOD}`), 64)).toEqual(plain);
  });

  test('a protected header of no bytes is an empty map', () => {
    expect(decodeCoseSign1(bytes('8440a0420102420304'), 64).protectedHeaders.size).toBe(0);
  });

  for (const [name, hex, problem] of [
    ['COSE_Sign (tag 98)', `d862${GOOD}`, 'expected tag 18, found 98'],
    ['two tags', `d2d2${GOOD}`, 'expected an array of four'],
    ['three members', '8343a10122a0420102', 'expected an array of four'],
    ['five members', `85${GOOD.slice(2)}00`, 'expected an array of four'],
    ['a map', 'a0', 'expected an array of four'],
    ['a detached payload', '8443a10122a0f6420304', 'payload: expected bytes'],
    ['headers that are no bytes', '84a0a0420102420304', 'protected: expected bytes'],
    ['headers that are a list', '844180a0420102420304', 'protected: expected a map'],
    ['headers with trailing bytes', '8444a1012200a0420102420304', 'trailing bytes'],
    ['a header twice', '8445a201220122a0420102420304', 'a key stands twice'],
    ['a signature that is a text', '8443a10122a0420102626162', 'signature: expected bytes'],
    [
      'more bytes than the limit',
      `8443a10122a0583d${'00'.repeat(61)}420304`,
      'larger than the limit',
    ],
  ] as const) {
    test(`refused: ${name}`, () => {
      expect(problemOf(() => decodeCoseSign1(bytes(hex), 64))).toBe(problem);
    });
  }
});
