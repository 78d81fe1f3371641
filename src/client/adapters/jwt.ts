/** JSON Web Signatures by a ring (RFC 7515): what `jose` and other libraries verify with the ring's JWK. */
import { DEFAULT_DEADLINE_MS } from '../../../enclave/wire/limits.ts';
import type { SignOptions, Signer } from '../sdk/signer.ts';
import { Deadline } from '../sdk/deadline.ts';
import { UnavailableError } from '../sdk/errors.ts';

/** A ring rotates once in a while, not between every two calls. */
const MAX_ROTATIONS = 3;

const base64url = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64url');

/** Members of a protected header besides `alg` and `kid`, which are the ring's. */
export type JwsHeader = Readonly<Record<string, unknown>> & {
  readonly alg?: never;
  readonly kid?: never;
};

/**
 * JWS in compact serialization (RFC 7515 §7.1). The ring signs messages; `alg` and `kid` are those of the version that
 * signed. Rejects with SealwrightError.
 */
export async function signCompact(
  signer: Signer,
  payload: Uint8Array,
  header: JwsHeader = {},
  options: Omit<SignOptions, 'encoding'> = {},
): Promise<string> {
  const deadline = new Deadline(options.timeoutMs ?? DEFAULT_DEADLINE_MS);
  for (let rotations = 0; rotations < MAX_ROTATIONS; rotations += 1) {
    const { alg, kid } = await signer.key({ timeoutMs: deadline.leftMs });
    const protectedHeader = base64url(JSON.stringify({ ...header, alg, kid }));
    const input = `${protectedHeader}.${base64url(payload)}`;
    // RFC 7518 §3.4; only ECDSA has two forms.
    const signed = await signer.sign(Buffer.from(input, 'ascii'), {
      timeoutMs: deadline.leftMs,
      encoding: 'p1363',
    });
    // The header names a key, so it is made anew when another version signed.
    if (signed.kid === kid) return `${input}.${base64url(signed.signature)}`;
  }
  throw new UnavailableError('KEY_ROTATED', `ring ${signer.ring} rotated at every attempt`);
}

/** JWT (RFC 7519): the claims as they are, `typ` JWT. Times in claims are seconds since the Unix epoch. */
export function signJwt(
  signer: Signer,
  claims: Readonly<Record<string, unknown>>,
  header: JwsHeader = {},
  options: Omit<SignOptions, 'encoding'> = {},
): Promise<string> {
  const payload = Buffer.from(JSON.stringify(claims));
  return signCompact(signer, payload, { typ: 'JWT', ...header }, options);
}
