/**
 * The platform policy (docs/spec/appraisal-policy.md, "Platform policy"): what a relying party wants to be true of
 * one platform's evidence by itself.
 */
import type { SimulatedRule, Skip, SourceRule } from './appraisal-policy.ts';
import type { PlatformFormatName } from './platform-format.ts';
import type { TrustAnchor } from './trust-anchor.ts';

/** A named set of register values that belong together; all of them must be found. */
export interface NamedMeasurement {
  readonly name: string;
  /** From then on the set is not good any more. */
  readonly notAfterMs: number | undefined;
  /** By register name. */
  readonly values: ReadonlyMap<string, Uint8Array>;
}

export interface MeasurementRule {
  readonly rule: 'require';
  readonly anyOf: readonly NamedMeasurement[];
  /** Required registers of the format that no set names, and why. */
  readonly skipped: ReadonlyMap<string, string>;
}

/** What a field of the evidence must hold. */
export type BindingRule =
  /** Exactly these bytes; a fixed field is padded with zero bytes. */
  | { readonly rule: 'equals'; readonly value: Uint8Array }
  /** The nonce of this call. */
  | { readonly rule: 'nonce' }
  /** Bytes that the caller gives with this call, like the hash of a key. */
  | { readonly rule: 'given' }
  /** Nothing may be in it. */
  | { readonly rule: 'absent' }
  | Skip;

export type DebugRule =
  { readonly rule: 'deny' } | { readonly rule: 'accept-debug'; readonly because: string };

export interface NamedPlatform {
  readonly name: string;
  /** `kind:value`, as the evidence is described. */
  readonly id: string;
  readonly notAfterMs: number | undefined;
}

export type PlatformListRule =
  { readonly rule: 'require'; readonly anyOf: readonly NamedPlatform[] } | Skip;

/** Made by `parsePlatformPolicy` only. */
export interface PlatformPolicy {
  readonly format: PlatformFormatName;
  readonly source: SourceRule;
  readonly trustAnchors: readonly TrustAnchor[];
  readonly simulated: SimulatedRule;
  readonly measurements: MeasurementRule | Skip;
  readonly debug: DebugRule;
  /** One rule for every field of the format. */
  readonly binding: ReadonlyMap<string, BindingRule>;
  readonly platforms: PlatformListRule;
  /** The format's own part, as its `readPolicy` made it. */
  readonly platform: unknown;
}
