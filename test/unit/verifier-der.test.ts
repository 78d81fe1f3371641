import { describe, expect, test } from 'vitest';
import { testPlatform } from '../../scripts/evidence/index.ts';
import { drawPlatformPki } from '../../src/simulator/platform-pki.ts';
import { DerError, DerReader } from '../../enclave/wire/x509/der.ts';
import { ecdsaDerToP1363 } from '../../src/verifier/ecdsa-form.ts';
import { decodePemCertificate } from '../../src/verifier/pem.ts';
import { parseCertificate } from '../../enclave/wire/x509/certificate.ts';
import { pem } from '../support/evidence-maker.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const open = (hex: string): DerReader => DerReader.open(bytes(hex), 1000);
const ascii = (text: string): string => Buffer.from(text).toString('hex');

const utc = (text: string): string =>
  `17${text.length.toString(16).padStart(2, '0')}${ascii(text)}`;
const generalized = (text: string): string =>
  `18${text.length.toString(16).padStart(2, '0')}${ascii(text)}`;

type Read = (reader: DerReader) => unknown;
const element: Read = (reader) => reader.element();
const integer: Read = (reader) => reader.unsigned();
const boolean: Read = (reader) => reader.boolean();
const bits: Read = (reader) => reader.namedBits();
const oid: Read = (reader) => reader.objectIdentifier();
const time: Read = (reader) => reader.time();

describe('what BER allows and DER does not', () => {
  test.each<[string, string, Read]>([
    ['nothing', '', element],
    ['a tag alone', '30', element],
    ['an indefinite length', '30800000', element],
    ['a length in the long form that fits the short one', `30817f${'00'.repeat(127)}`, element],
    ['a length with a leading zero', `30820080${'00'.repeat(128)}`, element],
    ['a length of four bytes', '308400000001ff', element],
    ['a length that ends', '3082ff', element],
    ['a length beyond the end', '3003ffff', element],
    ['a length of 16 MiB', '3083ffffff00', element],
    ['a tag of two bytes', '1f0100', element],
    ['an empty integer', '0200', integer],
    ['a negative integer', '0201ff', integer],
    ['an integer with a needless zero', '0202007f', integer],
    ['another tag than an integer', '04017f', integer],
    ['a boolean that is neither', '010101', boolean],
    ['a boolean of two bytes', '0102ffff', boolean],
    ['a bit string without the count', '0300', bits],
    ['a count of eight', '03020800', bits],
    ['unused bits that are set', '03020501', bits],
    ['named bits with a trailing zero', '0302000a', bits],
    ['no bits, but some unused', '030105', bits],
    ['an empty object identifier', '0600', oid],
    ['a padded arc', '06032a8001', oid],
    ['an arc without an end', '06022a81', oid],
    ['an arc beyond 28 bits', '06062a8181818101', oid],
    ['a month 13', utc('261301000000Z'), time],
    ['a 31st of February', utc('260231000000Z'), time],
    ['an hour 24', utc('260101240000Z'), time],
    ['no seconds', utc('2601010000Z'), time],
    ['a time zone', utc('260101000000+0100'), time],
    ['fractions of a second', generalized('20510101000000.5Z'), time],
    ['a GeneralizedTime before 2050', generalized('20260101000000Z'), time],
    [
      'a NULL with content',
      '050100',
      (reader) => {
        reader.null();
      },
    ],
    [
      'a bit string with unused bits where bytes are wanted',
      '03020780',
      (reader) => reader.wholeBits(),
    ],
    [
      'trailing bytes',
      '020100ff',
      (reader) => {
        reader.unsigned();
        reader.end();
      },
    ],
    ['an integer above the limit', '02020100', (reader) => reader.smallInteger(255)],
    ['an integer above 32 bits', '02050100000000', (reader) => reader.smallInteger(2 ** 40)],
  ])('%s is refused', (_, hex, read) => {
    expect(() => read(open(hex))).toThrow(DerError);
  });

  test('a document above the limit is refused', () => {
    expect(() => DerReader.open(new Uint8Array(11), 10)).toThrow(DerError);
  });

  test('eleven levels are refused', () => {
    let hex = '0500';
    for (let i = 0; i < 12; i += 1)
      hex = `30${(hex.length / 2).toString(16).padStart(2, '0')}${hex}`;
    let reader = open(hex);

    expect(() => {
      for (let i = 0; i < 11; i += 1) reader = reader.sequence();
    }).toThrow(DerError);
  });

  test('the offset of a problem counts from the first byte of the document', () => {
    const inner = open('30053003020100').sequence();

    expect(() => inner.sequence().objectIdentifier()).toThrow(
      expect.objectContaining({ offset: 4 }),
    );
  });
});

