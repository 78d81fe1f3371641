/** Claims: what an enclave says of itself, as canonical JSON (docs/spec/evidence.md). */
import type { PlatformIdentity, TokenInfo } from '../ports.ts';
import { toHex } from '../wire/bytes.ts';
import type { Hardening } from '../wire/hardening.ts';
import { SUITES, type SuiteNumber } from '../wire/session/suites.ts';
import { canonicalize } from '../wire/signed-json.ts';

/** How long claims hold; keys in memory are replaced at the same pace. */
export const EVIDENCE_MAX_AGE_MS = 60 * 60 * 1000;

interface CommonClaims {
  readonly instanceId: Uint8Array;
  readonly platform: PlatformIdentity;
  /** A key of this suite, as long as the suite says. */
  readonly hpkeKey: Uint8Array;
  readonly suite: SuiteNumber;
  /** As OwnProcess found it at the time of issue. */
  readonly hardening: readonly Hardening[];
  readonly issuedAt: number;
  /** Only when the platform itself was asked afresh. */
  readonly nonce: Uint8Array | undefined;
}

export interface ServingClaims extends CommonClaims {
  readonly clusterId: Uint8Array;
  readonly clusterNonce: Uint8Array;
  readonly genesisDigest: Uint8Array;
  readonly bootEpoch: bigint;
  /** DER SubjectPublicKeyInfo, Ed25519. */
  readonly identityKey: Uint8Array;
  readonly logOrigin: string;
  readonly logKey: Uint8Array;
  /** Signed note of the log head, or `none`. */
  readonly checkpoint: string;
  readonly policyVersion: number;
  readonly policyDigest: Uint8Array;
  readonly keysDigest: Uint8Array;
  readonly hostAssertedRings: readonly string[];
  readonly token: TokenInfo;
  readonly anchor: string;
}

function common(claims: CommonClaims) {
  const { platform } = claims;
  return {
    v: 1,
    instanceId: toHex(claims.instanceId),
    platform: platform.kind,
    simulated: platform.simulated,
    svn: platform.svn,
    hpkeKey: toHex(claims.hpkeKey),
    suite: SUITES[claims.suite].word,
    hardening: claims.hardening,
    timeSource: 'host',
    issuedAt: claims.issuedAt,
    notAfter: claims.issuedAt + EVIDENCE_MAX_AGE_MS,
    ...(claims.nonce === undefined ? {} : { nonce: toHex(claims.nonce) }),
  };
}

export function encodeServingClaims(claims: ServingClaims): Uint8Array {
  const { token } = claims;
  return canonicalize({
    ...common(claims),
    kind: 'evidence',
    clusterId: toHex(claims.clusterId),
    clusterNonce: toHex(claims.clusterNonce),
    genesisDigest: toHex(claims.genesisDigest),
    bootEpoch: Number(claims.bootEpoch),
    identityKey: toHex(claims.identityKey),
    logOrigin: claims.logOrigin,
    logKey: toHex(claims.logKey),
    checkpoint: claims.checkpoint,
    policyVersion: claims.policyVersion,
    policyDigest: toHex(claims.policyDigest),
    keysDigest: toHex(claims.keysDigest),
    hostAssertedRings: claims.hostAssertedRings,
    provisioning: 'init-token',
    soHolder: 'enclave',
    token: {
      manufacturer: token.manufacturer,
      model: token.model,
      serial: token.serial,
      // No module ends the HSM's own authenticated channel in the enclave yet (PROTOCOLS §13).
      channel: 'none',
    },
    anchor: claims.anchor,
  });
}

export interface SetupClaims extends CommonClaims {
  /** The genesis that awaits its approvals. */
  readonly proposal: ProposalClaims | undefined;
}

export interface ProposalClaims {
  readonly clusterId: Uint8Array;
  readonly clusterNonce: Uint8Array;
  readonly genesisDigest: Uint8Array;
  readonly logPublicKey: Uint8Array;
  readonly tokenSerial: string;
}

/** Before there is a cluster: another label, a one-time HPKE key, no identity key. */
export function encodeSetupClaims(claims: SetupClaims): Uint8Array {
  const { proposal } = claims;
  return canonicalize({
    ...common(claims),
    kind: 'setup',
    ...(proposal === undefined ? {} : { proposal: proposalMember(proposal) }),
  });
}

function proposalMember(proposal: ProposalClaims) {
  return {
    clusterId: toHex(proposal.clusterId),
    clusterNonce: toHex(proposal.clusterNonce),
    genesisDigest: toHex(proposal.genesisDigest),
    logKey: toHex(proposal.logPublicKey),
    tokenSerial: proposal.tokenSerial,
  };
}
