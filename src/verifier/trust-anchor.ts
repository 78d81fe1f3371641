/**
 * Trust anchors (RFC 5280 §6.1.1 d, RFC 9334 §4.1): whom the caller believes about platforms. They are given,
 * never fetched and never taken from evidence.
 */
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import { DerError } from '../../enclave/wire/x509/der.ts';
import { sha256 } from './web-crypto.ts';
import { parseCertificate, type PathCertificate } from '../../enclave/wire/x509/certificate.ts';

export interface TrustAnchor {
  /** How results and people call it. */
  readonly name: string;
  /** The evidence format that it may vouch for, and no other. */
  readonly format: string;
  /** DER of the root certificate; undefined for a compiled-in root, of which only the fingerprint is kept. */
  readonly certificate: Uint8Array | undefined;
  /** SHA-256 over the root certificate, hex, for a compiled-in root. */
  readonly fingerprint: string | undefined;
  /** Name and key, and what else the path rules look at. */
  readonly parsed: PathCertificate;
}

/** An anchor that somebody gave as a certificate. */
export interface CertificateAnchor extends TrustAnchor {
  readonly certificate: Uint8Array;
}

/**
 * Checks that the certificate can be read. It does NOT check that it is self-signed, valid now or an
 * authority: verification does, against the time it is given.
 * @throws RangeError when the bytes are not an X.509 version 3 certificate, or a name is empty
 */
export function trustAnchor(
  name: string,
  format: string,
  certificate: Uint8Array,
): CertificateAnchor {
  if (name === '' || format === '') throw new RangeError('a trust anchor has a name and a format');
  const copy = Uint8Array.from(certificate);
  try {
    const parsed = parseCertificate(copy);
    return Object.freeze({ name, format, certificate: copy, fingerprint: undefined, parsed });
  } catch (error) {
    if (error instanceof DerError) {
      throw new RangeError(`not a certificate: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/** An anchor is a name and a key (RFC 5280 §6.1.1 d); its certificate is only how they came. */
export function sameAnchor(a: TrustAnchor, b: TrustAnchor): boolean {
  return (
    a.format === b.format &&
    equalBytes(a.parsed.subject.raw, b.parsed.subject.raw) &&
    equalBytes(a.parsed.publicKey.raw, b.parsed.publicKey.raw)
  );
}

/** Whether a root that was sent along is the anchor's own certificate, byte for byte. */
export async function isAnchorCertificate(anchor: TrustAnchor, sent: Uint8Array): Promise<boolean> {
  const { certificate, fingerprint } = anchor;
  if (certificate !== undefined) return equalBytes(certificate, sent);
  return toHex(await sha256(sent)) === fingerprint;
}
