/** From what is to be signed to the request for it, and to what verifies the answer. */
import { createHash, createPublicKey, randomBytes, type Hash, type KeyObject } from 'node:crypto';
import { ALGORITHMS, algorithmRow, type AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { MAX_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import { SignatureEncoding, type SignRequest } from '../gen/sealwright/v1/signing.ts';
import type { KeyStatement } from '../verifier/index.ts';
import type { SignedRequest } from './signed-answer.ts';
import { startCheck, type EcdsaEncoding, type SignatureCheck } from './signature-check.ts';

export interface PreparedRequest extends Pick<SignedRequest, 'request' | 'toBeSigned' | 'digest'> {
  /** Whether this signs the message, under the key that was asked for or another version of its ring. Once. */
  readonly holds: (signature: Uint8Array, by?: KeyStatement) => boolean;
}

const ENCODING_NUMBERS = {
  der: SignatureEncoding.SIGNATURE_ENCODING_ASN1_DER,
  p1363: SignatureEncoding.SIGNATURE_ENCODING_P1363,
} as const satisfies Record<EcdsaEncoding, SignatureEncoding>;

/** To decode a key costs as much as to verify with it. */
const DECODED = new WeakMap<KeyStatement, KeyObject>();

/** Of a statement. Throws for a point that is not on its curve. */
export function publicKeyOf(statement: KeyStatement): KeyObject {
  const known = DECODED.get(statement);
  if (known !== undefined) return known;
  const key = Buffer.from(statement.publicKey);
  const decoded = createPublicKey({ key, format: 'der', type: 'spki' });
  DECODED.set(statement, decoded);
  return decoded;
}

/** One message on its way into a request, chunk by chunk: a digest ring takes messages of any size. */
export class Preparation {
  readonly #key: KeyStatement;
  readonly #algorithm: AlgorithmName;
  readonly #encoding: EcdsaEncoding;
  readonly #check: SignatureCheck;
  readonly #hash: Hash | undefined;
  readonly #chunks: Uint8Array[] = [];
  #byteLength = 0;

  /** `encoding` matters for ECDSA only. */
  constructor(key: KeyStatement, algorithm: AlgorithmName, encoding: EcdsaEncoding = 'der') {
    const row = algorithmRow(algorithm);
    this.#key = key;
    this.#algorithm = algorithm;
    this.#encoding = encoding;
    this.#check = startCheck(algorithm, publicKeyOf(key), encoding);
    this.#hash = 'hash' in row ? createHash(row.hash) : undefined;
  }

  /** False from the first byte that no message of this ring may have. */
  take(chunk: Uint8Array): boolean {
    this.#byteLength += chunk.byteLength;
    if (this.#key.scope.payload === 'message') {
      if (this.#byteLength > MAX_MESSAGE_BYTES) return false;
      this.#chunks.push(chunk);
    }
    this.#hash?.update(chunk);
    this.#check.update(chunk);
    return true;
  }

  /** The request, with a request id of its own. */
  finish(): PreparedRequest {
    const isEcdsa = algorithmRow(this.#algorithm).family === 'ecdsa';
    const common = {
      ring: this.#key.ring,
      algorithm: ALGORITHMS[this.#algorithm].wire,
      encoding: isEcdsa
        ? ENCODING_NUMBERS[this.#encoding]
        : SignatureEncoding.SIGNATURE_ENCODING_UNSPECIFIED,
      requestId: Uint8Array.from(randomBytes(16)),
      declineReceipt: false,
    };
    const holds = (signature: Uint8Array, by?: KeyStatement): boolean =>
      this.#check.accepts(signature, by && publicKeyOf(by));
    const hashed = this.#hash?.digest();
    const digest = hashed === undefined ? undefined : Uint8Array.from(hashed);
    if (this.#key.scope.payload === 'digest') {
      const toBeSigned = digest ?? new Uint8Array(0);
      const payload = { $case: 'digest', value: { digest: toBeSigned } } as const;
      return { request: { ...common, payload }, holds, toBeSigned, digest: toBeSigned };
    }
    const message = Buffer.concat(this.#chunks);
    const payload = { $case: 'message', value: { message } } as const;
    const request: SignRequest = { ...common, payload };
    return { request, holds, toBeSigned: message, digest };
  }
}
