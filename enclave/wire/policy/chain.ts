/**
 * From the certificates of a caller to who that is (docs/spec/policy.md, "Callers"): RFC 5280 §6.1, cut down. One path,
 * in the order given; roots come from the policy and from nowhere else. Whether somebody proved the leaf's key is
 * not known here.
 */
import { hash, X509Certificate, type KeyObject } from 'node:crypto';
import { equalBytes } from '../bytes.ts';
import { MAX_CERTIFICATE_BYTES, MAX_CHAIN_LENGTH } from '../limits.ts';
import {
  DIGITAL_SIGNATURE,
  KEY_CERT_SIGN,
  parseCertificate,
  type Certificate,
} from '../x509/certificate.ts';
import { DerError } from '../x509/der.ts';
import {
  ANY_EXTENDED_KEY_USAGE,
  CLIENT_AUTH,
  extendedKeyUsage,
  hasNameConstraints,
  NAME_EXTENSIONS,
  subjectRdns,
  uriNames,
} from '../x509/names.ts';
import { curveOf, rsaSizeOf, type SubjectPublicKeyInfo } from '../x509/public-key.ts';
import {
  keyIdentity,
  spiffeIdentity,
  subjectIdentity,
  workloadTrustDomain,
  type CallerIdentity,
  type CallerRoot,
} from './caller.ts';
import type { Policy } from './document.ts';

/** Why a chain says nothing about anybody, in a closed list of words. */
export type ChainProblem =
  | 'algorithm'
  | 'ca'
  | 'chain-length'
  | 'decode'
  | 'denied-key'
  | 'extended-key-usage'
  | 'extension'
  | 'key'
  | 'key-usage'
  | 'name-constraints'
  | 'path-length'
  | 'root'
  | 'signature'
  | 'spiffe-id'
  | 'subject'
  | 'validity';

/** Whom a chain names under one policy, and what of the policy that rests on. */
export interface IdentifiedChain {
  readonly identity: CallerIdentity;
  /** Public key of the leaf: whoever holds its private half is meant. */
  readonly leafKey: KeyObject;
  /** The chain says nothing before and after these, ms since the Unix epoch. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256, hex, of every public key from the leaf to the root. */
  readonly keys: readonly string[];
  /** The root that it ends in; undefined for a named key. */
  readonly root: NamedRoot | undefined;
}

interface NamedRoot {
  /** SHA-256 of the certificate, hex. */
  readonly digest: string;
  readonly kind: CallerRoot['kind'];
  /** What the identities of this root begin with: its trust domain, or its name. */
  readonly scope: string;
}

export type Identified = IdentifiedChain | { readonly problem: ChainProblem };

interface Link {
  readonly parsed: Certificate;
  readonly native: X509Certificate;
  /** Undefined for one that can't be imported: a point that is not on its curve. */
  readonly key: KeyObject | undefined;
}

interface Root extends Link {
  readonly root: CallerRoot;
  readonly named: NamedRoot;
}

const ED25519 = '1.3.101.112';
/** RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §5, §3.1: as `readSignatureAlgorithm` says them. */
const SIGNATURES: readonly RegExp[] = [
  /^1\.2\.840\.10045\.4\.3\.[234]$/,
  /^1\.3\.101\.112$/,
  /^1\.2\.840\.113549\.1\.1\.1[123] with NULL$/,
  /^rsassaPss SHA-(?:256, salt 32|384, salt 48|512, salt 64)$/,
];

/** The roots of one policy, read once. */
export class CallerRoots {
  readonly #roots: readonly Root[];
  readonly #denied: ReadonlySet<string>;
  readonly #keys: ReadonlySet<CallerIdentity>;

