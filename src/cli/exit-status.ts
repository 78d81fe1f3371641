/** Exit statuses of every command; 64 and 69 are those of sysexits.h. */
export const EXIT = {
  ok: 0,
  /**
   * `verify-evidence`, `verify-receipt`: accepted, and weaker than it could be. `collateral`: not complete. `policy check`:
   * only warnings.
   */
  warning: 1,
  /** A signature, evidence, key, receipt or log that is not what it is said to be; a policy that is not good, denies, or is
   * not what its admin brought. */
  verificationFailed: 2,
  /** `verify-evidence`, `verify-receipt`, `inspect`, `collateral`: the bytes are no evidence, or no receipt. */
  undecodable: 3,
  /** Wrong arguments, or a file that is missing or unreadable. */
  usage: 64,
  /** No service answers, or it is not ready; the same command may work later. */
  unavailable: 69,
  /** The service refused, or something else went wrong. */
  refused: 70,
} as const satisfies Record<string, number>;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_HELP = [
  '0   done',
  '1   verify-evidence, verify-receipt: accepted with a warning, as all that is simulated is;',
  '    collateral: something is missing; policy check: only warnings',
  '2   a check failed: signature, evidence, key, receipt or log is not believed;',
  '    policy check, diff, explain: problems, an impossible change, denied',
  '3   verify-evidence, verify-receipt, inspect, collateral: not decodable',
  '64  wrong arguments, or a missing file',
  '69  no service answers, or it is not ready: try again later',
  '70  refused, or any other failure',
] as const;
