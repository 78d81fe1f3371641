import { Refusal } from '../wire/error-code.ts';
import type { Policy } from '../wire/policy/document.ts';

/** Now, by the enclave's clock, is when this document may be applied: both ends belong to it. Throws Refusal. */
export function requireInTime({ notBefore, notAfter }: Policy, nowMs: number): void {
  const field = nowMs < notBefore ? 'notBefore' : nowMs > notAfter ? 'notAfter' : undefined;
  if (field === undefined) return;
  const expected = String(field === 'notBefore' ? notBefore : notAfter);
  throw new Refusal('POLICY_NOT_IN_TIME', { field, expected, actual: String(nowMs) });
}
