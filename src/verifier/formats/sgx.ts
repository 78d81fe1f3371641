/** DCAP quotes of Intel SGX: version 3, and 4 and 5 as TDX platforms make them. docs/platforms/sgx.md */
import { toHex, u16 } from '../../../enclave/wire/bytes.ts';
import { MalformedEvidence } from '../malformed.ts';
import type {
  PlatformEvidenceFindings,
  PlatformFormat,
  PlatformVerificationInput,
} from '../platform-format.ts';
import { appraiseSgx } from './dcap/appraise.ts';
import { describeDcap } from './dcap/describe-dcap.ts';
import { neededCollateral } from './dcap/needed-collateral.ts';
import { platformIdsOf } from './dcap/platform-ids.ts';
import { readSgxPolicy, type SgxPolicy } from './dcap/policy.ts';
import { looksLikeQuote } from './dcap/quote.ts';
import type { SgxReport } from './dcap/reports.ts';
import { decodeDcap, verifyDcap, type DcapEvidence, type DcapFacts } from './dcap/verify-dcap.ts';

interface SgxEvidence extends DcapEvidence {
  readonly report: SgxReport;
}

function decode(bytes: Uint8Array): SgxEvidence {
  const evidence = decodeDcap(bytes);
  const { body } = evidence.quote;
  if (body.tee !== 'sgx') throw new MalformedEvidence('', 'a quote of TDX, not of SGX');
  return { ...evidence, report: body };
}

async function verify(
  evidence: SgxEvidence,
  input: PlatformVerificationInput,
): Promise<PlatformEvidenceFindings<DcapFacts>> {
  const findings = await verifyDcap(evidence, input);
  const { mrEnclave, mrSigner, isvProdId, configId, attributes, debug, reportData } =
    evidence.report;
  return {
    ...findings,
    statement: {
      registers: new Map([
        ['mrEnclave', mrEnclave],
        ['mrSigner', mrSigner],
        ['isvProdId', u16(isvProdId)],
        ['configId', configId],
      ]),
      debug,
      debugFound: `attributes ${toHex(attributes)}: bit 1 is ${debug ? '1' : '0'}`,
      fields: new Map([['reportData', reportData]]),
      platformIds: platformIdsOf(findings.facts.platform),
    },
  };
}

/** `sgx` */
export const sgxFormat: PlatformFormat<SgxEvidence, DcapFacts, SgxPolicy> = {
  name: 'sgx',
  title: 'Intel SGX DCAP quote',
  registers: {
    // A signer's product stands for what the signer releases under that number, and for nothing else of its.
    mrEnclave: { bytes: 32, required: true, unless: ['mrSigner', 'isvProdId'] },
    mrSigner: { bytes: 32, required: false },
    isvProdId: { bytes: 2, required: false },
    configId: { bytes: 64, required: false },
  },
  fields: { reportData: { fixedBytes: 64 } },
  detect: (bytes) => looksLikeQuote(bytes, 'sgx'),
  decode,
  describe: describeDcap,
  collateralFor: neededCollateral,
  verify,
  readPolicy: readSgxPolicy,
  appraise: ({ facts }, policy, now) => appraiseSgx(facts, policy, now),
};
