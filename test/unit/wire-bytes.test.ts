import { describe, expect, test } from 'vitest';
import {
  concatBytes,
  equalBytes,
  fromHex,
  label,
  lengthPrefixed,
  toHex,
  u16,
  u32,
  u64,
  u8,
  utf8,
} from '../../enclave/wire/bytes.ts';

describe('layout helpers', () => {
  test('write big-endian integers', () => {
    const all = concatBytes(u8(0x01), u16(0x0203), u32(0x04050607), u64(0x08090a0b0c0d0e0fn));
    expect(toHex(all)).toBe('0102030405060708090a0b0c0d0e0f');
    expect(toHex(u32(0xffff_ffff))).toBe('ffffffff');
    expect(toHex(u64((1n << 64n) - 1n))).toBe('f'.repeat(16));
  });

  test('end a label in one zero byte', () => {
    expect(toHex(label('ab'))).toBe('616200');
  });

  test('prefix a length in bytes, not in characters', () => {
    expect(toHex(lengthPrefixed(utf8('é')))).toBe('00000002c3a9');
    expect(toHex(lengthPrefixed(new Uint8Array(0)))).toBe('00000000');
  });

  test('give a buffer of its own', () => {
    const part = Uint8Array.of(1, 2);
    const joined = concatBytes(part);
    part[0] = 9;
    expect(toHex(joined)).toBe('0102');
    expect(joined.buffer.byteLength).toBe(2);
  });
});

describe('hex', () => {
  test('reads what it writes', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(fromHex(toHex(bytes))).toEqual(bytes);
    expect(fromHex('')).toEqual(new Uint8Array(0));
  });

  test.each(['0', 'AB', '0x00', 'zz', ' 00', '00 ', '00\n', '0g', '٠٠'])('refuses %j', (text) => {
    expect(() => fromHex(text)).toThrow(RangeError);
  });
});

describe('equalBytes', () => {
  test('compares content and length', () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true);
  });

  test.each([
    [Uint8Array.of(1, 2), Uint8Array.of(1)],
    [Uint8Array.of(1), Uint8Array.of(1, 2)],
    [Uint8Array.of(1, 2), Uint8Array.of(2, 1)],
    [Uint8Array.of(0), new Uint8Array(0)],
  ])('tells %o from %o', (a, b) => {
    expect(equalBytes(a, b)).toBe(false);
  });
});
