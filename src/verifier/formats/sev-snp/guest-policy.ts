/** The guest policy (56860 §4.3, POLICY in §7.3): what the firmware holds the host to, for the guest's whole life. */

/** Flags by the bit they stand in. */
export const POLICY_FLAGS = {
  smtAllowed: 16,
  migrationAgentAllowed: 18,
  debugAllowed: 19,
  singleSocketRequired: 20,
  cxlAllowed: 21,
  aes256XtsRequired: 22,
  raplDisableRequired: 23,
  ciphertextHidingRequired: 24,
  pageSwapDisabled: 25,
} as const;
export type PolicyFlag = keyof typeof POLICY_FLAGS;

/** Bit 17 is reserved and must be one; those above the last flag are reserved and must be zero. */
const MUST_BE_ONE = 17;
const FIRST_RESERVED = 26;

export interface GuestPolicy {
  /** Lowest version of the firmware's ABI that may run the guest. */
  readonly abi: { readonly major: number; readonly minor: number };
  readonly flags: Readonly<Record<PolicyFlag, boolean>>;
  /** What is wrong with the reserved bits; undefined when nothing is. */
  readonly problem: string | undefined;
}

/** From the two halves of the 64-bit number. */
export function readGuestPolicy(low: number, high: number): GuestPolicy {
  const bit = (at: number): boolean => ((low >>> at) & 1) === 1;
  const reserved = low >>> FIRST_RESERVED !== 0 || high !== 0;
  return {
    abi: { major: (low >>> 8) & 0xff, minor: low & 0xff },
    flags: Object.fromEntries(
      Object.entries(POLICY_FLAGS).map(([name, at]) => [name, bit(at)]),
    ) as Record<PolicyFlag, boolean>,
    problem: !bit(MUST_BE_ONE)
      ? `bit ${String(MUST_BE_ONE)} is not set`
      : reserved
        ? 'reserved bits are set'
        : undefined,
  };
}

export function describeGuestPolicy({ abi, flags }: GuestPolicy): string {
  const set = Object.entries(flags).flatMap(([name, value]) => (value ? [name] : []));
  return [`ABI at least ${String(abi.major)}.${String(abi.minor)}`, ...set].join(', ');
}

/** PLATFORM_INFO (56860 §7.3): how the platform is configured; the place in the list is the bit. */
export const PLATFORM_FLAGS = [
  'smt',
  'tsme',
  'ecc',
  'rapl-disabled',
  'ciphertext-hiding',
  'alias-check-complete',
  'iommu-write-safe',
  'tio',
] as const;
export type PlatformFlag = (typeof PLATFORM_FLAGS)[number];

export function hasPlatformFlag(low: number, flag: PlatformFlag): boolean {
  return ((low >>> PLATFORM_FLAGS.indexOf(flag)) & 1) === 1;
}

/** In words. Bits that are not known here are shown by number: firmware sets some before AMD names them. */
export function describePlatformInfo(low: number, high: number): string {
  const words: string[] = [];
  for (let at = 0; at < 64; at += 1) {
    const half = at < 32 ? low : high;
    if (((half >>> (at % 32)) & 1) === 1) words.push(PLATFORM_FLAGS[at] ?? `bit ${String(at)}`);
  }
  return words.join(', ') || 'none';
}
