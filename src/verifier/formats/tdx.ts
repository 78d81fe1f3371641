/** Quotes of Intel TDX: version 4 (TD report 1.0) and 5 (1.0 and 1.5). docs/platforms/tdx.md */
import { toHex } from '../../../enclave/wire/bytes.ts';
import { MalformedEvidence } from '../malformed.ts';
import type {
  PlatformEvidenceFindings,
  PlatformFormat,
  PlatformVerificationInput,
} from '../platform-format.ts';
import { appraiseTdx } from './dcap/appraise.ts';
import { describeDcap } from './dcap/describe-dcap.ts';
import { neededCollateral } from './dcap/needed-collateral.ts';
import { platformIdsOf } from './dcap/platform-ids.ts';
import { readTdxPolicy, type TdxPolicy } from './dcap/policy.ts';
import { looksLikeQuote } from './dcap/quote.ts';
import { TD_MEASUREMENTS, type TdReport } from './dcap/reports.ts';
import { decodeDcap, verifyDcap, type DcapEvidence, type DcapFacts } from './dcap/verify-dcap.ts';

interface TdxEvidence extends DcapEvidence {
  readonly report: TdReport;
}

function decode(bytes: Uint8Array): TdxEvidence {
  const evidence = decodeDcap(bytes);
  const { body } = evidence.quote;
  if (body.tee !== 'tdx') throw new MalformedEvidence('', 'a quote of SGX, not of TDX');
  return { ...evidence, report: body };
}

async function verify(
  evidence: TdxEvidence,
  input: PlatformVerificationInput,
): Promise<PlatformEvidenceFindings<DcapFacts>> {
  const findings = await verifyDcap(evidence, input);
  const { measurements, debug, tdAttributes, reportData } = evidence.report;
  const registers = TD_MEASUREMENTS.flatMap((name) => {
    const value = measurements[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...findings,
    statement: {
      registers: new Map(registers),
      debug,
      debugFound: `TDATTRIBUTES ${toHex(tdAttributes)}: bits 0 to 7 are ${debug ? 'not ' : ''}zero`,
      fields: new Map([['reportData', reportData]]),
      platformIds: platformIdsOf(findings.facts.platform),
    },
  };
}

const REQUIRED: readonly string[] = ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'];

/** `tdx` */
export const tdxFormat: PlatformFormat<TdxEvidence, DcapFacts, TdxPolicy> = {
  name: 'tdx',
  title: 'Intel TDX quote',
  registers: Object.fromEntries(
    TD_MEASUREMENTS.map((name) => [name, { bytes: 48, required: REQUIRED.includes(name) }]),
  ),
  fields: { reportData: { fixedBytes: 64 } },
  detect: (bytes) => looksLikeQuote(bytes, 'tdx'),
  decode,
  describe: describeDcap,
  collateralFor: neededCollateral,
  verify,
  readPolicy: readTdxPolicy,
  appraise: ({ facts }, policy, now) => appraiseTdx(facts, policy, now),
};
