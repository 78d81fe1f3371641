/**
 * Verifies Sealwright's evidence and key statements, offline, in Node and in browsers. No package, no `node:`
 * module, no network, no clock: Web Crypto and what the caller passes in.
 *
 * ```ts
 * const policy = parseAppraisalPolicy(JSON.parse(text));
 * const evidence = await verifyEvidence(decodeBundle(bytes), policy);
 * const result = appraise(evidence, policy, { now, nonce });
 * ```
 *
 * @packageDocumentation
 */
export { decodeBundle, MAX_BUNDLE_BYTES, type EvidenceBundle, type Freshness } from './bundle.ts';
export type { GenesisCertificate } from './genesis-certificate.ts';
export { MalformedEvidence } from './malformed.ts';
export type { Claims, Proposal, ServingClaims, SetupClaims, TokenClaims } from './claims.ts';
export {
  FORMATS,
  verifyEvidence,
  type VerificationInput,
  type VerifiedEvidence,
} from './verify-evidence.ts';
export {
  REGISTER_NAMES,
  type Attested,
  type EvidenceFormat,
  type Expectations,
  type PlatformFindings,
  type PlatformKind,
  type RegisterName,
} from './evidence-format.ts';
export { describeEvidence, type Section } from './describe.ts';
export type { ValidityWindow } from './certificate-path.ts';
export { trustAnchor, type CertificateAnchor, type TrustAnchor } from './trust-anchor.ts';
export { VENDOR_ROOTS } from './vendor-roots.ts';
export { decodePemCertificate } from './pem.ts';
export { appraise, type AppraisalInput, type AttestationResult } from './appraise.ts';
export type { NonceExpectation } from './nonce.ts';
export { worstVerdict, type Check, type Verdict } from './check.ts';
export { parseAppraisalPolicy } from './parse-appraisal-policy.ts';
export {
  AppraisalPolicyError,
  type AppraisalPolicy,
  type ClusterRule,
  type HostAssertedRule,
  type PolicyProblem,
  type ReferenceValue,
  type RefuseNone,
  type RequireAll,
  type RequireValue,
  type RequireWord,
  type SimulatedRule,
  type Skip,
  type SourceRule,
  type TimeRule,
} from './appraisal-policy.ts';
export {
  KEY_STATES,
  verifyKeyStatement,
  type KeyStatement,
  type KeyStatementInput,
  type KeyStatementResult,
} from './key-statement.ts';
export { verifyKeyList, type KeyListResult } from './key-list.ts';
export {
  MAX_COLLATERAL_FILES,
  MAX_COLLATERAL_FILE_BYTES,
  MAX_PLATFORM_EVIDENCE_BYTES,
  PLATFORM_FORMAT_NAMES,
  type Collateral,
  type CollateralItem,
  type PlatformFormat,
  type PlatformFormatName,
  type PlatformStatement,
} from './platform-format.ts';
export { PLATFORM_FORMATS } from './platform-formats.ts';
export type {
  BindingRule,
  DebugRule,
  MeasurementRule,
  NamedMeasurement,
  NamedPlatform,
  PlatformListRule,
  PlatformPolicy,
} from './platform-policy.ts';
export { parsePlatformPolicy } from './parse-platform-policy.ts';
export {
  detectPlatformFormat,
  platformFormat,
  verifyPlatformEvidence,
  type PlatformInput,
  type VerifiedPlatformEvidence,
} from './verify-platform.ts';
export {
  MAX_PLATFORM_NONCE_BYTES,
  MIN_PLATFORM_NONCE_BYTES,
  type PlatformNonce,
} from './appraise-binding.ts';
export {
  appraisePlatform,
  type PlatformAppraisalInput,
  type PlatformResult,
} from './appraise-platform.ts';
export { simulatedFormat } from './formats/simulated.ts';
