/**
 * What is hashed or signed around evidence (docs/spec/evidence.md, docs/spec/key-statement.md): bytes
 * only. Who hashes is node:crypto in the enclave and Web Crypto in the verifier.
 */
import { concatBytes, label, lengthPrefixed, u32, u64, u8, utf8 } from './bytes.ts';

/** The two kinds of evidence; no verifier accepts one for the other (PROTOCOLS §2). */
export type EvidenceKind = 'evidence' | 'setup';

const REPORT_LABELS = {
  evidence: label('sealwright/evidence/v1'),
  setup: label('sealwright/setup/v1'),
} as const satisfies Record<EvidenceKind, Uint8Array>;

/** SHA-512 of this is the report data. */
export function reportDataInput(kind: EvidenceKind, claims: Uint8Array): Uint8Array {
  return concatBytes(REPORT_LABELS[kind], claims);
}

/** SHA-256 of this names the claims; endorsements are not part of it because they vary. */
export function evidenceDigestInput(claims: Uint8Array): Uint8Array {
  return concatBytes(label('sealwright/evidence-digest/v1'), claims);
}

/** Shortest and longest nonce, bytes (EAT, RFC 9711 §4.1 allows 8 to 64; shorter than 16 can be guessed). */
export const MIN_NONCE_BYTES = 16;
export const MAX_NONCE_BYTES = 64;

/** Signed by the identity key. `timeMs` is the host's word. */
export function freshnessInput(
  evidenceDigest: Uint8Array,
  nonce: Uint8Array,
  timeMs: number,
): Uint8Array {
  return concatBytes(
    label('sealwright/freshness/v1'),
    evidenceDigest,
    u8(nonce.byteLength),
    nonce,
    u64(BigInt(timeMs)),
  );
}

/** Signed by the identity key over the canonical JSON of one key statement (PROTOCOLS §3). */
export function keyStatementInput(statement: Uint8Array): Uint8Array {
  return concatBytes(label('sealwright/key-statement/v1'), statement);
}

/** One published key, as `keysDigest` lists it. */
export interface PublishedKey {
  readonly ring: string;
  readonly version: number;
  readonly kid: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
}

/** SHA-256 of this is `keysDigest`. Keys stand in order of ring name (code points), then version. */
export function keysDigestInput(keys: readonly PublishedKey[]): Uint8Array {
  return concatBytes(
    label('sealwright/keys-digest/v1'),
    ...keys.flatMap((key) => [
      lengthPrefixed(utf8(key.ring)),
      u32(key.version),
      lengthPrefixed(utf8(key.kid)),
      lengthPrefixed(key.publicKey),
    ]),
  );
}

/** SHA-256 of this is the digest of the genesis manifest (PROTOCOLS §6). */
export function genesisDigestInput(manifest: Uint8Array): Uint8Array {
  return concatBytes(label('sealwright/genesis/v1'), manifest);
}

/** SHA-256 of this is the digest of a policy document (docs/spec/policy.md). */
export function policyDigestInput(document: Uint8Array): Uint8Array {
  return concatBytes(label('sealwright/policy/v1'), document);
}

/** SHA-256 of this is how the log names an emergency statement (docs/spec/admin-statements.md). */
export function emergencyDigestInput(statement: Uint8Array): Uint8Array {
  return concatBytes(label('sealwright/emergency/v1'), statement);
}

/** SHA-256 of this is the cluster id (PROTOCOLS §2): a simulated cluster can never become a real one. */
export function clusterIdInput(
  platform: { readonly kindNumber: number; readonly simulated: boolean },
  genesisDigest: Uint8Array,
  clusterNonce: Uint8Array,
  logKey: Uint8Array,
): Uint8Array {
  return concatBytes(
    label('sealwright/cluster/v1'),
    u8(platform.kindNumber),
    u8(platform.simulated ? 1 : 0),
    genesisDigest,
    clusterNonce,
    logKey,
  );
}

/** Numbers of platform kinds in the cluster id. */
export const PLATFORM_KINDS = { simulated: 0, tpm2: 1, nitro: 2, 'sev-snp': 3, tdx: 4 } as const;
