/** Keys of enclave residency: generated here, held as OpenSSL KeyObjects, sealed at rest (DESIGN §7). */
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  privateEncrypt,
  sign,
  type KeyObject,
} from 'node:crypto';
import type { ToBeSigned } from '../payload/to-be-signed.ts';
import type { Entropy } from '../ports.ts';
import {
  algorithmRow,
  RSA_MODULUS_BITS,
  type AlgorithmName,
  type AlgorithmRow,
  type EcdsaRow,
  type RsaRow,
} from '../wire/algorithm.ts';
import { derToP1363, p1363ToDer } from './ecdsa-form.ts';
import { signPrehashed } from './prehashed-ecdsa.ts';
import { digestInfo, pssEncode } from './rsa-padding.ts';
import type { SignatureForm, SigningKey } from './signing-key.ts';

function generateFor(row: AlgorithmRow): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _public: KeyObject, key: KeyObject): void => {
      if (error === null) resolve(key);
      else reject(error);
    };
    switch (row.family) {
      case 'ecdsa':
        generateKeyPair('ec', { namedCurve: row.curve }, done);
        return;
      case 'eddsa':
        generateKeyPair('ed25519', undefined, done);
        return;
      case 'rsa-pkcs1':
      case 'rsa-pss':
        generateKeyPair('rsa', { modulusLength: RSA_MODULUS_BITS }, done);
        return;
      case 'ml-dsa':
        generateKeyPair(row.parameterSet, undefined, done);
        return;
    }
  });
}

/** The private key as PKCS#8 DER. The caller seals it and overwrites it at once. */
export async function generateEnclaveKey(algorithm: AlgorithmName): Promise<Uint8Array> {
  const key = await generateFor(algorithmRow(algorithm));
  return key.export({ format: 'der', type: 'pkcs8' });
}

export class EnclaveSigningKey implements SigningKey {
  readonly #key: KeyObject;
  readonly #row: AlgorithmRow;
  readonly #entropy: Entropy;

  /** Overwrites `pkcs8`. */
  constructor(algorithm: AlgorithmName, pkcs8: Uint8Array, entropy: Entropy) {
    const view = Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.byteLength);
    this.#key = createPrivateKey({ key: view, format: 'der', type: 'pkcs8' });
    pkcs8.fill(0);
    this.#row = algorithmRow(algorithm);
    this.#entropy = entropy;
  }

  /** DER SubjectPublicKeyInfo. */
  publicKey(): Uint8Array {
    return Uint8Array.from(createPublicKey(this.#key).export({ format: 'der', type: 'spki' }));
  }

  sign(input: ToBeSigned, form: SignatureForm): Uint8Array | Promise<Uint8Array> {
    const row = this.#row;
    const { message, digest } = input;
    if (message === undefined) {
      if (digest === undefined) throw new TypeError('nothing to sign');
      return this.#signDigest(row, digest, form);
    }
    switch (row.family) {
      case 'ecdsa': {
        // A bare KeyObject: an options object costs half the signature again.
        const der = sign(row.hash, message, this.#key);
        return form === 'der' ? der : derToP1363(der, row.coordinateBytes);
      }
      case 'eddsa':
      case 'ml-dsa':
        return sign(null, message, this.#key);
      case 'rsa-pkcs1':
      case 'rsa-pss':
        return signRsa(row, message, this.#key);
    }
  }

  #signDigest(row: AlgorithmRow, digest: Uint8Array, form: SignatureForm): Uint8Array {
    switch (row.family) {
      case 'ecdsa':
        return this.#signEcdsaDigest(row, digest, form);
      case 'rsa-pkcs1':
        return privateEncrypt(
          { key: this.#key, padding: constants.RSA_PKCS1_PADDING },
          digestInfo(row.hash, digest),
        );
      case 'rsa-pss': {
        const salt = this.#entropy.bytes(row.digestBytes);
        const encoded = pssEncode(row.hash, digest, salt, RSA_MODULUS_BITS / 8);
        return privateEncrypt({ key: this.#key, padding: constants.RSA_NO_PADDING }, encoded);
      }
      case 'eddsa':
      case 'ml-dsa':
        throw new TypeError(`${row.family} takes messages only`);
    }
  }

  #signEcdsaDigest(row: EcdsaRow, digest: Uint8Array, form: SignatureForm): Uint8Array {
    const signature = signPrehashed(row, this.#key, digest, this.#entropy.bytes(32));
    return form === 'der' ? p1363ToDer(signature) : signature;
  }
}

/** On the thread pool: a private RSA operation would hold every other call for a millisecond. */
function signRsa(row: RsaRow, message: Uint8Array, key: KeyObject): Promise<Uint8Array> {
  const padding =
    row.family === 'rsa-pkcs1' ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_PSS_PADDING;
  return new Promise((resolve, reject) => {
    sign(row.hash, message, { key, padding, saltLength: row.digestBytes }, (error, signature) => {
      if (error) reject(error);
      else resolve(signature);
    });
  });
}
