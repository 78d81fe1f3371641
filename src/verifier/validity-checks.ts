/** Windows of validity held against one moment. */
import type { ValidityWindow } from './certificate-path.ts';
import { judge, moment, type Check } from './check.ts';

const CHAIN = 'chain-validity';

/**
 * RFC 5280 §4.1.2.5: both ends are inside. One check per id, `chain-validity` always among them: evidence whose
 * chain has no window has no chain.
 */
export function validityChecks(validity: readonly ValidityWindow[], atMs: number): Check[] {
  const ids = new Set([CHAIN, ...validity.map(({ id }) => id ?? CHAIN)]);
  return [...ids].map((id) => {
    const windows = validity.filter((one) => (one.id ?? CHAIN) === id);
    const outside = windows.filter((one) => atMs < one.notBeforeMs || atMs > one.notAfterMs);
    const describe = outside.map(
      ({ what, notBeforeMs, notAfterMs }) =>
        `${what}: from ${moment(notBeforeMs)} to ${moment(notAfterMs)}`,
    );
    return judge(windows.length > 0 && outside.length === 0, {
      id,
      expected: `everything valid at ${moment(atMs)}`,
      found: windows.length === 0 ? 'no chain' : describe.join('; ') || 'valid',
      otherwise:
        id === CHAIN
          ? 'a certificate is not valid yet or not any more'
          : 'not valid yet or not any more: old collateral hides what was found since',
    });
  });
}
