/**
 * What makes one simulated platform itself: root secret, attestation key, certificates. Kept in
 * DIR/platform/root.json; drawn only for a state folder that its owner calls new.
 */
import {
  createHash,
  createPrivateKey,
  randomBytes,
  timingSafeEqual,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawPlatformPki } from './platform-pki.ts';
import { replaceFile } from './private-file.ts';
import { encodePem } from '../pkix/pem.ts';

export interface PlatformRoot {
  readonly rootSecret: Uint8Array;
  readonly attestationKey: KeyObject;
  /** DER: attestation key, intermediate. */
  readonly endorsements: readonly [Uint8Array, Uint8Array];
  readonly rootCertificate: Uint8Array;
  /** SHA-256 of the root certificate. */
  readonly platformId: Uint8Array;
}

/**
 * `kept`: read from disk. `created`: drawn and written. `ephemeral`: missing or damaged, drawn in memory
 * only, so that the enclave starts, fails to unseal and says so.
 */
export type RootOrigin = 'kept' | 'created' | 'ephemeral';

const FILE_NAME = 'root.json';
const CHECKSUM_LABEL = 'sealwright/simulated-root/v1\0';

interface RootFile {
  readonly v: 1;
  /** Hex, 32 bytes. */
  readonly rootSecret: string;
  /** Base64 of the PKCS#8. */
  readonly attestationKey: string;
  /** Base64 of DER: attestation key, intermediate, root. */
  readonly certificates: readonly string[];
  /** Tells damage from another secret. Nothing secret depends on it: who writes this file knows all. */
  readonly checksum: string;
}

function checksum(file: Omit<RootFile, 'checksum'>): Buffer {
  const parts = [file.rootSecret, file.attestationKey, ...file.certificates];
  return createHash('sha256')
    .update(`${CHECKSUM_LABEL}${parts.join('\n')}`)
    .digest();
}

function assemble(
  rootSecret: Uint8Array,
  attestationKey: KeyObject,
  certificates: readonly Uint8Array[],
): PlatformRoot {
  const [leaf, intermediate, root] = certificates;
  if (leaf === undefined || intermediate === undefined || root === undefined) {
    throw new TypeError('three certificates');
  }
  return {
    rootSecret,
    attestationKey,
    endorsements: [leaf, intermediate],
    rootCertificate: root,
    platformId: Uint8Array.from(createHash('sha256').update(root).digest()),
  };
}

function draw(now: Date): PlatformRoot {
  const pki = drawPlatformPki(now);
  return assemble(Uint8Array.from(randomBytes(32)), pki.attestationKey, pki.certificates);
}

/** Throws for anything that this module did not write. */
function parseRoot(text: string): PlatformRoot {
  const file = JSON.parse(text) as Partial<RootFile>;
  const { v, rootSecret, attestationKey, certificates } = file;
  if (
    v !== 1 ||
    typeof rootSecret !== 'string' ||
    !/^[0-9a-f]{64}$/.test(rootSecret) ||
    typeof attestationKey !== 'string' ||
    !Array.isArray(certificates) ||
    certificates.length !== 3
  ) {
    throw new TypeError('not a root file');
  }
  const expected = checksum({ v, rootSecret, attestationKey, certificates });
  const found = Buffer.from(String(file.checksum), 'hex');
  if (found.byteLength !== expected.byteLength || !timingSafeEqual(found, expected)) {
    throw new TypeError('checksum');
  }
  const bytes = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, 'base64'));
  const key = createPrivateKey({
    key: Buffer.from(attestationKey, 'base64'),
    format: 'der',
    type: 'pkcs8',
  });
  const secret = Uint8Array.from(Buffer.from(rootSecret, 'hex'));
  const root = assemble(secret, key, (certificates as string[]).map(bytes));
  if (!new X509Certificate(root.endorsements[0]).checkPrivateKey(key)) throw new TypeError('key');
  return root;
}

function encodeRoot(root: PlatformRoot): string {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const content = {
    v: 1,
    rootSecret: Buffer.from(root.rootSecret).toString('hex'),
    attestationKey: base64(root.attestationKey.export({ type: 'pkcs8', format: 'der' })),
    certificates: [...root.endorsements, root.rootCertificate].map(base64),
  } as const;
  const file = { ...content, checksum: checksum(content).toString('hex') };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Reads the root of `folder` (DIR/platform). `create` allows to draw a new one when there is none at all. */
export function openPlatformRoot(
  folder: string,
  create: boolean,
  now: Date,
): { readonly root: PlatformRoot; readonly origin: RootOrigin } {
  const path = join(folder, FILE_NAME);
  const writeAnchor = (root: PlatformRoot): void => {
    replaceFile(join(folder, 'root.pem'), encodePem('CERTIFICATE', root.rootCertificate), 0o644);
  };
  if (!existsSync(path)) {
    const root = draw(now);
    if (!create) return { root, origin: 'ephemeral' };
    replaceFile(path, encodeRoot(root), 0o600);
    writeAnchor(root);
    return { root, origin: 'created' };
  }
  try {
    const root = parseRoot(readFileSync(path, 'utf8'));
    // Public and derived: written again when it was lost.
    writeAnchor(root);
    return { root, origin: 'kept' };
  } catch {
    // Damaged: even `create` does not replace it, because sealed state may hang on it.
    return { root: draw(now), origin: 'ephemeral' };
  }
}
