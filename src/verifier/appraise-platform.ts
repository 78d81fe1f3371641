/**
 * Appraisal of one platform's evidence by itself (RFC 9334 §8.2): verified evidence held against a platform policy.
 * The verdict follows from the checks alone, and every question that was not asked is listed with its reason.
 */
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import { appraiseBinding, checkPlatformNonce, type PlatformNonce } from './appraise-binding.ts';
import {
  judge,
  moment,
  notChecked,
  warn,
  worstVerdict,
  type Check,
  type Verdict,
} from './check.ts';
import type { PlatformFormatName, PlatformStatement } from './platform-format.ts';
import type { NamedMeasurement, PlatformPolicy } from './platform-policy.ts';
import { anchorCheck, simulatedCheck, sourceCheck } from './policy-checks.ts';
import { validityChecks } from './validity-checks.ts';
import { assertVerifiedPlatform, type VerifiedPlatformEvidence } from './verify-platform.ts';

/** What an appraisal is done with. Either `nonce` or `noNonce`, never both, never neither. */
export type PlatformAppraisalInput = PlatformNonce & {
  /** The relying party's own clock, milliseconds since the Unix epoch. */
  readonly now: number;
  /** What the fields with the rule `given` must hold, by field name. */
  readonly given?: ReadonlyMap<string, Uint8Array>;
};

export interface PlatformResult {
  /** The worst of all checks. */
  readonly verdict: Verdict;
  readonly format: PlatformFormatName;
  readonly simulated: boolean;
  /** All questions, also those that were not asked. */
  readonly checks: readonly Check[];
  /** SHA-256 over the evidence, lower-case hex. */
  readonly evidenceDigest: string;
  /** What the platform says. To be believed only with the verdict. */
  readonly statement: PlatformStatement;
}

/**
 * Holds verified platform evidence against a policy. `affirming` only when nothing failed, all required registers
 * were required, something was bound, the values come from a release, and the root is a vendor's.
 *
 * It does NOT know what the measured code does, nor whether the caller drew its nonce at random and once.
 * @throws RangeError for an empty, short or long nonce, an empty reason, a time that is not an integer, a policy for
 * another format, or bytes for a field that the policy does not want from the call (and the other way round)
 * @throws TypeError when `evidence` was not made by `verifyPlatformEvidence`
 */
export function appraisePlatform(
  evidence: VerifiedPlatformEvidence,
  policy: PlatformPolicy,
  input: PlatformAppraisalInput,
): PlatformResult {
  assertVerifiedPlatform(evidence);
  checkPlatformNonce(policy.binding, input, input.given);
  const { now } = input;
  if (!Number.isSafeInteger(now) || now < 0) throw new RangeError('now: not a time');
  const { format, findings, simulated } = evidence;
  if (policy.format !== format.name) throw new RangeError(`the policy is for ${policy.format}`);
  const { statement } = findings;
  const checks = [
    ...findings.checks,
    anchorCheck(findings.anchor, policy.trustAnchors),
    simulatedCheck(simulated, policy.simulated),
    ...measurementChecks(statement, policy, now),
    debugCheck(statement, policy),
    ...appraiseBinding(statement, format.fields, policy.binding, input),
    platformCheck(statement, policy, now),
    ...validityChecks(findings.validity, now),
    ...format.appraise(findings, policy.platform, now),
    sourceCheck(policy.source),
    completenessCheck(policy, input.nonce),
  ];
  return {
    verdict: worstVerdict(checks),
    format: format.name,
    simulated,
    checks,
    evidenceDigest: toHex(evidence.digest),
    statement,
  };
}

