/**
 * Certificates for development: one CA of the state folder, the host's server certificate, and client
 * certificates with SPIFFE names. They stand for an organisation's own PKI and protect nothing: the CA's
 * key lies beside them.
 */
import {
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { replaceFile } from './private-file.ts';
import type { Name, SubjectAltName } from '../pkix/names.ts';
import { encodePem } from '../pkix/pem.ts';
import { mintCertificate, type Usage } from './x509.ts';

const DAY_MS = 86_400_000;
const RENEW_BEFORE_MS = 30 * DAY_MS;
const LEAF_DAYS = 365;
/** Longer than the leaves: the CA stands in signed policies, so a new one is a change of policy. */
const AUTHORITY_DAYS = 3650;

const ORGANIZATION = 'Sealwright development';
const AUTHORITY_NAME: Name = {
  organization: ORGANIZATION,
  commonName: 'Sealwright development CA',
};
const SERVER_NAMES: readonly SubjectAltName[] = [
  { dns: 'localhost' },
  { ip: '127.0.0.1' },
  { ip: '::1' },
];

/** Paths of a PEM certificate and its PEM PKCS#8 key (0600). */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

export interface DevPki {
  /** Path of the CA's PEM certificate. */
  readonly ca: string;
  readonly server: CertifiedKey;
  readonly clients: Readonly<Record<string, CertifiedKey>>;
}

export interface DevPkiRequest {
  /** DIR/pki. */
  readonly folder: string;
  /** More DNS names or IP addresses of the server. */
  readonly hosts?: readonly string[];
  /** Names of clients: 1 to 63 of a-z, 0-9, `.`, `_`, `-`. */
  readonly clients: readonly string[];
  readonly now?: Date;
}

/** SPIFFE trust domain of the callers. */
export const CALLER_TRUST_DOMAIN = 'dev.sealwright.local';

/** The name that a client certificate carries. */
export const callerUri = (name: string): string => `spiffe://${CALLER_TRUST_DOMAIN}/caller/${name}`;

interface Loaded {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
}

/** The pair on disk when it is whole, fits together and lives long enough. */
function load(paths: CertifiedKey, now: Date): Loaded | undefined {
  if (!existsSync(paths.cert) || !existsSync(paths.key)) return undefined;
  try {
    const certificate = new X509Certificate(readFileSync(paths.cert));
    const privateKey = createPrivateKey(readFileSync(paths.key));
    const current =
      certificate.validFromDate <= now &&
      certificate.validToDate.getTime() - now.getTime() > RENEW_BEFORE_MS;
    return current && signsFor(privateKey, certificate) ? { certificate, privateKey } : undefined;
  } catch {
    // Not a certificate or not a key: made again.
    return undefined;
  }
}

/** A file with one bit wrong can hold the right public key beside a private one that is another's. */
function signsFor(privateKey: KeyObject, certificate: X509Certificate): boolean {
  const challenge = randomBytes(32);
  const signature = sign('sha256', challenge, privateKey);
  return (
    certificate.checkPrivateKey(privateKey) &&
    verify('sha256', challenge, certificate.publicKey, signature)
  );
}

function make(
  paths: CertifiedKey,
  subject: Name,
  usage: Usage,
  days: number,
  now: Date,
  issuer?: Loaded,
): Loaded {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bytes = mintCertificate({
    subject,
    publicKey: pair.publicKey,
    usage,
    // Clocks of containers and laptops differ a little.
    notBefore: new Date(now.getTime() - DAY_MS / 24),
    notAfter: new Date(now.getTime() + days * DAY_MS),
    issuer: { name: AUTHORITY_NAME, privateKey: issuer?.privateKey ?? pair.privateKey },
  });
  // Key first: a crash in between leaves a pair that does not fit, which `load` refuses.
  const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  replaceFile(paths.key, pem, 0o600);
  replaceFile(paths.cert, encodePem('CERTIFICATE', bytes), 0o644);
  return { certificate: new X509Certificate(bytes), privateKey: pair.privateKey };
}

function covers(certificate: X509Certificate, names: readonly SubjectAltName[]): boolean {
  return names.every((name) => {
    if ('dns' in name) return certificate.checkHost(name.dns) !== undefined;
    if ('ip' in name) return certificate.checkIP(name.ip) !== undefined;
    return certificate.subjectAltName?.split(', ').includes(`URI:${name.uri}`) === true;
  });
}

/** Makes what is missing, damaged, signed by another CA, or about to expire; keeps the rest. */
export function ensureDevPki(request: DevPkiRequest): DevPki {
  const now = request.now ?? new Date();
  mkdirSync(request.folder, { recursive: true, mode: 0o700 });
  const paths = (name: string): CertifiedKey => ({
    cert: join(request.folder, `${name}.pem`),
    key: join(request.folder, `${name}.key`),
  });
  const kept = load(paths('ca'), now);
  const authority =
    // Its own signature covers every byte: leaves name it by what it says, and fit its key alone.
    (kept?.certificate.verify(kept.certificate.publicKey) === true ? kept : undefined) ??
    make(paths('ca'), AUTHORITY_NAME, { kind: 'authority', pathLength: 0 }, AUTHORITY_DAYS, now);

  const leaf = (
    file: string,
    commonName: string,
    usage: Usage & { kind: 'server' | 'client' },
  ): CertifiedKey => {
    const found = load(paths(file), now);
    const fits =
      found?.certificate.verify(authority.certificate.publicKey) === true &&
      covers(found.certificate, usage.names);
    const subject = { organization: ORGANIZATION, commonName };
    if (!fits) make(paths(file), subject, usage, LEAF_DAYS, now, authority);
    return paths(file);
  };

  const hosts = (request.hosts ?? []).map((host) =>
    isIP(host) > 0 ? { ip: host } : { dns: host },
  );
  const clients = request.clients.map((name): [string, CertifiedKey] => {
    if (!/^[a-z0-9._-]{1,63}$/.test(name)) throw new RangeError(`not a client name: ${name}`);
    const names = [{ uri: callerUri(name) }];
    return [name, leaf(`client-${name}`, name, { kind: 'client', names })];
  });
  return {
    ca: paths('ca').cert,
    server: leaf('server', 'localhost', { kind: 'server', names: [...SERVER_NAMES, ...hosts] }),
    clients: Object.fromEntries(clients),
  };
}
