/** States of a key version and the ways between them (NIST SP 800-57 Part 1 Rev. 5 §7). Total. */

export const KEY_STATES = [
  'pre-activation',
  'active',
  'suspended',
  'deactivated',
  'compromised',
  'destroyed',
] as const;

export type KeyState = (typeof KEY_STATES)[number];

const NEXT: Readonly<Record<KeyState, readonly KeyState[]>> = {
  'pre-activation': ['active', 'compromised', 'destroyed'],
  active: ['suspended', 'deactivated', 'compromised', 'destroyed'],
  suspended: ['active', 'deactivated', 'compromised', 'destroyed'],
  deactivated: ['compromised', 'destroyed'],
  // The destroyed half of a compromised pair stays "destroyed compromised" in the log; the state is destroyed.
  compromised: ['destroyed'],
  destroyed: [],
};

export function mayBecome(from: KeyState, to: KeyState): boolean {
  return NEXT[from].includes(to);
}

/** A signature may follow, now or after `resume`. Of other keys only the public half is wanted. */
export function maySignAgain(state: KeyState): boolean {
  return state === 'active' || state === 'suspended';
}

/** Number of `sealwright.v1.KeyState`. */
export function keyStateNumber(state: KeyState): number {
  return KEY_STATES.indexOf(state) + 1;
}
