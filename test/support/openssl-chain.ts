/** Certificates of callers as openssl makes them: another hand than ours wrote every byte. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const hasOpenssl = existsSync('/usr/bin/openssl');

export interface MadeCertificate {
  readonly der: Uint8Array;
  /** Of the PEM, without `.pem`. */
  readonly path: string;
  readonly keyPath: string;
}

export interface CertificateOrder {
  /** As `openssl req -subj` reads it. */
  readonly subject?: string;
  /** Undefined: signs itself. */
  readonly issuer?: MadeCertificate;
  /** Lines of an extension section. */
  readonly extensions: readonly string[];
  /** Arguments of `openssl genpkey`. */
  readonly key?: readonly string[];
  /** Takes the key of another certificate instead. */
  readonly keyOf?: MadeCertificate;
  /** Arguments of the signature: `-sha1`, `-sigopt …`. */
  readonly signature?: readonly string[];
  readonly multiValued?: boolean;
}

const rsa = (option: string): readonly string[] => ['-algorithm', 'RSA', '-pkeyopt', option];

export const KEYS = {
  'P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'P-521': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  secp256k1: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  Ed25519: ['-algorithm', 'ED25519'],
  Ed448: ['-algorithm', 'ED448'],
  'RSA-1024': rsa('rsa_keygen_bits:1024'),
  'RSA-2047': rsa('rsa_keygen_bits:2047'),
  'RSA-2048': rsa('rsa_keygen_bits:2048'),
  'RSA-3072': rsa('rsa_keygen_bits:3072'),
  'RSA, e = 3': rsa('rsa_keygen_pubexp:3'),
  'RSA, e = 2^32 + 1': rsa('rsa_keygen_pubexp:4294967297'),
  'RSA-PSS': ['-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048'],
} as const satisfies Record<string, readonly string[]>;

export const CA_EXTENSIONS = ['basicConstraints=critical,CA:true', 'keyUsage=critical,keyCertSign'];

/** The extensions of an X.509-SVID, or of a client without a SPIFFE ID. */
export function leafExtensions(...alternativeNames: readonly string[]): readonly string[] {
  return [
    'basicConstraints=critical,CA:false',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=clientAuth,serverAuth',
    ...(alternativeNames.length === 0 ? [] : [`subjectAltName=${alternativeNames.join(',')}`]),
  ];
}

/** A folder in which openssl works. Certificates are good from now on for ten days. */
export class OpensslAuthority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'chain-'));
  #count = 0;

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  make(order: CertificateOrder): MadeCertificate {
    this.#count += 1;
    const path = join(this.#folder, String(this.#count));
    const keyFile = order.keyOf?.keyPath ?? `${path}.key`;
    if (order.keyOf === undefined) {
      openssl('genpkey', ...(order.key ?? KEYS['P-256']), '-out', keyFile);
    }
    const { subject = `/CN=${String(this.#count)}`, signature = [] } = order;
    const request = ['-new', '-key', keyFile, '-subj', subject, '-utf8'];
    if (order.multiValued === true) request.push('-multivalue-rdn');
    // Without the default configuration, which adds extensions of its own.
    writeFileSync(`${path}.cnf`, '[req]\ndistinguished_name=dn\n[dn]\n');
    openssl('req', '-config', `${path}.cnf`, ...request, '-out', `${path}.csr`);
    writeFileSync(`${path}.ext`, `${order.extensions.join('\n')}\n`);
    const { issuer } = order;
    const signer =
      issuer === undefined
        ? ['-signkey', keyFile]
        : ['-CA', `${issuer.path}.pem`, '-CAkey', issuer.keyPath];
    const out = ['-out', `${path}.pem`, '-set_serial', String(this.#count), '-days', '10'];
    const extensions = ['-extfile', `${path}.ext`];
    openssl('x509', '-req', '-in', `${path}.csr`, ...signer, ...signature, ...extensions, ...out);
    openssl('x509', '-in', `${path}.pem`, '-outform', 'DER', '-out', `${path}.der`);
    return { der: Uint8Array.from(readFileSync(`${path}.der`)), path, keyPath: keyFile };
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}
