/** A report held against the member `sev-snp` of a platform policy (docs/platforms/sev-snp.md). */
import { judge, moment, notChecked, type Check } from '../../check.ts';
import { CLAUSE, type ReadTcbs } from './consistency.ts';
import type { EndorsementKey } from './endorsement-key.ts';
import { describePlatformInfo, hasPlatformFlag, type PolicyFlag } from './guest-policy.ts';
import {
  DEMANDS,
  PERMISSIONS,
  type PermissionRule,
  type SnpPolicy,
  type TcbRule,
} from './policy.ts';
import type { SnpProduct } from './product.ts';
import type { FirmwareVersion, SnpReport } from './report.ts';
import { componentsBelow, describeTcb, type TcbVersion } from './tcb.ts';

/** What verification leaves for the appraisal. */
export interface SnpFacts {
  readonly report: SnpReport;
  /** Undefined when the certificate could not be read as one. */
  readonly key: EndorsementKey | undefined;
  readonly product: SnpProduct | undefined;
  readonly tcbs: ReadTcbs;
  /** When AMD made the list that was given; undefined when none was given, or none that can be read. */
  readonly listMadeAtMs: number | undefined;
  readonly listGiven: boolean;
}

const DAY_MS = 24 * 3_600_000;

export function appraiseSnp(facts: SnpFacts, policy: SnpPolicy, now: number): Check[] {
  return [
    ...orderChecks(facts, policy.provisionalFirmware),
    minimumCheck('minimum-tcb', 'REPORTED_TCB', facts.tcbs.reported, facts, policy.reportedTcb),
    minimumCheck('minimum-launch-tcb', 'LAUNCH_TCB', facts.tcbs.launch, facts, policy.launchTcb),
    vmplCheck(facts.report, policy),
    keyKindCheck(facts, policy),
    guestSvnCheck(facts.report, policy),
    abiCheck(facts.report, policy),
    ...PERMISSIONS.map((flag) => permissionCheck(facts.report, flag, policy.permissions[flag])),
    ...DEMANDS.map((flag) => demandCheck(facts.report, flag, policy)),
    platformInfoCheck(facts.report, policy),
    mitigationCheck(facts.report, policy),
    revocationCheck(facts, policy, now),
  ];
}

/** 56860 §2.2: firmware is committed after it ran, and reported after it was committed. */
function orderChecks({ report, tcbs }: SnpFacts, provisional: PermissionRule): Check[] {
  const ordered = (id: string, lower: keyof ReadTcbs, upper: keyof ReadTcbs): Check => {
    const [low, high] = [tcbs[lower], tcbs[upper]];
    const above = low === undefined || high === undefined ? [] : componentsBelow(high, low);
    const holds = low !== undefined && high !== undefined && above.length === 0;
    // A platform on trial may report what it has not committed; its firmware may be older than at launch again.
    if (!holds && provisional.rule === 'accept' && lower !== 'committed') {
      return notChecked(id, describeTcb(low), `provisional firmware: ${provisional.because}`);
    }
    return judge(holds, {
      id,
      expected: `at most ${upper}: ${describeTcb(high)}`,
      found: `${lower}: ${describeTcb(low)}`,
      otherwise: `${above.join(', ') || 'the TCB'} is above what it can be at most`,
      clause: CLAUSE.tcb,
    });
  };
  return [
    ordered('tcb-reported-committed', 'reported', 'committed'),
    ordered('tcb-committed-current', 'committed', 'current'),
    ordered('tcb-launch-current', 'launch', 'current'),
    judge(compareVersions(report.committed, report.current) <= 0, {
      id: 'firmware-committed-current',
      expected: `at most ${describeVersion(report.current)}`,
      found: describeVersion(report.committed),
      otherwise: 'the committed firmware is newer than the one that runs',
      clause: CLAUSE.report,
    }),
  ];
}

function compareVersions(a: FirmwareVersion, b: FirmwareVersion): number {
  return a.major - b.major || a.minor - b.minor || a.build - b.build;
}

export function describeVersion({ major, minor, build }: FirmwareVersion): string {
  return `${String(major)}.${String(minor)}.${String(build)}`;
}

function minimumCheck(
  id: string,
  what: string,
  tcb: TcbVersion | undefined,
  { product }: SnpFacts,
  rule: TcbRule,
): Check {
  const found = describeTcb(tcb);
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  const least = product === undefined ? undefined : rule.least[product];
  const below = tcb === undefined || least === undefined ? [] : componentsBelow(tcb, least);
  const known = product ?? 'an unknown product';
  return judge(tcb !== undefined && least !== undefined && below.length === 0, {
    id,
    expected:
      least === undefined
        ? `a product of ${Object.keys(rule.least).join(', ')}`
        : `${known} at least ${describeTcb(least)}`,
    found: `${known}: ${found}`,
    otherwise:
      least === undefined
        ? `the policy has no minimum for ${known}`
        : `${what} is below the minimum in ${below.join(', ') || 'a component that is not known here'}`,
    clause: CLAUSE.tcb,
  });
}

/** What the hypervisor may ask for itself has this number (56860 §8, SNP_HV_REPORT_REQ). */
const HYPERVISOR = 0xffff_ffff;

function vmplCheck({ vmpl }: SnpReport, policy: SnpPolicy): Check {
  return judge(vmpl === policy.vmpl, {
    id: 'vmpl',
    expected: String(policy.vmpl),
    found: vmpl === HYPERVISOR ? 'none: the hypervisor asked' : String(vmpl),
    otherwise: 'the report was asked for at another privilege level, so by other software',
    clause: CLAUSE.report,
  });
}

