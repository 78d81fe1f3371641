import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  derBitString,
  derSequence,
  derUnsignedInteger,
  parseOctetString,
} from '../../enclave/hsm/der.ts';
import {
  encodePins,
  encodeWorkerFrame,
  parsePins,
  WorkerFrameReader,
} from '../../enclave/hsm/framing.ts';
import { encodeSpki } from '../../enclave/hsm/spki.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

describe('DER', () => {
  it.each([
    ['00', '020100'],
    ['', '020100'],
    ['7f', '02017f'],
    ['80', '02020080'],
    ['0000ff', '020200ff'],
    ['010001', '0203010001'],
  ])('unsigned integer %j', (input, expected) => {
    expect(hex(derUnsignedInteger(octets(input)))).toBe(expected);
  });

  it.each([
    [0, '0300'.replace('00', '0100')],
    [126, '037f00'],
    [127, '03818000'],
    [254, '0381ff00'],
    [255, '0382010000'],
    [65_535, '038301000000'],
  ])('lengths: a bit string of %d octets', (length, start) => {
    const encoded = derBitString(new Uint8Array(length));
    expect(hex(encoded).startsWith(start)).toBe(true);
  });

  it('nests', () => {
    expect(hex(derSequence(derSequence(), octets('0500')))).toBe('300430000500');
  });

  it.each([0, 1, 65, 127, 128, 133, 255, 256, 65_535])(
    'an octet string of %d octets is read back',
    (length) => {
      const content = new Uint8Array(length).fill(7);
      const header =
        length < 128
          ? [4, length]
          : length < 256
            ? [4, 0x81, length]
            : [4, 0x82, length >> 8, length & 0xff];
      expect(parseOctetString(Uint8Array.of(...header, ...content))).toEqual(content);
    },
  );

  it.each(['', '04', '0301aa', '0402aa', '0401aabb', '048101aa', '04820001aa', '0480aa0000'])(
    '%j is no octet string in DER',
    (input) => {
      expect(parseOctetString(octets(input))).toBeUndefined();
    },
  );
});

describe('SubjectPublicKeyInfo', () => {
  const curves = [
    ['ES256', 'P-256', 65],
    ['ES384', 'P-384', 97],
    ['ES512', 'P-521', 133],
  ] as const;

  it.each(curves)('%s from a bare and from a wrapped point', (algorithm, namedCurve, length) => {
    const expected = generateKeyPairSync('ec', { namedCurve }).publicKey.export({
      format: 'der',
      type: 'spki',
    });
    const point = expected.subarray(-length);
    const header = length < 128 ? [4, length] : [4, 0x81, length];
    expect(encodeSpki(algorithm, { ecPoint: point })).toEqual(Uint8Array.from(expected));
    expect(encodeSpki(algorithm, { ecPoint: Uint8Array.of(...header, ...point) })).toEqual(
      Uint8Array.from(expected),
    );
  });

  it('EdDSA from a bare and from a wrapped point', () => {
    const expected = generateKeyPairSync('ed25519').publicKey.export({
      format: 'der',
      type: 'spki',
    });
    const point = expected.subarray(-32);
    expect(encodeSpki('EdDSA', { ecPoint: point })).toEqual(Uint8Array.from(expected));
    expect(encodeSpki('EdDSA', { ecPoint: Uint8Array.of(4, 32, ...point) })).toEqual(
      Uint8Array.from(expected),
    );
  });

  it.each(['RS256', 'PS512'] as const)(
    '%s from modulus and exponent, with and without leading zeros',
    (algorithm) => {
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
      const modulus = Buffer.from(n, 'base64url');
      const publicExponent = Buffer.from(e, 'base64url');
      const expected = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
      expect(encodeSpki(algorithm, { modulus, publicExponent })).toEqual(expected);
      const padded = {
        modulus: Buffer.concat([Buffer.alloc(1), modulus]),
        publicExponent: octets('00010001'),
      };
      expect(encodeSpki(algorithm, padded)).toEqual(expected);
      expect(
        createPublicKey({ key: Buffer.from(expected), format: 'der', type: 'spki' })
          .asymmetricKeyType,
      ).toBe('rsa');
    },
  );

  it.each([
    ['a short point', () => encodeSpki('ES256', { ecPoint: new Uint8Array(64).fill(4) })],
    ['a long point', () => encodeSpki('ES256', { ecPoint: new Uint8Array(66).fill(4) })],
    ['a compressed point', () => encodeSpki('ES256', { ecPoint: new Uint8Array(33).fill(2) })],
    [
      'a point of another curve',
      () => encodeSpki('ES384', { ecPoint: new Uint8Array(65).fill(4) }),
    ],
    [
      'a point with another form octet',
      () => encodeSpki('ES256', { ecPoint: new Uint8Array(65).fill(6) }),
    ],
    ['no point for Ed25519', () => encodeSpki('EdDSA', { ecPoint: new Uint8Array(0) })],
    [
      'RSA attributes for a curve',
      () => encodeSpki('ES256', { modulus: octets('ff'), publicExponent: octets('03') }),
    ],
    ['a point for RSA', () => encodeSpki('RS256', { ecPoint: new Uint8Array(65).fill(4) })],
    ['ML-DSA', () => encodeSpki('ML-DSA-44', { ecPoint: new Uint8Array(32) })],
  ])('refuses %s', (_name, encode) => {
    expect(encode).toThrow(RangeError);
  });
});

