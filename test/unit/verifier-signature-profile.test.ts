import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import * as der from '../../src/pkix/der.ts';
import { DerError, DerReader } from '../../enclave/wire/x509/der.ts';
import { readSignatureAlgorithm } from '../../enclave/wire/x509/signature-algorithm.ts';
import { readSubjectPublicKeyInfo, rsaSizeOf } from '../../enclave/wire/x509/public-key.ts';
import {
  ECDSA_P256_SHA256,
  ECDSA_P384_SHA384,
  ECDSA_P521_SHA512,
  RSA_PKCS1_SHA256,
  RSA_PSS_SHA384,
} from '../../src/verifier/signature-profile.ts';

const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spkiOf = (key: KeyObject): Uint8Array =>
  Uint8Array.from(key.export({ type: 'spki', format: 'der' }));

describe('signature profiles', () => {
  const message = Buffer.from('to be signed');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const three = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
  const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const keyOf = (key: KeyObject): ReturnType<typeof readSubjectPublicKeyInfo> =>
    readSubjectPublicKeyInfo(spkiOf(key));
  const pss = (key: KeyObject, saltLength = 48): Uint8Array =>
    sign('sha384', message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

  test('each verifies what it is for, and nothing of another kind', async () => {
    const signed = [
      [ECDSA_P256_SHA256, authority, sign('sha256', message, authority.privateKey)],
      [ECDSA_P384_SHA384, p384, sign('sha384', message, p384.privateKey)],
      [ECDSA_P521_SHA512, p521, sign('sha512', message, p521.privateKey)],
      [RSA_PSS_SHA384, rsa, pss(rsa.privateKey)],
      [RSA_PKCS1_SHA256, rsa, sign('sha256', message, rsa.privateKey)],
    ] as const;
    for (const [i, [profile]] of signed.entries()) {
      for (const [j, [, { publicKey }, signature]] of signed.entries()) {
        expect(await profile.verify(keyOf(publicKey), signature, message)).toBe(i === j);
      }
    }
  });

  test('another salt, a small modulus, exponent 3: false', async () => {
    expect(
      await RSA_PSS_SHA384.verify(keyOf(rsa.publicKey), pss(rsa.privateKey, 32), message),
    ).toBe(false);
    expect(
      await RSA_PSS_SHA384.verify(keyOf(small.publicKey), pss(small.privateKey), message),
    ).toBe(false);
    expect(
      await RSA_PSS_SHA384.verify(keyOf(three.publicKey), pss(three.privateKey), message),
    ).toBe(false);
    expect(rsaSizeOf(keyOf(three.publicKey))).toEqual({ modulusBits: 2048, exponent: 3 });
    expect(rsaSizeOf(keyOf(small.publicKey))).toEqual({ modulusBits: 1024, exponent: 65537 });
  });

  test('a modulus of 3 KiB is never given to Web Crypto', async () => {
    const modulus = new Uint8Array(3000).fill(0xab);
    const bits = der.sequence(der.integer(modulus), der.integer(Uint8Array.of(1, 0, 1)));
    const rsaOid = der.sequence(der.objectIdentifier('1.2.840.113549.1.1.1'), Uint8Array.of(5, 0));
    const key = readSubjectPublicKeyInfo(der.sequence(rsaOid, der.bitString(bits)));

    expect(rsaSizeOf(key)?.modulusBits).toBe(24_000);
    expect(await RSA_PSS_SHA384.verify(key, new Uint8Array(3000), message)).toBe(false);
  });

  const SHA384 = der.sequence(der.objectIdentifier('2.16.840.1.101.3.4.2.2'), Uint8Array.of(5, 0));
  const SHA256 = der.sequence(der.objectIdentifier('2.16.840.1.101.3.4.2.1'));
  const mgf = (oid: string, hash: der.Der): der.Der =>
    der.sequence(der.objectIdentifier(oid), hash);
  const MGF1 = '1.2.840.113549.1.1.8';
  const number = (value: number): der.Der => der.integer(Uint8Array.of(value));
  const pssOf = (...fields: readonly der.Der[]): Uint8Array =>
    der.sequence(der.objectIdentifier('1.2.840.113549.1.1.10'), der.sequence(...fields));
  const read = (algorithm: Uint8Array): string => {
    try {
      return readSignatureAlgorithm(DerReader.open(algorithm, 1024).sequence());
    } catch (error) {
      if (error instanceof DerError) return error.problem;
      throw error;
    }
  };

  for (const [name, algorithm, text] of [
    [
      'PSS as AMD’s older authorities write it',
      pssOf(
        der.explicit(0, SHA384),
        der.explicit(1, mgf(MGF1, SHA384)),
        der.explicit(2, number(48)),
        der.explicit(3, number(1)),
      ),
      RSA_PSS_SHA384.algorithm,
    ],
    [
      'PSS in DER',
      pssOf(
        der.explicit(0, SHA384),
        der.explicit(1, mgf(MGF1, SHA384)),
        der.explicit(2, number(48)),
      ),
      RSA_PSS_SHA384.algorithm,
    ],
    [
      'a salt of 20',
      pssOf(
        der.explicit(0, SHA384),
        der.explicit(1, mgf(MGF1, SHA384)),
        der.explicit(2, number(20)),
      ),
      'rsassaPss SHA-384, salt 20',
    ],
    [
      'a mask by another hash',
      pssOf(
        der.explicit(0, SHA384),
        der.explicit(1, mgf(MGF1, SHA256)),
        der.explicit(2, number(48)),
      ),
      'rsassaPss SHA-384, salt 48, MGF1 SHA-256',
    ],
    [
      'another trailer',
      pssOf(
        der.explicit(0, SHA384),
        der.explicit(1, mgf(MGF1, SHA384)),
        der.explicit(2, number(48)),
        der.explicit(3, number(2)),
      ),
      'trailer',
    ],
    [
      'another mask generation',
      pssOf(
        der.explicit(0, SHA384),
        der.explicit(1, mgf('1.2.3', SHA384)),
        der.explicit(2, number(48)),
      ),
      'mask generation other than MGF1',
    ],
    ['the defaults, which are SHA-1', pssOf(), 'ends too early'],
    [
      'ECDSA with parameters',
      der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'), Uint8Array.of(5, 0)),
      '1.2.840.10045.4.3.2 with NULL',
    ],
    [
      'something behind the parameters',
      der.sequence(der.objectIdentifier('1.2.3'), Uint8Array.of(5, 0), Uint8Array.of(5, 0)),
      'trailing bytes',
    ],
  ] as const) {
    test(name, () => {
      expect(read(algorithm)).toBe(text);
    });
  }
});