function keyKindCheck({ report }: SnpFacts, { signingKeys }: SnpPolicy): Check {
  return judge(
    signingKeys.some((kind) => kind === report.signingKey),
    {
      id: 'signing-key-accepted',
      expected: signingKeys.join(' or '),
      found: report.signingKey ?? 'a reserved value',
      otherwise: 'the policy does not accept reports of this kind of key',
      clause: CLAUSE.report,
    },
  );
}

function guestSvnCheck({ guestSvn }: SnpReport, { guestSvn: rule }: SnpPolicy): Check {
  const id = 'guest-svn';
  if (rule.rule === 'skip') return notChecked(id, String(guestSvn), rule.because);
  return judge(guestSvn >= rule.atLeast, {
    id,
    expected: `at least ${String(rule.atLeast)}`,
    found: String(guestSvn),
    otherwise: 'a release of the guest that must not be trusted any more',
    clause: CLAUSE.report,
  });
}

function abiCheck({ policy: { abi } }: SnpReport, { abi: rule }: SnpPolicy): Check {
  const id = 'guest-policy/abi';
  const text = `${String(abi.major)}.${String(abi.minor)}`;
  if (rule.rule === 'skip') return notChecked(id, text, rule.because);
  const { major, minor } = rule.atLeast;
  return judge(abi.major > major || (abi.major === major && abi.minor >= minor), {
    id,
    expected: `at least ${String(major)}.${String(minor)}`,
    found: text,
    otherwise: 'the guest would also run under older firmware',
    clause: CLAUSE.guestPolicy,
  });
}

/** All ff: no migration agent. Firmware before any guest was bound writes zeros. */
function hasMigrationAgent({ reportIdMa }: SnpReport): boolean {
  return !(reportIdMa.every((byte) => byte === 0xff) || reportIdMa.every((byte) => byte === 0));
}

function permissionCheck(report: SnpReport, flag: PolicyFlag, rule: PermissionRule): Check {
  const id = `guest-policy/${flag}`;
  const bound = flag === 'migrationAgentAllowed' && hasMigrationAgent(report);
  const given = report.policy.flags[flag] || bound;
  const found = bound ? 'a migration agent is bound' : given ? 'allowed' : 'not allowed';
  if (given && rule.rule === 'accept') return notChecked(id, found, rule.because);
  return judge(!given, {
    id,
    expected: 'not allowed',
    found,
    otherwise: 'the guest lets its host do what the policy refuses',
    clause: CLAUSE.guestPolicy,
  });
}

function demandCheck(
  { policy: { flags } }: SnpReport,
  flag: (typeof DEMANDS)[number],
  { demands }: SnpPolicy,
): Check {
  const id = `guest-policy/${flag}`;
  const found = flags[flag] ? 'demanded' : 'not demanded';
  const rule = demands[flag];
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  return judge(flags[flag], {
    id,
    expected: 'demanded',
    found,
    otherwise: 'the guest would also run on a platform without it',
    clause: CLAUSE.guestPolicy,
  });
}

function platformInfoCheck({ platformInfo }: SnpReport, { platformInfo: rule }: SnpPolicy): Check {
  const id = 'platform-info';
  const found = describePlatformInfo(platformInfo.low, platformInfo.high);
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  const missing = rule.allOf.filter((flag) => !hasPlatformFlag(platformInfo.low, flag));
  return judge(missing.length === 0, {
    id,
    expected: rule.allOf.join(', '),
    found,
    otherwise: `the platform is not configured as the policy wants: ${missing.join(', ')}`,
    clause: CLAUSE.platformInfo,
  });
}

function mitigationCheck({ mitigations }: SnpReport, { mitigations: rule }: SnpPolicy): Check {
  const id = 'mitigations';
  const read = (bytes: Uint8Array): bigint =>
    bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const hex = (vector: bigint): string => vector.toString(16).padStart(16, '0');
  const vectors =
    mitigations === undefined ? undefined : [read(mitigations.launch), read(mitigations.current)];
  const found =
    vectors === undefined ? 'none before report version 5' : vectors.map(hex).join(', now ');
  if (rule.rule === 'skip') return notChecked(id, found, rule.because);
  const { allOf } = rule;
  return judge(vectors?.every((vector) => (vector & allOf) === allOf) ?? false, {
    id,
    expected: `${hex(allOf)} at launch and now`,
    found,
    otherwise: 'a mitigation that the policy wants was not in force',
    clause: CLAUSE.report,
  });
}

/** What the list itself says is for verification; here only whether there is one, and how old. */
function revocationCheck(facts: SnpFacts, { revocation }: SnpPolicy, now: number): Check {
  const { listMadeAtMs, listGiven } = facts;
  const found =
    listMadeAtMs === undefined
      ? listGiven
        ? 'a list that cannot be used'
        : 'no list'
      : `made ${moment(listMadeAtMs)}`;
  if (revocation.rule === 'skip') return notChecked('crl-age', found, revocation.because);
  const { maxAgeDays } = revocation;
  const fresh =
    listMadeAtMs !== undefined && listMadeAtMs <= now && now - listMadeAtMs <= maxAgeDays * DAY_MS;
  return judge(fresh, {
    id: 'crl-age',
    expected: `a list of the ARK, at most ${String(maxAgeDays)} days old`,
    found,
    otherwise:
      listMadeAtMs === undefined
        ? 'nobody knows whether AMD has taken back its word'
        : 'a list of another time hides what was revoked since',
    clause: CLAUSE.issuers,
  });
}
