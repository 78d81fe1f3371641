/** Keys and certificates as people compare them, on paper or by telephone. */
import { createHash } from 'node:crypto';
import type { SshPublicKey } from '../../enclave/wire/ssh-key.ts';

/** As `ssh-keygen -lf` prints it: `SHA256:` and base64 without padding. */
export function sshFingerprint({ blob }: Pick<SshPublicKey, 'blob'>): string {
  const digest = createHash('sha256').update(blob).digest('base64');
  return `SHA256:${digest.replaceAll('=', '')}`;
}

/** SHA-256 of the DER in hex, as `openssl x509 -fingerprint -sha256` prints it without its colons. */
export function certificateFingerprint(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}
