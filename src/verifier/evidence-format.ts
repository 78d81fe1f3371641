/** What every platform's evidence must give to be verified here. One file per format, in formats/. */
import type { PLATFORM_KINDS } from '../../enclave/wire/layouts.ts';
import type { ValidityWindow } from './certificate-path.ts';
import type { Check } from './check.ts';
import type { TrustAnchor } from './trust-anchor.ts';

export type PlatformKind = keyof typeof PLATFORM_KINDS;

/** What the platform says of the enclave. True only as far as the checks beside it are affirming. */
export interface Attested {
  /** 48 bytes each. */
  readonly registers: Readonly<Record<RegisterName, Uint8Array>>;
  readonly svn: number;
  readonly debug: boolean;
}

export const REGISTER_NAMES = ['MR0', 'MR1', 'MR2'] as const;
export type RegisterName = (typeof REGISTER_NAMES)[number];

export interface PlatformFindings {
  /** Signatures, chain, report data, and the format's own rules. */
  readonly checks: readonly Check[];
  /** Whom the chain ends in; undefined when it ends in nobody we were given. */
  readonly anchor: TrustAnchor | undefined;
  readonly attested: Attested;
  /** Everything that is valid for a time only. */
  readonly validity: readonly ValidityWindow[];
}

/** What a platform is held against. */
export interface Expectations {
  /** Anchors of this format. */
  readonly anchors: readonly TrustAnchor[];
  /** 64 bytes: the labelled hash of the claims. */
  readonly reportData: Uint8Array;
}

export interface EvidenceFormat<Decoded = unknown> {
  /** As the bundle's `format` says it. */
  readonly name: string;
  readonly platform: PlatformKind;
  /**
   * Bytes to a checked type; no signature is looked at.
   * @throws MalformedEvidence with `/platformEvidence` or `/endorsements/N` as the place
   */
  decode(platformEvidence: Uint8Array, endorsements: readonly Uint8Array[]): Decoded;
  /** What the evidence says, for people: name and printable text. Nothing of it is verified. */
  describe(evidence: Decoded): readonly (readonly [string, string])[];
  /** All checks, as values. Never throws for what the evidence says. */
  verify(evidence: Decoded, expected: Expectations): Promise<PlatformFindings>;
}
