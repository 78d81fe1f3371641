/** Callers of a policy, and the roots their certificates end in (docs/spec/policy.md). */
import type { ObjectReader } from '../closed-schema.ts';
import { fromHex } from '../bytes.ts';
import { MAX_CERTIFICATE_BYTES } from '../limits.ts';
import { CALLER_NAME } from './ring.ts';

export interface CallerRoot {
  readonly name: string;
  readonly kind: 'spiffe' | 'x509';
  /** SPIFFE trust domain; undefined for plain X.509. */
  readonly trustDomain: string | undefined;
  /** CA certificates, DER. */
  readonly certificates: readonly Uint8Array[];
}

/**
 * Who somebody is, as one string: what the policy maps to a caller, and what a leaf of the log names.
 * `spiffe://…`, `x509:ROOT:["RDN",…]`, `key:SHA-256 of the SubjectPublicKeyInfo`, `peer:SOCKET`.
 */
export type CallerIdentity = string;

export interface PolicyCaller {
  readonly name: string;
  readonly kind: 'spiffe' | 'x509' | 'key' | 'peer';
  readonly identity: CallerIdentity;
}

const MAX_ROOT_CERTIFICATES = 8;
const MAX_SUBJECT_RDNS = 16;
/** Ends of a Unix socket's path (sun_path holds 108 with its zero byte). */
export const SOCKET_NAME = /^[\x21-\x7e]{1,107}$/;
const HEX_CERTIFICATE = new RegExp(`^(?:[0-9a-f]{2}){1,${String(MAX_CERTIFICATE_BYTES)}}$`);
/** Nothing that a terminal obeys or hides: an admin sees what the enclave compares. */
const RDN = /^[A-Za-z0-9.]{1,64}=[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,512}$/u;

/** SPIFFE-ID §2.1: lower-case letters, digits, dots, dashes, underscores. */
const TRUST_DOMAIN = '[a-z0-9._-]{1,255}';
const TRUST_DOMAIN_NAME = new RegExp(`^${TRUST_DOMAIN}$`);
/** SPIFFE-ID §2.2: segments are not empty and not relative. */
const SPIFFE_ID = new RegExp(
  `^spiffe://(${TRUST_DOMAIN})((?:/(?!\\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*)$`,
);
const MAX_SPIFFE_ID_LENGTH = 2048;

/** The trust domain of a well-formed SPIFFE ID with a path, which names a workload; undefined otherwise. */
export function workloadTrustDomain(id: string): string | undefined {
  if (id.length > MAX_SPIFFE_ID_LENGTH) return undefined;
  const [, trustDomain, path] = SPIFFE_ID.exec(id) ?? [];
  return path === undefined || path === '' ? undefined : trustDomain;
}

export const spiffeIdentity = (id: string): CallerIdentity => id;
export const subjectIdentity = (root: string, rdns: readonly string[]): CallerIdentity =>
  `x509:${root}:${JSON.stringify(rdns)}`;
export const keyIdentity = (spkiSha256: string): CallerIdentity => `key:${spkiSha256}`;
export const peerIdentity = (socket: string): CallerIdentity => `peer:${socket}`;

export function parseRoot(reader: ObjectReader): CallerRoot {
  const name = reader.string('name', CALLER_NAME);
  const kind = reader.oneOf('kind', ['spiffe', 'x509']);
  const trustDomain =
    kind === 'spiffe' ? reader.string('trustDomain', TRUST_DOMAIN_NAME) : undefined;
  const hex = reader.strings('certificates', HEX_CERTIFICATE, MAX_ROOT_CERTIFICATES);
  if (hex.length === 0) reader.problem('certificates', 'a root has a certificate');
  if (new Set(hex).size < hex.length) reader.problem('certificates', 'one stands twice');
  reader.end();
  return { name, kind, trustDomain, certificates: hex.map(fromHex) };
}

/** `roots` are those of the same policy. */
export function parseCaller(reader: ObjectReader, roots: readonly CallerRoot[]): PolicyCaller {
  const name = reader.string('name', CALLER_NAME);
  const kind = reader.oneOf('kind', ['spiffe', 'x509', 'key', 'peer']);
  const identity = parseIdentity(reader, kind, roots);
  reader.end();
  return { name, kind, identity };
}

function parseIdentity(
  reader: ObjectReader,
  kind: PolicyCaller['kind'],
  roots: readonly CallerRoot[],
): CallerIdentity {
  switch (kind) {
    case 'spiffe': {
      const id = reader.string('id', /^spiffe:/);
      const trustDomain = workloadTrustDomain(id);
      if (trustDomain === undefined) reader.problem('id', 'not the SPIFFE ID of a workload');
      else if (!roots.some((root) => root.trustDomain === trustDomain)) {
        reader.problem('id', `no root of trust domain ${trustDomain}`);
      }
      return spiffeIdentity(id);
    }
    case 'x509': {
      const root = reader.string('root', CALLER_NAME);
      if (!roots.some((one) => one.kind === 'x509' && one.name === root)) {
        reader.problem('root', 'not a root of kind x509');
      }
      const rdns = reader.strings('subject', RDN, MAX_SUBJECT_RDNS);
      if (rdns.length === 0) reader.problem('subject', 'a subject has a name');
      return subjectIdentity(root, rdns);
    }
    case 'key':
      return keyIdentity(reader.string('publicKey', /^[0-9a-f]{64}$/));
    case 'peer':
      return peerIdentity(reader.string('socket', SOCKET_NAME));
  }
}
