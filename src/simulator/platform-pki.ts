/**
 * The certificates of one simulated platform (docs/spec/simulated-quote.md): root, intermediate and
 * attestation key, drawn when the state folder is born. Every subject says SIMULATED.
 */
import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import type { Name } from '../pkix/names.ts';
import { mintCertificate } from './x509.ts';

export interface PlatformPki {
  readonly attestationKey: KeyObject;
  /** DER: attestation key, intermediate, root. */
  readonly certificates: readonly [Uint8Array, Uint8Array, Uint8Array];
}

const ORGANIZATION = 'Sealwright SIMULATED platform';
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const AUTHORITY_YEARS = 20;
const ATTESTATION_KEY_YEARS = 10;

const newKey = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-384' });

/** Draws a platform's PKI. The private keys of root and intermediate end here. */
export function drawPlatformPki(now: Date): PlatformPki {
  const [root, intermediate, attestation] = [newKey(), newKey(), newKey()];
  const name = (commonName: string): Name => ({ organization: ORGANIZATION, commonName });
  // Distinct per folder: verifiers find issuers by name, and two platforms' roots must not look alike.
  const rootName = name(`SIMULATED root ${randomBytes(4).toString('hex')}`);
  const intermediateName = name('SIMULATED platform CA');
  const validity = (years: number): { notBefore: Date; notAfter: Date } => ({
    notBefore: new Date(now.getTime() - HOUR_MS),
    notAfter: new Date(now.getTime() + years * YEAR_MS),
  });
  return {
    attestationKey: attestation.privateKey,
    certificates: [
      mintCertificate({
        subject: name('SIMULATED attestation key'),
        publicKey: attestation.publicKey,
        usage: { kind: 'signer' },
        ...validity(ATTESTATION_KEY_YEARS),
        issuer: { name: intermediateName, privateKey: intermediate.privateKey },
      }),
      mintCertificate({
        subject: intermediateName,
        publicKey: intermediate.publicKey,
        usage: { kind: 'authority', pathLength: 0 },
        ...validity(AUTHORITY_YEARS),
        issuer: { name: rootName, privateKey: root.privateKey },
      }),
      mintCertificate({
        subject: rootName,
        publicKey: root.publicKey,
        usage: { kind: 'authority', pathLength: 1 },
        ...validity(AUTHORITY_YEARS),
        issuer: { name: rootName, privateKey: root.privateKey },
      }),
    ],
  };
}
