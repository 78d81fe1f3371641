/** The KEMs of sessions with keys that are given instead of drawn, for vectors. */
import {
  KEM_DHKEM_P256_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
  KEM_MLKEM768_X25519,
  type KEM,
  type KEMFactory,
} from 'hpke';
import { Hpke, type HpkePair } from '../../enclave/wire/session/hpke.ts';
import type { SuiteNumber } from '../../enclave/wire/session/suites.ts';

const KEMS = {
  1: KEM_DHKEM_X25519_HKDF_SHA256,
  2: KEM_DHKEM_P256_HKDF_SHA256,
  3: KEM_MLKEM768_X25519,
} as const satisfies Record<SuiteNumber, KEMFactory>;

/** An encapsulation that was made before, and what its recipient's key was derived from. */
export interface MadeEncapsulation {
  readonly enc: Uint8Array;
  readonly recipientIkm: Uint8Array;
}

/**
 * Key pairs are derived from `ikms`, one after the other. The hybrid draws more than a key when it encapsulates: there
 * `made` is taken instead.
 */
export function fixedHpke(
  suite: SuiteNumber,
  ikms: readonly Uint8Array[],
  made?: MadeEncapsulation,
): Hpke {
  const left = [...ikms];
  const factory: KEMFactory = () => {
    const kem: Readonly<KEM> = KEMS[suite]();
    const fixed: KEM = {
      ...kem,
      GenerateKeyPair(this: KEM, extractable: boolean) {
        const ikm = left.shift();
        if (ikm === undefined) throw new Error('no more keys are given');
        return this.DeriveKeyPair(ikm, extractable);
      },
    };
    if (suite !== 3 || made === undefined) return fixed;
    return {
      ...fixed,
      async Encap(this: KEM) {
        const pair = await this.DeriveKeyPair(made.recipientIkm, false);
        const secret = await this.Decap(made.enc, pair.privateKey, pair.publicKey);
        return { shared_secret: secret, enc: made.enc };
      },
    };
  };
  return new Hpke(suite, factory);
}

export function fixedPair(suite: SuiteNumber, ikm: Uint8Array): Promise<HpkePair> {
  return fixedHpke(suite, [ikm]).generateKeyPair();
}
