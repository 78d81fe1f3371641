// Callers of the vectors: fixed keys, and certificates whose every byte is fixed with them. Their authority is an Ed25519
// key, because its signatures do not vary.
import { p256 } from '@noble/curves/nist.js';
import { createECDH, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import * as der from '../src/pkix/der.ts';
import { fixedBytes } from './vector-file.ts';

const ED25519 = der.sequence(der.objectIdentifier('1.3.101.112'));

function ed25519Key(name: string): KeyObject {
  const pkcs8 = Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    fixedBytes(`caller key ${name}`, 32),
  ]);
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
}

const authority = ed25519Key('authority');

const spkiOf = (key: KeyObject): Uint8Array =>
  Uint8Array.from(createPublicKey(key).export({ format: 'der', type: 'spki' }));

const nameOf = (commonName: string): Uint8Array =>
  der.sequence(
    der.setOfOne(der.sequence(der.objectIdentifier('2.5.4.3'), der.utf8String(commonName))),
  );

function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(oid), ...flag, der.octetString(value));
}

/** A client's certificate of 2026 to 2045, RFC 5280. */
function certificate(name: string, publicKey: Uint8Array): Uint8Array {
  const clientAuth = der.sequence(der.objectIdentifier('1.3.6.1.5.5.7.3.2'));
  const uri = der.implicitAscii(6, `spiffe://vectors.example/${name}`);
  const body = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(fixedBytes(`serial ${name}`, 16).fill(0x40, 0, 1)),
    ED25519,
    nameOf('Vector authority'),
    der.sequence(
      der.time(new Date('2026-01-01T00:00:00Z')),
      der.time(new Date('2045-01-01T00:00:00Z')),
    ),
    nameOf(name),
    publicKey,
    der.explicit(
      3,
      der.sequence(
        extension('2.5.29.19', true, der.sequence()),
        extension('2.5.29.15', true, der.namedBits([0])),
        extension('2.5.29.37', false, clientAuth),
        extension('2.5.29.17', false, der.sequence(uri)),
      ),
    ),
  );
  return der.sequence(body, ED25519, der.bitString(sign(null, body, authority)));
}

export interface VectorCaller {
  readonly certificate: Uint8Array;
  /** Number of `sealwright.v1.Algorithm`. */
  readonly algorithm: number;
  sign(input: Uint8Array): Uint8Array;
}

export function ed25519Caller(name: string): VectorCaller {
  const key = ed25519Key(name);
  return {
    certificate: certificate(name, spkiOf(key)),
    algorithm: 4,
    sign: (input) => Uint8Array.from(sign(null, input, key)),
  };
}

/** Signs with the nonces of RFC 6979, which OpenSSL does not. */
export function p256Caller(name: string): VectorCaller {
  const scalar = fixedBytes(`caller key ${name}`, 32);
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(scalar);
  const spki = Buffer.concat([
    Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex'),
    pair.getPublicKey(),
  ]);
  return {
    certificate: certificate(name, spki),
    algorithm: 1,
    sign: (input) => p256.sign(input, scalar, { lowS: false, format: 'der' }),
  };
}
