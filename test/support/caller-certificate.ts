/** A CA certificate that is good, for tests that need one and look at nothing else of it. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mintCertificate } from '../../src/simulator/x509.ts';

const DAY_MS = 86_400_000;

export function testAuthority(): { readonly der: Uint8Array; readonly publicKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = { organization: 'test', commonName: 'root' };
  const der = mintCertificate({
    subject: name,
    publicKey,
    usage: { kind: 'authority', pathLength: 2 },
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    issuer: { name, privateKey },
  });
  return { der, publicKey };
}