test.each([
  ['060355040a', '2.5.4.10'],
  ['06092a864886f70d010101', '1.2.840.113549.1.1.1'],
  ['060388370a', '2.999.10'],
  ['060100', '0.0'],
])('object identifier %s is %s', (hex, dotted) => {
  expect(open(hex).objectIdentifier()).toBe(dotted);
});

test.each([
  [utc('500101000000Z'), '1950-01-01T00:00:00.000Z'],
  [utc('491231235959Z'), '2049-12-31T23:59:59.000Z'],
  [generalized('20500101000000Z'), '2050-01-01T00:00:00.000Z'],
  [generalized('99991231235959Z'), '9999-12-31T23:59:59.000Z'],
])('time %s is %s', (hex, iso) => {
  expect(new Date(open(hex).time()).toISOString()).toBe(iso);
});

test('named bits are numbered from the left', () => {
  expect([...open('03020106').namedBits()]).toEqual([5, 6]);
  expect([...open('03020780').namedBits()]).toEqual([0]);
  expect([...open('030100').namedBits()]).toEqual([]);
});

describe('ECDSA signatures', () => {
  test('r and s are padded to their places', () => {
    expect(ecdsaDerToP1363(bytes('300602010102017f'), 2)).toEqual(bytes('0001007f'));
    expect(ecdsaDerToP1363(bytes('3008020300ff01020101'), 2)).toEqual(bytes('ff010001'));
  });

  test.each([
    ['no bytes', ''],
    ['three numbers', '3009020101020101020101'],
    ['a negative number', '30060201ff020101'],
    ['a number that is too long', '30080203010000020101'],
    ['trailing bytes', '300602010102010100'],
    ['a length that lies', '3083ffffff0201010201'],
  ])('%s is a false signature', (_, hex) => {
    expect(ecdsaDerToP1363(bytes(hex), 2)).toBeUndefined();
  });
});

describe('certificates', () => {
  const leaf = testPlatform().endorsements[0];

  test('the platform’s own certificates can be read', () => {
    for (const der of drawPlatformPki(new Date()).certificates) {
      expect(parseCertificate(der).subject.text).toMatch(
        /^O=Sealwright SIMULATED platform, CN=SIMULATED /,
      );
    }
  });

  test('every truncation is refused', () => {
    for (let length = 0; length < leaf.byteLength; length += 1) {
      expect(() => parseCertificate(leaf.subarray(0, length))).toThrow(DerError);
    }
  });

  test('every byte that is changed is refused or changes what was read', () => {
    const original = JSON.stringify(parseCertificate(leaf), stringify);
    for (let i = 0; i < leaf.byteLength; i += 1) {
      const changed = leaf.map((byte, at) => (at === i ? byte ^ 0x20 : byte));
      let read: string | undefined;
      try {
        read = JSON.stringify(parseCertificate(changed), stringify);
      } catch (error) {
        expect(error).toBeInstanceOf(DerError);
      }
      expect(read).not.toBe(original);
    }
  });

  test.each([
    ['nothing', ''],
    ['text', 'MII'],
    ['another label', pem(leaf).replaceAll('CERTIFICATE', 'PRIVATE KEY')],
    ['two certificates', pem(leaf) + pem(leaf)],
    ['text around it', `subject\n${pem(leaf)}`],
    ['broken base64', pem(leaf).replace('-----\nM', '-----\n=')],
  ])('PEM: %s is refused', (_, text) => {
    expect(() => decodePemCertificate(text)).toThrow(RangeError);
  });

  test('PEM is the DER inside', () => {
    expect(decodePemCertificate(pem(leaf))).toEqual(leaf);
  });
});

function stringify(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return value instanceof Set ? [...(value as Set<unknown>)] : value;
}
