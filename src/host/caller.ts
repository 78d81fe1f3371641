/** Who calls, as far as the host can say. The enclave calls it untrusted, and so do its rings. */
import type { TLSSocket, DetailedPeerCertificate } from 'node:tls';
import type { UntrustedCaller } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { MAX_CERTIFICATE_BYTES, MAX_CHAIN_LENGTH } from '../../enclave/wire/limits.ts';

/** Numbers of sealwright.v1.CallerRank. */
const RANK_MTLS = 3;
const RANK_PEER = 4;

/** RFC 5280 §4.2.1.12, id-kp-clientAuth. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

export type Caller =
  | {
      readonly known: true;
      readonly untrusted: UntrustedCaller;
      /** The certificate ends while the connection lives on. */
      readonly notAfterMs: number;
    }
  | { readonly known: false; readonly actual: string };

/** The caller behind a Unix socket: whoever may open it. */
export function peerCaller(socketName: string): Caller {
  return {
    known: true,
    untrusted: { rank: RANK_PEER, certificates: [], socket: socketName },
    notAfterMs: Infinity,
  };
}

/** The caller of a TLS connection whose handshake has ended. */
export function tlsCaller(socket: TLSSocket): Caller {
  const leaf = socket.getPeerCertificate(true);
  // Without a certificate Node returns an object without any field.
  if (!Object.hasOwn(leaf, 'raw')) return { known: false, actual: 'no client certificate' };
  if (!socket.authorized) {
    const code: unknown = socket.authorizationError;
    return { known: false, actual: `a certificate that is refused: ${refusalCode(code)}` };
  }
  // OpenSSL lets a certificate without any extended key usage pass; the enclave does not.
  if (leaf.ext_key_usage?.includes(CLIENT_AUTH) !== true) {
    return { known: false, actual: 'a certificate without extended key usage clientAuth' };
  }
  const certificates = chainOf(leaf);
  if (certificates === undefined) {
    return {
      known: false,
      actual: `a chain of more than ${String(MAX_CHAIN_LENGTH)} certificates, or too large ones`,
    };
  }
  return {
    known: true,
    untrusted: { rank: RANK_MTLS, certificates, socket: '' },
    notAfterMs: Date.parse(leaf.valid_to),
  };
}

/** Node gives the code as a string or in an Error, depending on the path that it took. */
function refusalCode(code: unknown): string {
  const text = code instanceof Error ? (code as NodeJS.ErrnoException).code : code;
  return typeof text === 'string' && /^[A-Z0-9_]{1,64}$/.test(text) ? text : 'UNKNOWN';
}

function chainOf(leaf: DetailedPeerCertificate): Uint8Array[] | undefined {
  const chain: Uint8Array[] = [];
  let certificate: DetailedPeerCertificate | undefined = leaf;
  const seen = new Set<string>();
  // A root names itself as its issuer.
  while (certificate !== undefined && !seen.has(certificate.fingerprint256)) {
    seen.add(certificate.fingerprint256);
    if (certificate.raw.byteLength > MAX_CERTIFICATE_BYTES) return undefined;
    chain.push(Uint8Array.from(certificate.raw));
    if (chain.length > MAX_CHAIN_LENGTH) return undefined;
    certificate = issuerOf(certificate);
  }
  return chain;
}

/** Node's type promises an issuer; a chain that ends early has none. */
function issuerOf(certificate: DetailedPeerCertificate): DetailedPeerCertificate | undefined {
  return certificate.issuerCertificate;
}