describe('frames of a worker', () => {
  const bodies = [octets(''), octets('01'), new Uint8Array(300).fill(9)];
  const stream = Buffer.concat(bodies.map((body) => encodeWorkerFrame(body, 300)));

  it.each([1, 2, 3, 5, 299, stream.length])('are read from pieces of %d bytes', (size) => {
    const reader = new WorkerFrameReader(300);
    const read: Uint8Array[] = [];
    for (let start = 0; start < stream.length; start += size) {
      for (const body of reader.push(stream.subarray(start, start + size)))
        read.push(Uint8Array.from(body));
    }
    expect(read).toEqual(bodies);
  });

  it('are limited both ways', () => {
    expect(() => encodeWorkerFrame(new Uint8Array(301), 300)).toThrow(RangeError);
    expect(() => new WorkerFrameReader(299).push(stream)).toThrow(RangeError);
    expect(() => new WorkerFrameReader(300).push(Buffer.from('ffffffff', 'hex'))).toThrow(
      RangeError,
    );
  });
});

describe('PINs on their pipe', () => {
  it.each([[[]], [['1234']], [['so', 'user']], [['x'.repeat(255), 'y']]])('%j', (pins) => {
    const encoded = encodePins(pins.map((pin) => Buffer.from(pin)));
    expect(parsePins(encoded).map((pin) => pin.toString('latin1'))).toEqual(pins);
  });

  it('every truncation and every trailing byte is refused', () => {
    const encoded = encodePins([Buffer.from('1234'), Buffer.from('56')]);
    for (let length = 1; length < encoded.length; length++) {
      if (length === 6) continue;
      expect(() => parsePins(encoded.subarray(0, length))).toThrow(RangeError);
    }
    expect(() => parsePins(Buffer.concat([encoded, Buffer.of(0)]))).toThrow(RangeError);
    expect(() => parsePins(Buffer.concat([encoded, encodePins([Buffer.from('7')])]))).toThrow(
      RangeError,
    );
  });

  it('impossible ones are not sent', () => {
    expect(() => encodePins([Buffer.alloc(0)])).toThrow(RangeError);
    expect(() => encodePins([Buffer.alloc(256)])).toThrow(RangeError);
    expect(() => encodePins([1, 2, 3].map(() => Buffer.from('1')))).toThrow(RangeError);
    expect(() => parsePins(Buffer.of(0, 0))).toThrow(RangeError);
  });
});
