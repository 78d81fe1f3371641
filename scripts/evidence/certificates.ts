// Certificates of simulated platforms that never existed, with every way to be wrong.
import { p384 } from '@noble/curves/nist.js';
import * as der from '../../src/pkix/der.ts';
import { fixedBytes, sha256 } from '../vector-file.ts';
import { HOUR_MS, NOW, YEAR_MS } from './bytes.ts';
import { ecKey, type EcKey } from './keys.ts';

/** What a certificate says; every member can be wrong on purpose. */
export interface CertificateShape {
  readonly subject: string;
  readonly key: EcKey;
  readonly issuer: string;
  readonly issuerKey: EcKey;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Content of basicConstraints: undefined leaves the extension out. */
  readonly authority: { readonly ca: boolean; readonly pathLength?: number } | undefined;
  readonly constraintsCritical: boolean;
  /** Bits of keyUsage. */
  readonly usage: readonly number[];
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  readonly moreExtensions: readonly der.Der[];
  readonly signatureAlgorithm: string;
  readonly version: number;
  /** Big-endian. */
  readonly serial: Uint8Array;
}

export const ECDSA_SHA384 = '1.2.840.10045.4.3.3';
export const ECDSA_SHA256 = '1.2.840.10045.4.3.2';

/** An empty name for the empty text. */
const nameOf = (commonName: string): der.Der =>
  der.sequence(
    ...[
      ['2.5.4.10', 'Sealwright SIMULATED platform'],
      ['2.5.4.3', commonName],
    ]
      .filter(() => commonName !== '')
      .map(([oid = '', value = '']) =>
        der.setOfOne(der.sequence(der.objectIdentifier(oid), der.utf8String(value))),
      ),
  );

const keyIdOf = (key: EcKey): Uint8Array => sha256(key.spki).subarray(0, 20);

export function extension(oid: string, critical: boolean, value: der.Der): der.Der {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(oid), ...flag, der.octetString(value));
}

/** DER of the certificate, signed by `issuerKey` whatever it says. */
export function certificate(shape: CertificateShape): Uint8Array {
  const algorithm = der.sequence(der.objectIdentifier(shape.signatureAlgorithm));
  const extensions: der.Der[] = [];
  if (shape.authority !== undefined) {
    const { ca, pathLength } = shape.authority;
    const content = [
      ...(ca ? [der.boolean(true)] : []),
      ...(pathLength === undefined ? [] : [der.integer(Uint8Array.of(pathLength))]),
    ];
    extensions.push(extension('2.5.29.19', shape.constraintsCritical, der.sequence(...content)));
  }
  if (shape.usage.length > 0)
    extensions.push(extension('2.5.29.15', true, der.namedBits(shape.usage)));
  if (shape.subjectKeyId !== undefined) {
    extensions.push(extension('2.5.29.14', false, der.octetString(shape.subjectKeyId)));
  }
  if (shape.authorityKeyId !== undefined) {
    extensions.push(
      extension('2.5.29.35', false, der.sequence(der.implicit(0, shape.authorityKeyId))),
    );
  }
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(shape.version - 1))),
    der.integer(shape.serial),
    algorithm,
    nameOf(shape.issuer),
    der.sequence(der.time(new Date(shape.notBefore)), der.time(new Date(shape.notAfter))),
    nameOf(shape.subject),
    shape.key.spki,
    der.explicit(3, der.sequence(...extensions, ...shape.moreExtensions)),
  );
  const signature = p384.sign(toBeSigned, shape.issuerKey.secret, { format: 'der', lowS: false });
  return Uint8Array.from(der.sequence(toBeSigned, algorithm, der.bitString(signature)));
}

export interface TestPlatform {
  readonly root: Uint8Array;
  /** Attestation key, intermediate. */
  readonly endorsements: readonly [Uint8Array, Uint8Array];
  readonly attestationKey: EcKey;
}

export interface PlatformChanges {
  readonly root?: Partial<CertificateShape>;
  readonly intermediate?: Partial<CertificateShape>;
  readonly attestation?: Partial<CertificateShape>;
}

const ROOT_NAME = 'SIMULATED root 00000000';
const INTERMEDIATE_NAME = 'SIMULATED platform CA';

/** A platform's PKI. All keys follow from `name`; the names in the certificates are the same for all platforms. */
export function testPlatform(name = 'good', changes: PlatformChanges = {}): TestPlatform {
  const [root, intermediate, attestation] = ['root', 'intermediate', 'attestation'].map((role) =>
    ecKey(`${name} ${role}`),
  ) as [EcKey, EcKey, EcKey];
  const shape = (
    subject: string,
    key: EcKey,
    issuer: string,
    issuerKey: EcKey,
  ): CertificateShape => ({
    subject,
    key,
    issuer,
    issuerKey,
    notBefore: NOW - HOUR_MS,
    notAfter: NOW + 10 * YEAR_MS,
    authority: { ca: true },
    constraintsCritical: true,
    usage: [5],
    subjectKeyId: keyIdOf(key),
    authorityKeyId: key === issuerKey ? undefined : keyIdOf(issuerKey),
    moreExtensions: [],
    signatureAlgorithm: ECDSA_SHA384,
    version: 3,
    serial: Uint8Array.of(0x40, ...fixedBytes(`serial ${subject}`, 15)),
  });
  const leafShape = shape(
    'SIMULATED attestation key',
    attestation,
    INTERMEDIATE_NAME,
    intermediate,
  );
  return {
    root: certificate({
      ...shape(ROOT_NAME, root, ROOT_NAME, root),
      authority: { ca: true, pathLength: 1 },
      ...changes.root,
    }),
    endorsements: [
      certificate({ ...leafShape, authority: { ca: false }, usage: [0], ...changes.attestation }),
      certificate({
        ...shape(INTERMEDIATE_NAME, intermediate, ROOT_NAME, root),
        authority: { ca: true, pathLength: 0 },
        ...changes.intermediate,
      }),
    ],
    attestationKey: attestation,
  };
}

/** PEM of one certificate (RFC 7468). */
export function pem(certificateDer: Uint8Array): string {
  const lines =
    Buffer.from(certificateDer)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
