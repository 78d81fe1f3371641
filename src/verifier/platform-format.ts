/**
 * What every hardware platform's evidence must give to be verified here: one folder entry in `formats/` per format
 * (see `formats/README.md`). Evidence is looked at by itself, as its vendor defines it; what it vouches for is
 * bound to it by the policy's `binding`.
 */
import type { ValidityWindow } from './certificate-path.ts';
import type { Check } from './check.ts';
import type { PolicyReader } from './policy-reader.ts';
import type { TrustAnchor } from './trust-anchor.ts';

export const PLATFORM_FORMAT_NAMES = ['nitro', 'sev-snp', 'tdx', 'sgx'] as const;
export type PlatformFormatName = (typeof PLATFORM_FORMAT_NAMES)[number];

/** Largest platform evidence, bytes: no genuine one has 16 KiB. */
export const MAX_PLATFORM_EVIDENCE_BYTES = 64 * 1024;

/**
 * Certificates, lists and vendor documents that do not come with the evidence, by file name. Whoever gives them
 * is not trusted: everything in here is checked up to a trust anchor.
 */
export type Collateral = ReadonlyMap<string, Uint8Array>;

export const MAX_COLLATERAL_FILES = 64;
export const MAX_COLLATERAL_FILE_BYTES = 256 * 1024;

/** One thing that a format wants beside the evidence. */
export interface CollateralItem {
  /** File name in the folder, as the format looks for it. */
  readonly name: string;
  readonly what: string;
  /** URL or words; nothing is ever fetched. */
  readonly publishedAt: string;
  readonly present: boolean;
  /** False when the evidence can be verified without it. */
  readonly required: boolean;
}

/** A measurement register, as the policy names it. */
export interface RegisterRule {
  readonly bytes: number;
  /** Without it the evidence says "some enclave": every policy names or skips it. */
  readonly required: boolean;
  /** A set that names all of these need not name this one: together they say which enclave. */
  readonly unless?: readonly string[];
}

/** A field that carries what a relying party chose: nonce, hash of a key, … */
export interface FieldRule {
  /** Undefined: of any length. A shorter value is padded with zero bytes at the end of a fixed one. */
  readonly fixedBytes: number | undefined;
}

/** What the platform says of the enclave. True only as far as the checks beside it are affirming. */
export interface PlatformStatement {
  /** By the names of {@link PlatformFormat.registers}; what this evidence does not have is not in here. */
  readonly registers: ReadonlyMap<string, Uint8Array>;
  readonly debug: boolean;
  /** Why it counts as debug, or that it does not: `td_attributes bit 0 is 0`. */
  readonly debugFound: string;
  /** By the names of {@link PlatformFormat.fields}; what this evidence does not have is not in here. */
  readonly fields: ReadonlyMap<string, Uint8Array>;
  /** Which machine or operator, as `kind:value`: `chip:…`, `ppid:…`, `csp:…`, `instance:…`. For allow-lists. */
  readonly platformIds: readonly string[];
}

export interface PlatformEvidenceFindings<Facts = unknown> {
  /** Signatures, chains, collateral, and the format's own rules. No time, no policy. */
  readonly checks: readonly Check[];
  /** Whom the evidence ends in; undefined when it ends in nobody we were given. */
  readonly anchor: TrustAnchor | undefined;
  /** Everything that is valid for a time only; windows of one id make one check. */
  readonly validity: readonly ValidityWindow[];
  readonly statement: PlatformStatement;
  /** What the format's own appraisal needs: TCB, status, advisories, … */
  readonly facts: Facts;
}

export interface PlatformVerificationInput {
  readonly collateral: Collateral;
  /** Anchors of this format. */
  readonly anchors: readonly TrustAnchor[];
}

/**
 * Ids of checks are the reason codes of a refusal: one id per question, stable, lower-case with hyphens, listed in
 * the platform's page. `clause` says where the vendor's document demands it.
 */
export interface PlatformFormat<Evidence = unknown, Facts = unknown, Policy = unknown> {
  readonly name: PlatformFormatName;
  /** For people: `AWS Nitro Enclaves attestation document`. */
  readonly title: string;
  readonly registers: Readonly<Record<string, RegisterRule>>;
  readonly fields: Readonly<Record<string, FieldRule>>;
  /** Whether the bytes look like this format: a few bytes are looked at, nothing is decoded. */
  detect(bytes: Uint8Array): boolean;
  /**
   * Bytes to a checked type; no signature is looked at, nothing is copied.
   * @throws MalformedEvidence with a place like `/`, `/payload/pcrs`, `/certificate`
   */
  decode(bytes: Uint8Array): Evidence;
  /** What the evidence says, for people: name and printable text. Nothing of it is verified. */
  describe(evidence: Evidence): readonly (readonly [string, string])[];
  /** All that verification wants beside this evidence, in a stable order. */
  collateralFor(evidence: Evidence, given: Collateral): readonly CollateralItem[];
  /**
   * All checks, as values. Never throws for what evidence or collateral says: a missing, empty or garbled piece of
   * collateral is a failed check of its own.
   */
  verify(
    evidence: Evidence,
    input: PlatformVerificationInput,
  ): Promise<PlatformEvidenceFindings<Facts>>;
  /** Reads the policy's member that has the format's name. Every member is required; skips have reasons. */
  readPolicy(reader: PolicyReader): Policy;
  /** The format's own rules of that policy: minimum TCB, statuses, ages, … `now` is Unix milliseconds. */
  appraise(
    findings: PlatformEvidenceFindings<Facts>,
    policy: Policy,
    now: number,
  ): readonly Check[];
}
