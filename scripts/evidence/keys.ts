// Key pairs that follow from their names. Anybody can compute them: nothing may ever trust a root that is made here.
import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { p384 } from '@noble/curves/nist.js';
import { fixedBytes, fromHex } from '../vector-file.ts';

/** A P-384 key pair that follows from its name. */
export interface EcKey {
  readonly secret: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

const P384_SPKI_PREFIX = '3076301006072a8648ce3d020106052b81040022036200';

export function ecKey(name: string): EcKey {
  const secret = fixedBytes(`P-384 ${name}`, 48);
  return {
    secret,
    spki: Buffer.concat([fromHex(P384_SPKI_PREFIX), p384.getPublicKey(secret, false)]),
  };
}

/** An Ed25519 key pair that follows from its name. */
export interface EdKey {
  readonly secret: KeyObject;
  readonly spki: Uint8Array;
}

export function edKey(name: string): EdKey {
  const seed = fixedBytes(`Ed25519 ${name}`, 32);
  const pkcs8 = Buffer.concat([fromHex('302e020100300506032b657004220420'), seed]);
  const secret = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const jwk = secret.export({ format: 'jwk' });
  const x = Buffer.from(jwk.x ?? '', 'base64url');
  return { secret, spki: Buffer.concat([fromHex('302a300506032b6570032100'), x]) };
}

export const edSign = (key: EdKey, message: Uint8Array): Uint8Array =>
  Uint8Array.from(sign(null, message, key.secret));
