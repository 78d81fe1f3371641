/**
 * Trust anchors (RFC 5280 §6.1.1 d, RFC 9334 §4.1): whom the caller believes about platforms. They are given,
 * never fetched and never taken from evidence.
 */
import { equalBytes } from '../../enclave/wire/bytes.ts';
import { DerError } from './der.ts';
import { parseCertificate, type Certificate } from './x509.ts';

export interface TrustAnchor {
  /** How results and people call it. */
  readonly name: string;
  /** The evidence format that it may vouch for, and no other. */
  readonly format: string;
  /** DER of the root certificate. It is pinned by content: its own signature is not what makes it trusted. */
  readonly certificate: Uint8Array;
}

/**
 * Roots of hardware vendors, compiled in. Only evidence under one of these is not simulated. Empty until the
 * first hardware format is verified here.
 */
export const VENDOR_ROOTS: readonly TrustAnchor[] = [];

/**
 * Checks that the certificate can be read. It does NOT check that it is self-signed, valid now or an
 * authority: verification does, against the time it is given.
 * @throws RangeError when the bytes are not an X.509 version 3 certificate, or a name is empty
 */
export function trustAnchor(name: string, format: string, certificate: Uint8Array): TrustAnchor {
  if (name === '' || format === '') throw new RangeError('a trust anchor has a name and a format');
  const copy = Uint8Array.from(certificate);
  try {
    parseCertificate(copy);
  } catch (error) {
    if (error instanceof DerError) {
      throw new RangeError(`not a certificate: ${error.message}`, { cause: error });
    }
    throw error;
  }
  return Object.freeze({ name, format, certificate: copy });
}

export function sameAnchor(a: TrustAnchor, b: TrustAnchor): boolean {
  return a.format === b.format && equalBytes(a.certificate, b.certificate);
}

/** Only a compiled-in root makes evidence real; the claims have no say (PROTOCOLS §2). */
export function isVendorRoot(anchor: TrustAnchor): boolean {
  return VENDOR_ROOTS.some((root) => sameAnchor(root, anchor));
}

/** An anchor with its certificate read. */
export interface ReadAnchor extends TrustAnchor {
  readonly parsed: Certificate;
}

export function readAnchor(anchor: TrustAnchor): ReadAnchor {
  return { ...anchor, parsed: parseCertificate(anchor.certificate) };
}
