/** For code that takes a signing function in the form of Node's `crypto.sign(…, callback)`. */
import { algorithmRow } from '../../../enclave/wire/algorithm.ts';
import { RequestError } from '../sdk/errors.ts';
import type { SignOptions, Signer } from '../sdk/signer.ts';

export type SignCallback = (error: Error | null, signature?: Buffer) => void;

/** `algorithm` is what the ring is for, so null or undefined; `key` is the ring. Others are refused by an error. */
export type NodeSign = (
  algorithm: string | null | undefined,
  data: Uint8Array,
  callback: SignCallback,
) => void;

/** `dsaEncoding` as Node names it. The callback is called once, never before this returns. */
export function nodeSign(
  signer: Signer,
  { dsaEncoding = 'der' }: { readonly dsaEncoding?: 'der' | 'ieee-p1363' } = {},
): NodeSign {
  const options: SignOptions = { encoding: dsaEncoding === 'der' ? 'der' : 'p1363' };
  return (algorithm, data, callback) => {
    const wanted =
      algorithm === null || algorithm === undefined
        ? Promise.resolve()
        : requireHash(signer, algorithm);
    void wanted
      .then(() => signer.sign(data, options))
      .then(
        ({ signature }) => Buffer.from(signature),
        (error: unknown) => error as Error,
      )
      .then((outcome) => {
        // Outside of the promises: what a callback throws is its caller's, as with Node.
        setImmediate(() => {
          if (Buffer.isBuffer(outcome)) callback(null, outcome);
          else callback(outcome);
        });
      });
  };
}

/** The ring decides which hash is made; to be asked for another one is a mistake in the caller's set-up. */
async function requireHash(signer: Signer, algorithm: string): Promise<void> {
  const { alg } = await signer.key();
  const row = algorithmRow(alg);
  const own = 'hash' in row ? row.hash : 'none';
  // OpenSSL knows SHA-256 by several names.
  const asked = algorithm.toLowerCase().replace(/^rsa-/, '').replace('-', '');
  if (asked === own) return;
  throw new RequestError('ALGORITHM_MISMATCH', `ring ${signer.ring} is ${alg}`, {
    ring: signer.ring,
    expected: own,
    actual: algorithm,
  });
}
