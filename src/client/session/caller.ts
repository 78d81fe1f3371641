/** Who opens a session: a chain of certificates, and the key that the leaf is for. */
import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { ALGORITHMS } from '../../../enclave/wire/algorithm.ts';
import { callerAlgorithm, callerScheme } from '../../../enclave/wire/caller-key.ts';
import { MAX_CHAIN_LENGTH } from '../../../enclave/wire/limits.ts';
import type { ClientIdentity } from '../../../enclave/wire/session/client.ts';
import { decodePemChain } from '../../verifier/pem.ts';
import { RequestError } from '../sdk/errors.ts';

const KEYS = 'P-256, P-384, P-521, Ed25519, or RSA of 2,048 to 8,192 bits';

/**
 * From PEM: `cert` is the chain, leaf first, `key` the leaf's private key. Throws RequestError IDENTITY_UNUSABLE, which says
 * what is wrong.
 */
export function callerIdentity(cert: Uint8Array, key: Uint8Array): ClientIdentity {
  const certificates = usable('cert', () =>
    decodePemChain(new TextDecoder().decode(cert), MAX_CHAIN_LENGTH),
  );
  const leaf = usable('cert', () => new X509Certificate(certificates[0] ?? new Uint8Array(0)));
  const privateKey = usable('key', () => createPrivateKey(Buffer.from(key)));
  const algorithm = callerAlgorithm(privateKey);
  if (algorithm === undefined) throw unusable('key', `must be ${KEYS}`);
  if (!leaf.checkPrivateKey(privateKey)) throw unusable('key', 'is not the one of the leaf');
  const scheme = callerScheme(algorithm, privateKey);
  return {
    certificates,
    algorithm: ALGORITHMS[algorithm].wire,
    sign: (input) => Promise.resolve(Uint8Array.from(sign(scheme.hash, input, scheme.key))),
  };
}

type Part = 'cert' | 'key';

function usable<T>(part: Part, read: () => T): T {
  try {
    return read();
  } catch (error) {
    // Of a key nothing is told but that it is none: messages may travel far.
    const why = part === 'cert' && error instanceof RangeError ? error.message : 'can’t be read';
    throw unusable(part, why);
  }
}

function unusable(part: Part, why: string): RequestError {
  return new RequestError('IDENTITY_UNUSABLE', `identity.${part} ${why}`, { field: part });
}
