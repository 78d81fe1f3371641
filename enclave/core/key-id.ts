/** kid: the RFC 7638 thumbprint of a public key, SHA-256, base64url. ML-DSA as RFC 9964 says (kty AKP). */
import { createHash, createPublicKey } from 'node:crypto';

// RFC 7638 §3.2 and RFC 8037 §2, RFC 9964: the required members of each kty, in lexicographic order.
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
  AKP: ['alg', 'kty', 'pub'],
};

/** Throws for keys of another kind. */
export function keyId(publicKey: Uint8Array): string {
  const jwk: Readonly<Record<string, unknown>> = {
    ...createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }).export({
      format: 'jwk',
    }),
  };
  const kty = String(jwk['kty']);
  const members = MEMBERS[kty];
  // OKP is also the home of keys that sign nothing.
  if (members === undefined || jwk['crv'] === 'X25519' || jwk['crv'] === 'X448')
    throw new RangeError(`no thumbprint for kty ${kty}`);
  const text = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return createHash('sha256').update(text).digest('base64url');
}