  /** Throws RangeError with the JSON pointer of a root's certificate that can't be one. */
  constructor(policy: Policy) {
    this.#roots = policy.roots.flatMap((root, i) =>
      root.certificates.map((der, k) => {
        const link = readLink(der);
        if (link === undefined || issuerProblem(link, 0) !== undefined) {
          const place = `/roots/${String(i)}/certificates/${String(k)}`;
          throw new RangeError(`${place}: ${String(rootProblem(der))}`);
        }
        return { ...link, root, named: namedRoot(root, der) };
      }),
    );
    this.#denied = policy.deniedKeys;
    this.#keys = new Set(
      policy.callers.filter(({ kind }) => kind === 'key').map(({ identity }) => identity),
    );
  }

  /** @param chain DER, leaf first. */
  identify(chain: readonly Uint8Array[], nowMs: number): Identified {
    if (chain.length === 0 || chain.length > MAX_CHAIN_LENGTH) return { problem: 'chain-length' };
    const [leaf, ...issuers] = chain.map(readLink);
    if (leaf === undefined || issuers.includes(undefined)) return { problem: 'decode' };
    const links = [leaf, ...(issuers as readonly Link[])];
    if (links.some((link) => this.#denied.has(keyOf(link)))) {
      return { problem: 'denied-key' };
    }
    // A named key stands for itself: its certificate only carries it.
    const named = keyIdentity(keyOf(leaf));
    if (this.#keys.has(named)) {
      if (leaf.key === undefined) return { problem: 'key' };
      const always = { notBeforeMs: -Infinity, notAfterMs: Infinity };
      return {
        identity: named,
        leafKey: leaf.key,
        ...always,
        keys: links.map(keyOf),
        root: undefined,
      };
    }
    return this.#follow(leaf, links, nowMs);
  }

  /**
   * Whether a chain that was identified under an earlier policy names the same one under this: what costs time,
   * its signatures, does not change. Whether the policy has such a caller is not asked here.
   */
  stillNames({ identity, keys, root }: IdentifiedChain): boolean {
    if (keys.some((key) => this.#denied.has(key))) return false;
    const [leaf = ''] = keys;
    const byKey = this.#keys.has(keyIdentity(leaf));
    if (root === undefined) return byKey && identity === keyIdentity(leaf);
    const { digest, kind, scope } = root;
    return (
      !byKey &&
      this.#roots.some(
        ({ named }) => named.digest === digest && named.kind === kind && named.scope === scope,
      )
    );
  }

  #follow(leaf: Link, links: readonly Link[], nowMs: number): Identified {
    const top = links.at(-1) ?? leaf;
    const root = this.#roots.find(
      (one) => equalBytes(one.parsed.raw, top.parsed.raw) || isIssuedBy(top, one),
    );
    if (root === undefined) return { problem: 'root' };
    const path = equalBytes(root.parsed.raw, top.parsed.raw) ? links : [...links, root];
    const problem = pathProblem(path, this.#denied);
    if (problem !== undefined) return { problem };
    const notBeforeMs = Math.max(...path.map(({ parsed }) => parsed.notBeforeMs));
    const notAfterMs = Math.min(...path.map(({ parsed }) => parsed.notAfterMs));
    if (nowMs < notBeforeMs || nowMs > notAfterMs) return { problem: 'validity' };
    const identity = named(leaf.parsed, root.root);
    if ('problem' in identity) return identity;
    // Of the path's checks one was that its keys can be imported.
    if (leaf.key === undefined) return { problem: 'key' };
    const keys = path.map(keyOf);
    return {
      ...identity,
      leafKey: leaf.key,
      notBeforeMs,
      notAfterMs,
      keys,
      root: root.named,
    };
  }
}

/** Why these bytes can't be the certificate of a root; undefined when they can. */
export function rootProblem(der: Uint8Array): ChainProblem | undefined {
  const link = readLink(der);
  return link === undefined ? 'decode' : issuerProblem(link, 0);
}

function readLink(der: Uint8Array): Link | undefined {
  if (der.byteLength > MAX_CERTIFICATE_BYTES) return undefined;
  try {
    const native = new X509Certificate(der);
    // It looks for PEM first, anywhere in the bytes: then it has read another certificate than the one that they are.
    if (!equalBytes(native.raw, der)) return undefined;
    return { parsed: parseCertificate(der), native, key: importedKey(native) };
  } catch (error) {
    // Two readers must agree that it is a certificate.
    if (error instanceof DerError || isCryptoError(error)) return undefined;
    throw error;
  }
}

function importedKey(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey;
  } catch (error) {
    if (isCryptoError(error)) return undefined;
    throw error;
  }
}

/** OpenSSL's errors have a code. */
function isCryptoError(error: unknown): boolean {
  return (error as { code?: unknown }).code !== undefined;
}

const keyOf = ({ parsed }: Link): string => fingerprint(parsed.publicKey);

function namedRoot({ kind, name, trustDomain }: CallerRoot, der: Uint8Array): NamedRoot {
  return { digest: hash('sha256', der, 'hex'), kind, scope: trustDomain ?? name };
}

