/** A signature over a message of ours that proves which private key an object holds. */
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { algorithmRow, type AlgorithmName } from '../wire/algorithm.ts';

/** Separates the test message from everything that a payload may be. */
const LABEL = Buffer.from('sealwright/self-test/v1\0');

export interface SelfTest {
  /** What Token.sign takes: the digest, for EdDSA the message. */
  readonly input: Uint8Array;
  /** Whether `signature` (ECDSA as P1363) is one over `input` under this SubjectPublicKeyInfo. */
  accepts(publicKey: Uint8Array, signature: Uint8Array): boolean;
}

export function makeSelfTest(algorithm: AlgorithmName): SelfTest {
  const row = algorithmRow(algorithm);
  const message = Buffer.concat([LABEL, randomBytes(32)]);
  const hash = 'hash' in row ? row.hash : undefined;
  const input = hash === undefined ? message : createHash(hash).update(message).digest();
  return {
    input,
    accepts(publicKey, signature) {
      try {
        const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
        const options =
          row.family === 'rsa-pss'
            ? { padding: RSA_PKCS1_PSS_PADDING, saltLength: row.digestBytes }
            : {};
        return verify(hash, message, { key, dsaEncoding: 'ieee-p1363', ...options }, signature);
      } catch {
        return false;
      }
    },
  };
}

/** OpenSSL's number (node:crypto constants), named here to keep the import list short. */
const RSA_PKCS1_PSS_PADDING = 6;
