/**
 * HPKE (RFC 9180) as sessions use it, in modes base and PSK. The only file that knows the package. It runs on Web
 * Crypto, so keys are drawn and kept there: their private halves can't be exported.
 */
import {
  AEAD_AES_256_GCM,
  AEAD_ChaCha20Poly1305,
  CipherSuite,
  DecapError,
  DeserializeError,
  EncapError,
  KDF_HKDF_SHA256,
  KEM_DHKEM_P256_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
  KEM_MLKEM768_X25519,
  OpenError,
  ValidationError,
  type AEADFactory,
  type Key,
  type KEMFactory,
  type KeyPair,
} from 'hpke';
import type { SuiteNumber } from './suites.ts';

interface Algorithms {
  readonly kem: KEMFactory;
  readonly aead: AEADFactory;
}

const ALGORITHMS = {
  1: { kem: KEM_DHKEM_X25519_HKDF_SHA256, aead: AEAD_ChaCha20Poly1305 },
  2: { kem: KEM_DHKEM_P256_HKDF_SHA256, aead: AEAD_AES_256_GCM },
  3: { kem: KEM_MLKEM768_X25519, aead: AEAD_ChaCha20Poly1305 },
} as const satisfies Record<SuiteNumber, Algorithms>;

/** Thrown for keys, encapsulations and ciphertexts that do not fit. Says nothing more: the other side made them. */
export class HpkeError extends Error {
  override readonly name = 'HpkeError';
}

const FROM_THE_OTHER_SIDE = [DecapError, DeserializeError, EncapError, OpenError, ValidationError];

async function received<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    // Everything else is a mistake of ours, or of the package.
    if (FROM_THE_OTHER_SIDE.some((kind) => error instanceof kind)) throw new HpkeError();
    throw error;
  }
}

export interface HpkePair {
  /** In the form that travels. */
  readonly publicKey: Uint8Array;
  readonly keys: KeyPair;
}

/** Mode PSK (RFC 9180 §5.1.2): `key` has 32 bytes, `id` is not empty. */
export interface Psk {
  readonly key: Uint8Array;
  readonly id: Uint8Array;
}

export interface SenderContext {
  readonly enc: Uint8Array;
  seal(plaintext: Uint8Array): Promise<Uint8Array>;
  exportSecret(context: Uint8Array): Promise<Uint8Array>;
}

export interface RecipientContext {
  /** Throws HpkeError. */
  open(ciphertext: Uint8Array): Promise<Uint8Array>;
  exportSecret(context: Uint8Array): Promise<Uint8Array>;
}

const SECRET_BYTES = 32;

/** The package takes an empty PSK for mode base: without this check a fault would drop a binding in silence. */
function options(info: Uint8Array, psk: Psk | undefined) {
  if (psk === undefined) return { info };
  if (psk.key.byteLength !== SECRET_BYTES || psk.id.byteLength === 0) {
    throw new RangeError('a PSK has 32 bytes and an id');
  }
  return { info, psk: psk.key, pskId: psk.id };
}

export class Hpke {
  readonly #suite: CipherSuite;

  /** `kem`: for vectors, the suite's own with fixed ephemeral keys. */
  constructor(suite: SuiteNumber, kem: KEMFactory = ALGORITHMS[suite].kem) {
    this.#suite = new CipherSuite(kem, KDF_HKDF_SHA256, ALGORITHMS[suite].aead);
  }

  async generateKeyPair(): Promise<HpkePair> {
    return this.#pair(await this.#suite.GenerateKeyPair());
  }

  async #pair(keys: KeyPair): Promise<HpkePair> {
    return { publicKey: await this.#suite.SerializePublicKey(keys.publicKey), keys };
  }

  /** SetupBaseS, or SetupPSKS. Throws HpkeError for a public key that is none. */
  async sender(publicKey: Uint8Array, info: Uint8Array, psk?: Psk): Promise<SenderContext> {
    const key: Key = await received(this.#suite.DeserializePublicKey(publicKey));
    const { encapsulatedSecret, ctx } = await received(
      this.#suite.SetupSender(key, options(info, psk)),
    );
    return {
      enc: encapsulatedSecret,
      seal: (plaintext) => ctx.Seal(plaintext),
      exportSecret: (context) => ctx.Export(context, SECRET_BYTES),
    };
  }

  /** SetupBaseR, or SetupPSKR. Throws HpkeError for an encapsulation that is none. */
  async recipient(
    { keys }: HpkePair,
    enc: Uint8Array,
    info: Uint8Array,
    psk?: Psk,
  ): Promise<RecipientContext> {
    const ctx = await received(this.#suite.SetupRecipient(keys, enc, options(info, psk)));
    return {
      open: (ciphertext) => received(ctx.Open(ciphertext)),
      exportSecret: (context) => ctx.Export(context, SECRET_BYTES),
    };
  }
}
