/**
 * X.509 version 3 certificates (RFC 5280) for development and for the simulated platform: ECDSA only,
 * one shape of name, a closed list of extensions.
 */
import { createHash, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import * as der from '../pkix/der.ts';
import {
  encodeName,
  extension,
  subjectAltNames,
  type Name,
  type SubjectAltName,
} from '../pkix/names.ts';

/** What the certified key may do. */
export type Usage =
  | { readonly kind: 'authority'; readonly pathLength: number }
  | { readonly kind: 'signer' }
  | { readonly kind: 'server' | 'client'; readonly names: readonly SubjectAltName[] };

export interface CertificateRequest {
  readonly subject: Name;
  readonly publicKey: KeyObject;
  readonly usage: Usage;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly issuer: { readonly name: Name; readonly privateKey: KeyObject };
}

const ECDSA_BY_CURVE: Readonly<Record<string, { readonly oid: string; readonly hash: string }>> = {
  prime256v1: { oid: '1.2.840.10045.4.3.2', hash: 'sha256' },
  secp384r1: { oid: '1.2.840.10045.4.3.3', hash: 'sha384' },
};

/** Bits of keyUsage, RFC 5280 §4.2.1.3. */
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** RFC 5280 §4.2.1.2, method 1 with SHA-256 cut to 20 bytes (RFC 7093 §2). */
function keyIdentifier(key: KeyObject): Uint8Array {
  const spki = key.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest().subarray(0, 20);
}

function usageExtensions(usage: Usage): der.Der[] {
  const constraints = (...content: der.Der[]): der.Der =>
    extension('2.5.29.19', true, der.sequence(...content));
  const keyUsage = (...bits: number[]): der.Der =>
    extension('2.5.29.15', true, der.namedBits(bits));
  switch (usage.kind) {
    case 'authority':
      return [
        constraints(der.boolean(true), der.integer(Uint8Array.of(usage.pathLength))),
        keyUsage(KEY_CERT_SIGN),
      ];
    case 'signer':
      return [constraints(), keyUsage(DIGITAL_SIGNATURE)];
    case 'server':
    case 'client': {
      const purpose = der.objectIdentifier(usage.kind === 'server' ? SERVER_AUTH : CLIENT_AUTH);
      return [
        constraints(),
        keyUsage(DIGITAL_SIGNATURE),
        extension('2.5.29.37', false, der.sequence(purpose)),
        subjectAltNames(usage.names),
      ];
    }
  }
}

/** One certificate, DER. The issuer's curve decides the signature algorithm. */
export function mintCertificate(request: CertificateRequest): Uint8Array {
  const { issuer, publicKey } = request;
  const ecdsa = ECDSA_BY_CURVE[issuer.privateKey.asymmetricKeyDetails?.namedCurve ?? ''];
  if (ecdsa === undefined) throw new RangeError('the issuer key must be P-256 or P-384');
  const algorithm = der.sequence(der.objectIdentifier(ecdsa.oid));
  const issuerId = keyIdentifier(createPublicKey(issuer.privateKey));
  const subjectId = keyIdentifier(publicKey);
  const selfSigned = Buffer.compare(issuerId, subjectId) === 0;
  const serial = randomBytes(16);
  // RFC 5280 §4.1.2.2: positive, at most 20 bytes; never zero.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const extensions = [
    ...usageExtensions(request.usage),
    extension('2.5.29.14', false, der.octetString(subjectId)),
  ];
  if (!selfSigned) {
    extensions.push(extension('2.5.29.35', false, der.sequence(der.implicit(0, issuerId))));
  }
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(serial),
    algorithm,
    encodeName(issuer.name),
    der.sequence(der.time(request.notBefore), der.time(request.notAfter)),
    encodeName(request.subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der.explicit(3, der.sequence(...extensions)),
  );
  const signature = sign(ecdsa.hash, toBeSigned, issuer.privateKey);
  return der.sequence(toBeSigned, algorithm, der.bitString(signature));
}