/** One set must match as a whole: a kernel of one release and an application of another is no release. */
function measurementChecks(
  { registers }: PlatformStatement,
  { measurements }: PlatformPolicy,
  now: number,
): Check[] {
  const id = 'measurements';
  const found = (names: Iterable<string>): string =>
    [...names].map((name) => `${name} ${toHexOr(registers.get(name))}`).join(', ');
  if (measurements.rule === 'skip') {
    return [notChecked(id, found(registers.keys()), measurements.because)];
  }
  const { anyOf, skipped } = measurements;
  const matching = anyOf.filter((set) => matches(set, registers));
  const good = matching.find(({ notAfterMs }) => notAfterMs === undefined || now < notAfterMs);
  const asked = new Set(anyOf.flatMap(({ values }) => [...values.keys()]));
  const expired = matching[0];
  return [
    judge(good !== undefined, {
      id,
      expected: anyOf.map(describeSet).join(' or '),
      found: good?.name ?? found(asked),
      otherwise:
        expired === undefined
          ? 'none of the named measurements'
          : `the measurement ${expired.name} was good until ${moment(expired.notAfterMs ?? 0)}`,
    }),
    ...[...skipped].map(([name, because]) =>
      notChecked(`measurements/${name}`, found([name]), because),
    ),
    ...[...registers.keys()]
      .filter((name) => !asked.has(name) && !skipped.has(name))
      .map((name) =>
        notChecked(`measurements/${name}`, found([name]), 'the policy names no value for it'),
      ),
  ];
}

/** A register that the evidence does not have equals nothing, least of all an absent expectation. */
function matches({ values }: NamedMeasurement, registers: PlatformStatement['registers']): boolean {
  return (
    values.size > 0 &&
    [...values].every(([name, value]) => {
      const found = registers.get(name);
      return found !== undefined && equalBytes(found, value);
    })
  );
}

function describeSet({ name, values }: NamedMeasurement): string {
  const texts = [...values].map(([register, value]) => `${register} ${toHex(value)}`);
  return `${name} (${texts.join(', ')})`;
}

function toHexOr(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'absent' : toHex(bytes);
}

function debugCheck({ debug, debugFound }: PlatformStatement, policy: PlatformPolicy): Check {
  const question = {
    id: 'debug',
    expected: 'off',
    found: debugFound,
    otherwise: 'a debugged enclave has no secrets',
  };
  if (!debug || policy.debug.rule === 'deny') return judge(!debug, question);
  const { because } = policy.debug;
  return warn({
    ...question,
    otherwise: `debug is on, so it has no secrets; accepted because: ${because}`,
  });
}

/** Attestation keys have been extracted from machines that attackers held in hand; signatures then verify. */
function platformCheck(
  { platformIds }: PlatformStatement,
  { platforms }: PlatformPolicy,
  now: number,
): Check {
  const id = 'platforms';
  const found = platformIds.join(', ') || 'says nothing about its platform';
  if (platforms.rule === 'skip') return notChecked(id, found, platforms.because);
  const listed = platforms.anyOf.filter((one) => platformIds.includes(one.id));
  const good = listed.find(({ notAfterMs }) => notAfterMs === undefined || now < notAfterMs);
  return judge(good !== undefined, {
    id,
    expected: platforms.anyOf.map(({ name, id: one }) => `${one} (${name})`).join(' or '),
    found: good?.name ?? found,
    otherwise:
      listed.length > 0 ? 'the platform was good until then' : 'not one of these platforms',
  });
}

/** Without these the evidence says "some enclave", or nothing about whoever shows it. */
function completenessCheck(
  { measurements, binding }: PlatformPolicy,
  nonce: Uint8Array | undefined,
): Check {
  const gaps: string[] =
    measurements.rule === 'skip' ? ['all measurements'] : [...measurements.skipped.keys()];
  const binds = [...binding.values()].some(
    // A nonce that nobody drew binds nothing.
    ({ rule }) =>
      rule === 'equals' || rule === 'given' || (rule === 'nonce' && nonce !== undefined),
  );
  if (!binds) gaps.push('every binding');
  const question = {
    id: 'completeness',
    expected: 'all required registers are named, and a field is bound',
    found: gaps.length === 0 ? 'they are' : `skipped: ${gaps.join(', ')}`,
    otherwise: 'another enclave would pass too, or this evidence in another’s hands',
  };
  return gaps.length === 0 ? judge(true, question) : warn(question);
}