function fingerprint({ raw }: SubjectPublicKeyInfo): string {
  return hash('sha256', raw, 'hex');
}

/** Names fit and the signature holds. */
function isIssuedBy(certificate: Link, issuer: Link): boolean {
  if (!equalBytes(certificate.parsed.issuer.raw, issuer.parsed.subject.raw)) return false;
  const { signatureAlgorithm } = certificate.parsed;
  if (!SIGNATURES.some((known) => known.test(signatureAlgorithm))) return false;
  const { key } = issuer;
  return key !== undefined && isGoodKey(issuer.parsed.publicKey) && certificate.native.verify(key);
}

/** Leaf first, the root last. */
function pathProblem(path: readonly Link[], denied: ReadonlySet<string>): ChainProblem | undefined {
  for (const [i, link] of path.entries()) {
    if (denied.has(keyOf(link))) return 'denied-key';
    const own = i === 0 ? leafProblem(link) : issuerProblem(link, i - 1);
    if (own !== undefined) return own;
  }
  const forged = path.some((link, i) => {
    const issuer = path[i + 1];
    return issuer !== undefined && !isIssuedBy(link, issuer);
  });
  return forged ? 'signature' : undefined;
}

function commonProblem({ parsed: certificate, key }: Link): ChainProblem | undefined {
  if (!SIGNATURES.some((known) => known.test(certificate.signatureAlgorithm))) return 'algorithm';
  if (key === undefined || !isGoodKey(certificate.publicKey)) return 'key';
  if (hasNameConstraints(certificate)) return 'name-constraints';
  const unknown = certificate.unknownCritical.filter((id) => !NAME_EXTENSIONS.includes(id));
  return unknown.length > 0 ? 'extension' : undefined;
}

function leafProblem(link: Link): ChainProblem | undefined {
  const common = commonProblem(link);
  if (common !== undefined) return common;
  const { parsed: leaf } = link;
  if (leaf.basicConstraints?.ca === true) return 'ca';
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.has(DIGITAL_SIGNATURE)) return 'key-usage';
  if (leaf.keyUsage?.has(KEY_CERT_SIGN) === true) return 'key-usage';
  const purposes = read(() => extendedKeyUsage(leaf));
  const isClient = purposes?.includes(CLIENT_AUTH) === true;
  return isClient && !purposes.includes(ANY_EXTENDED_KEY_USAGE) ? undefined : 'extended-key-usage';
}

/** @param below authorities between this one and the leaf */
function issuerProblem(link: Link, below: number): ChainProblem | undefined {
  const common = commonProblem(link);
  if (common !== undefined) return common;
  const { parsed: issuer } = link;
  if (issuer.basicConstraints?.ca !== true) return 'ca';
  if ((issuer.basicConstraints.pathLength ?? Infinity) < below) return 'path-length';
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.has(KEY_CERT_SIGN)) return 'key-usage';
  return undefined;
}

function isGoodKey(key: SubjectPublicKeyInfo): boolean {
  if (key.algorithm === ED25519 || curveOf(key) !== undefined) return true;
  const { modulusBits = 0, exponent = 0 } = rsaSizeOf(key) ?? {};
  // With 1 anybody has signed everything; the largest keep a check as cheap as it should be.
  return modulusBits >= 2048 && modulusBits <= 8192 && exponent >= 3 && exponent % 2 === 1;
}

/** Who the leaf is, in the terms of the root that its chain ends in. */
function named(
  leaf: Certificate,
  root: CallerRoot,
): { readonly identity: CallerIdentity } | { readonly problem: ChainProblem } {
  if (root.kind === 'spiffe') {
    // X.509-SVID §2: exactly one URI.
    const [id, ...further] = read(() => uriNames(leaf)) ?? [];
    const fits = id !== undefined && further.length === 0;
    const own = fits ? workloadTrustDomain(id) : undefined;
    if (id === undefined || own === undefined || own !== root.trustDomain)
      return { problem: 'spiffe-id' };
    return { identity: spiffeIdentity(id) };
  }
  const rdns = read(() => subjectRdns(leaf));
  if (rdns === undefined || rdns.length === 0) return { problem: 'subject' };
  return { identity: subjectIdentity(root.name, rdns) };
}

/** Undefined for an extension that is not DER. */
function read<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}
