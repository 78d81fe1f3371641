/** How often a property is tried. SLOW=1 multiplies it. */
import process from 'node:process';
import type { Parameters } from 'fast-check';

export function runs<T>(numRuns: number): Parameters<T> {
  return { numRuns: process.env['SLOW'] === '1' ? 20 * numRuns : numRuns };
}
