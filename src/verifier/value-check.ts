import { toHex } from '../../enclave/wire/bytes.ts';
import type { ReferenceValue, RequireValue, Skip } from './appraisal-policy.ts';
import { judge, moment, notChecked, type Check } from './check.ts';

/**
 * A value among named reference values. Their expiry is held against the relying party's own clock in every time
 * mode: a host that backdates its claims must not bring a withdrawn release back.
 */
export function valueCheck(
  id: string,
  found: Uint8Array,
  rule: RequireValue | Skip,
  now: number,
): Check {
  const text = toHex(found);
  if (rule.rule === 'skip') return notChecked(id, text, rule.because);
  const equal = rule.anyOf.filter(({ value }) => toHex(value) === text);
  const good = equal.find(({ notAfterMs }) => notAfterMs === undefined || now < notAfterMs);
  const expired = equal[0];
  return judge(good !== undefined, {
    id,
    expected: rule.anyOf.map(describe).join(' or '),
    found: good === undefined ? text : describe(good),
    otherwise:
      expired === undefined
        ? 'none of the reference values'
        : `the reference value ${expired.name} was good until ${moment(expired.notAfterMs ?? 0)}`,
  });
}

function describe({ name, value }: ReferenceValue): string {
  return `${toHex(value)} (${name})`;
}
