/** Checks that appraisal policies and platform policies have alike. */
import type { SimulatedRule, SourceRule } from './appraisal-policy.ts';
import { judge, warn, type Check } from './check.ts';
import { sameAnchor, type TrustAnchor } from './trust-anchor.ts';

/** Verification was given anchors by the caller; the policy has the last word. */
export function anchorCheck(
  anchor: TrustAnchor | undefined,
  accepted: readonly TrustAnchor[],
): Check {
  const found = accepted.find((one) => anchor !== undefined && sameAnchor(one, anchor));
  return judge(found !== undefined, {
    id: 'trust-anchor-accepted',
    expected: accepted.map(({ name }) => name).join(' or ') || 'a vendor root',
    found: found?.name ?? anchor?.name ?? 'none of ours',
    otherwise: 'the policy does not trust whom the evidence ends in',
  });
}

export function simulatedCheck(isSimulated: boolean, rule: SimulatedRule): Check {
  if (!isSimulated || rule.rule === 'refuse') {
    return judge(!isSimulated, {
      id: 'simulated',
      expected: 'a root of a hardware vendor',
      found: isSimulated ? 'any other root: simulated' : 'a root of a hardware vendor',
      otherwise: 'simulated platforms protect nothing',
    });
  }
  return warn({
    id: 'simulated',
    expected: 'accept-simulated',
    found: 'simulated',
    otherwise: `simulated, protects nothing; accepted because: ${rule.because}`,
  });
}

export function sourceCheck(source: SourceRule): Check {
  const id = 'reference-source';
  if (source.rule === 'release') {
    const texts = { id, expected: 'a release', found: source.name };
    return judge(true, { ...texts, otherwise: '' });
  }
  return warn({
    id,
    expected: 'a release',
    found: 'trust on first use',
    otherwise: `the reference values are what was running once, because: ${source.because}`,
  });
}
