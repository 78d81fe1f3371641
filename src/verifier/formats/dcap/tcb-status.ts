/**
 * TCB statuses (Intel PCS API v4, "Get SGX TCB Info" and "Get TDX TCB Info", tcbStatus). A status says up to three
 * things; to converge the statuses of platform, TDX module and quoting enclave is to say all that any of them says.
 */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;
export type TcbStatus = (typeof TCB_STATUSES)[number];

/** One matched level: of the platform, of the TDX module, or of the quoting enclave. */
export interface TcbVerdict {
  readonly status: TcbStatus;
  /** INTEL-SA-NNNNN, in the order of the level. */
  readonly advisories: readonly string[];
}

interface Meaning {
  readonly outOfDate: boolean;
  readonly configuration: boolean;
  readonly hardening: boolean;
}

const MEANING: Readonly<Record<Exclude<TcbStatus, 'Revoked'>, Meaning>> = {
  UpToDate: { outOfDate: false, configuration: false, hardening: false },
  SWHardeningNeeded: { outOfDate: false, configuration: false, hardening: true },
  ConfigurationNeeded: { outOfDate: false, configuration: true, hardening: false },
  ConfigurationAndSWHardeningNeeded: { outOfDate: false, configuration: true, hardening: true },
  OutOfDate: { outOfDate: true, configuration: false, hardening: false },
  OutOfDateConfigurationNeeded: { outOfDate: true, configuration: true, hardening: false },
};

/** The worst of all, with every advisory of any of them once. `undefined`: there was no level to begin with. */
export function convergeTcb(verdicts: readonly TcbVerdict[]): TcbVerdict | undefined {
  if (verdicts.length === 0) return undefined;
  const advisories = [...new Set(verdicts.flatMap((one) => one.advisories))].sort();
  return { status: convergeStatus(verdicts.map(({ status }) => status)), advisories };
}

function convergeStatus(statuses: readonly TcbStatus[]): TcbStatus {
  const meanings: Meaning[] = [];
  for (const status of statuses) {
    if (status === 'Revoked') return 'Revoked';
    meanings.push(MEANING[status]);
  }
  const outOfDate = meanings.some((meaning) => meaning.outOfDate);
  const configuration = meanings.some((meaning) => meaning.configuration);
  const hardening = meanings.some((meaning) => meaning.hardening);
  if (outOfDate) return configuration ? 'OutOfDateConfigurationNeeded' : 'OutOfDate';
  if (configuration) return hardening ? 'ConfigurationAndSWHardeningNeeded' : 'ConfigurationNeeded';
  return hardening ? 'SWHardeningNeeded' : 'UpToDate';
}
