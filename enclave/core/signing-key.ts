/** A key is an object that signs; nothing on it returns key material. */
import type { ToBeSigned } from '../payload/to-be-signed.ts';
import type { Token, TokenKey } from '../ports.ts';
import { algorithmRow } from '../wire/algorithm.ts';
import { Refusal } from '../wire/error-code.ts';
import { p1363ToDer } from './ecdsa-form.ts';

/** Form of an ECDSA signature; other algorithms ignore it. */
export type SignatureForm = 'der' | 'p1363';

export interface SigningKey {
  /** Rejects with TokenFailure. */
  sign(input: ToBeSigned, form: SignatureForm): Uint8Array | Promise<Uint8Array>;
}

/** Of a key that never signs again. */
export const NO_SIGNER: SigningKey = {
  sign: () => {
    throw new Refusal('KEY_STATE_FORBIDS_SIGNING');
  },
};

/** A private key on the token. The token port verifies every signature before it releases it. */
export class TokenSigningKey implements SigningKey {
  readonly #token: Token;
  readonly #key: TokenKey;
  readonly #ecdsa: boolean;

  /** `key.publicKey` is the one recorded at birth, not what the token says today. */
  constructor(token: Token, key: TokenKey) {
    this.#token = token;
    this.#key = key;
    this.#ecdsa = algorithmRow(key.algorithm).family === 'ecdsa';
  }

  async sign(input: ToBeSigned, form: SignatureForm): Promise<Uint8Array> {
    const bytes = input.digest ?? input.message;
    if (bytes === undefined) throw new TypeError('nothing to sign');
    const signature = await this.#token.sign(this.#key, bytes, input.message);
    return this.#ecdsa && form === 'der' ? p1363ToDer(signature) : signature;
  }
}
