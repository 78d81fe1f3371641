/** The appraisal policy (docs/spec/appraisal-policy.md): what a relying party wants to be true of an enclave. */
import type { RegisterName } from './evidence-format.ts';
import type { TrustAnchor } from './trust-anchor.ts';

/** Not asked, and why: absent is not an option. */
export interface Skip {
  readonly rule: 'skip';
  readonly because: string;
}

/** One good value of a register or digest. */
export interface ReferenceValue {
  readonly name: string;
  readonly value: Uint8Array;
  /** From then on the value is not good any more. */
  readonly notAfterMs: number | undefined;
}

/** Any of the values will do. */
export interface RequireValue {
  readonly rule: 'require';
  readonly anyOf: readonly ReferenceValue[];
}

/** Any of the words will do. */
export interface RequireWord {
  readonly rule: 'require';
  readonly anyOf: readonly string[];
}

/** All of the words must be there; others may be too. */
export interface RequireAll {
  readonly rule: 'require';
  readonly allOf: readonly string[];
}

/** Any word but `none`: there is such a thing, whichever it is. */
export interface RefuseNone {
  readonly rule: 'refuse-none';
}

export type ClusterRule =
  | { readonly rule: 'require'; readonly clusterId: Uint8Array }
  /** `adminKeys`: lines of type and base64; so many of them approved the genesis. */
  | { readonly rule: 'require'; readonly adminKeys: readonly string[]; readonly threshold: number }
  | Skip;

/** Which rings may believe the host's word about the caller (PROTOCOLS §8). */
export type HostAssertedRule = { readonly rule: 'refuse' } | RequireWord | Skip;

/**
 * The moment that everything must be valid at. `max-age` is `now`, and the claims are at most `seconds` old;
 * `at-issue` is the moment that the claims name, for evidence from an archive.
 */
export type TimeRule =
  | { readonly mode: 'now' }
  | { readonly mode: 'at-issue' }
  | { readonly mode: 'max-age'; readonly seconds: number };

export type SimulatedRule =
  { readonly rule: 'refuse' } | { readonly rule: 'accept-simulated'; readonly because: string };

/** Where the reference values come from. */
export type SourceRule =
  | { readonly rule: 'release'; readonly name: string }
  | { readonly rule: 'trust-on-first-use'; readonly because: string };

/** Made by `parseAppraisalPolicy` only. */
export interface AppraisalPolicy {
  readonly source: SourceRule;
  /** The anchors that evidence may end in: give them to `verifyEvidence`. */
  readonly trustAnchors: readonly TrustAnchor[];
  readonly simulated: SimulatedRule;
  readonly registers: Readonly<Record<RegisterName, RequireValue | Skip>>;
  /** Lowest security version number. */
  readonly svnAtLeast: number;
  readonly cluster: ClusterRule;
  readonly policyDigest: RequireValue | Skip;
  readonly tokenChannel: RequireWord | RefuseNone | Skip;
  readonly anchor: RequireWord | RefuseNone | Skip;
  readonly provisioning: RequireWord | Skip;
  readonly hostAssertedRings: HostAssertedRule;
  readonly hardening: RequireAll | Skip;
  readonly time: TimeRule;
}

export interface PolicyProblem {
  /** JSON pointer (RFC 6901). */
  readonly pointer: string;
  readonly problem: string;
}

/** All problems of a policy at once. */
export class AppraisalPolicyError extends Error {
  override readonly name = 'AppraisalPolicyError';
  readonly problems: readonly PolicyProblem[];
  constructor(problems: readonly PolicyProblem[]) {
    super(problems.map(({ pointer, problem }) => `${pointer}: ${problem}`).join('\n'));
    this.problems = problems;
  }
}
