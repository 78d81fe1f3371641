/** Requests for certificates by a ring (PKCS #10, RFC 2986): the ring proves that it has the key which it asks for. */
import type { AlgorithmName } from '../../../enclave/wire/algorithm.ts';
import { DEFAULT_DEADLINE_MS } from '../../../enclave/wire/limits.ts';
import * as der from '../../pkix/der.ts';
import { encodeName, subjectAltNames, type Name, type SubjectAltName } from '../../pkix/names.ts';
import { encodePem } from '../../pkix/pem.ts';
import { Deadline } from '../sdk/deadline.ts';
import { UnavailableError } from '../sdk/errors.ts';
import type { SignOptions, Signer } from '../sdk/signer.ts';

/** What the certificate is wanted for. The authority decides what it puts in. */
export interface CertificateSubject {
  readonly subject: Name;
  /** DNS names, IP addresses, URIs of the subjectAltName. */
  readonly names?: readonly SubjectAltName[];
}

const oid = der.objectIdentifier;

/** RSASSA-PSS-params (RFC 4055 §3.1): hash, MGF1 with the same hash, a salt as long as the hash. */
function pss(hash: string, saltLength: number): der.Der {
  const hashAlgorithm = der.sequence(oid(hash), der.nothing);
  const parameters = der.sequence(
    der.explicit(0, hashAlgorithm),
    der.explicit(1, der.sequence(oid('1.2.840.113549.1.1.8'), hashAlgorithm)),
    der.explicit(2, der.integer(Uint8Array.of(saltLength))),
  );
  return der.sequence(oid('1.2.840.113549.1.1.10'), parameters);
}

const rsa = (id: string): der.Der => der.sequence(oid(id), der.nothing);
const bare = (id: string): der.Der => der.sequence(oid(id));

/** AlgorithmIdentifiers of signatures: RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §5, RFC 9881 §2. */
const SIGNATURE_ALGORITHMS: Readonly<Record<AlgorithmName, der.Der>> = {
  ES256: bare('1.2.840.10045.4.3.2'),
  ES384: bare('1.2.840.10045.4.3.3'),
  ES512: bare('1.2.840.10045.4.3.4'),
  EdDSA: bare('1.3.101.112'),
  RS256: rsa('1.2.840.113549.1.1.11'),
  RS384: rsa('1.2.840.113549.1.1.12'),
  RS512: rsa('1.2.840.113549.1.1.13'),
  PS256: pss('2.16.840.1.101.3.4.2.1', 32),
  PS384: pss('2.16.840.1.101.3.4.2.2', 48),
  PS512: pss('2.16.840.1.101.3.4.2.3', 64),
  'ML-DSA-44': bare('2.16.840.1.101.3.4.3.17'),
  'ML-DSA-65': bare('2.16.840.1.101.3.4.3.18'),
  'ML-DSA-87': bare('2.16.840.1.101.3.4.3.19'),
};

/** PKCS #9 extensionRequest (RFC 2985 §5.4.2). */
function extensionRequest(names: readonly SubjectAltName[]): der.Der[] {
  if (names.length === 0) return [];
  const extensions = der.sequence(subjectAltNames(names));
  return [der.sequence(oid('1.2.840.113549.1.9.14'), der.setOfOne(extensions))];
}

/** PEM, `CERTIFICATE REQUEST` (RFC 7468 §7). Rejects with SealwrightError. */
export async function certificateRequest(
  signer: Signer,
  { subject, names = [] }: CertificateSubject,
  options: Omit<SignOptions, 'encoding'> = {},
): Promise<string> {
  const deadline = new Deadline(options.timeoutMs ?? DEFAULT_DEADLINE_MS);
  const { alg, kid, spki } = await signer.key({ timeoutMs: deadline.leftMs });
  const info = der.sequence(
    der.integer(Uint8Array.of(0)),
    encodeName(subject),
    spki,
    der.constructed(0, ...extensionRequest(names)),
  );
  const signed = await signer.sign(info, { timeoutMs: deadline.leftMs });
  if (signed.kid !== kid) {
    const problem = `ring ${signer.ring} rotated meanwhile: ask again`;
    throw new UnavailableError('KEY_ROTATED', problem, { ring: signer.ring });
  }
  const request = der.sequence(info, SIGNATURE_ALGORITHMS[alg], der.bitString(signed.signature));
  return encodePem('CERTIFICATE REQUEST', request);
}
