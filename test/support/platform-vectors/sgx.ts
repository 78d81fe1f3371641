// Written from the prose of ../shared/vectors/README.md, section sgx. "crypto good" without collateral is a refusal here
// that names the missing documents and nothing of the quote: without them nobody knows the TCB.
import { strictPolicy, type VectorRow } from '../platform-vectors.ts';
import {
  type Fields,
  type PolicyChanges,
  UP_TO_DATE,
  accept,
  except,
  LATER,
  sampleRoot,
  ACCEPT_DEBUG,
  NOTHING_KNOWN,
} from './dcap-policy.ts';

function sgxPolicy(changes: PolicyChanges = {}): VectorRow['policy'] {
  return (fields) => {
    const body = fields['body'] as Readonly<Record<string, string>>;
    return {
      ...strictPolicy('sgx', {
        measurements: changes.measurements ?? {
          mrEnclave: body['mrenclave'] ?? '',
          mrSigner: body['mrsigner'] ?? '',
          isvProdId: Number(body['isvprodid']).toString(16).padStart(4, '0'),
        },
        binding: {
          reportData: changes.reportData ?? { rule: 'equals', value: body['report_data'] },
        },
        platform: {
          ...UP_TO_DATE,
          attributes: {
            rule: 'require',
            mask: 'ffffffffffffffff0000000000000000',
            value: body['attributes']?.slice(0, 16).concat('0000000000000000'),
          },
          isvSvn: { rule: 'require', atLeast: Number(body['isvsvn']) },
          ...changes.platform,
        },
      }),
      ...changes.around,
    };
  };
}

export const PHALA_SGX = { 'intel-quote-collateral.json': 'sgx/phala.collateral.json' };
const MOBILECOIN = {
  'intel-sgx-tcb-00906ed50000.json': 'sgx/mobilecoin.tcbinfo.json',
  'intel-sgx-qe.json': 'sgx/mobilecoin.qeidentity.json',
  'intel-tcb-signing.pem': 'sgx/mobilecoin.tcb-signer.pem',
  'intel-pck-processor.crl': 'sgx/mobilecoin.pck-processor.crl',
  'intel-root.crl': 'sgx/mobilecoin.root.crl',
};
const SGX_SAMPLE = {
  'intel-pck.pem': 'sgx/intel-sample.pckCert.pem',
  'intel-pck-issuer.pem': 'sgx/intel-sample.pckSignChain.pem',
  'intel-sgx-tcb-00707f000000.json': 'sgx/intel-sample.tcbInfo.json',
  'intel-sgx-qe.json': 'sgx/intel-sample.qeIdentity.json',
  'intel-tcb-signing.pem': 'sgx/intel-sample.tcbSignChain.pem',
  'intel-pck-processor.crl': 'sgx/intel-sample.intermediateCaCrl.der',
  'intel-root.crl': 'sgx/intel-sample.rootCaCrl.der',
};
const SGX_TIME = '2025-07-01T12:00:00Z';
const CONFIGURATION_AND_HARDENING = {
  ...accept('ConfigurationAndSWHardeningNeeded'),
  ...except(LATER, 'INTEL-SA-00289', 'INTEL-SA-00615'),
};

/** One quote that is good with its collateral, and every way in which it is not. */
const SGX_PHALA: readonly VectorRow[] = [
  {
    title: 'ConfigurationAndSWHardeningNeeded with its two advisories, accepted by name',
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    verdict: 'affirming' as const,
    failed: [],
  },
  {
    title: 'the signer and its product instead of the enclave',
    policy: (fields: Fields) => {
      const body = fields['body'] as Readonly<Record<string, string>>;
      const measurements = { mrSigner: body['mrsigner'] ?? '', isvProdId: '0000' };
      return sgxPolicy({ platform: CONFIGURATION_AND_HARDENING, measurements })(fields);
    },
    verdict: 'affirming' as const,
    failed: [],
  },
  {
    title: 'a policy that wants UpToDate',
    policy: sgxPolicy(),
    failed: ['tcb-status', 'tcb-advisories'],
  },
  {
    title: 'the status alone is not the advisories',
    policy: sgxPolicy({ platform: accept('ConfigurationAndSWHardeningNeeded') }),
    failed: ['tcb-advisories'],
  },
  {
    title: 'one of the two advisories',
    policy: sgxPolicy({
      platform: { ...CONFIGURATION_AND_HARDENING, ...except(LATER, 'INTEL-SA-00289') },
    }),
    failed: ['tcb-advisories'],
  },
  {
    title: 'exceptions that have lapsed',
    policy: sgxPolicy({
      platform: {
        ...CONFIGURATION_AND_HARDENING,
        ...except('2025-07-01T12:00:00Z', 'INTEL-SA-00289', 'INTEL-SA-00615'),
      },
    }),
    failed: ['tcb-advisories'],
  },
  {
    title: 'an evaluation after this one',
    policy: sgxPolicy({
      platform: {
        ...CONFIGURATION_AND_HARDENING,
        evaluationNumber: { rule: 'require', atLeast: 18 },
      },
    }),
    failed: ['tcb-info-evaluation-number', 'qe-identity-evaluation-number'],
  },
  {
    title: 'collateral of twelve days, and a policy that wants ten',
    policy: sgxPolicy({
      platform: { ...CONFIGURATION_AND_HARDENING, collateralAge: { rule: 'require', maxDays: 10 } },
    }),
    failed: ['collateral-age'],
  },
  {
    title: 'before TCB info was issued',
    time: '2025-06-19T10:40:00Z',
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    failed: ['tcb-info-current'],
  },
  {
    title: 'before any of the collateral was made',
    time: '2025-06-19T10:00:00Z',
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    failed: ['tcb-info-current', 'qe-identity-current', 'crl-current'],
  },
  {
    title: 'after the QE identity has ended',
    time: '2025-07-19T10:10:00Z',
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    failed: ['qe-identity-current'],
  },
  {
    title: 'collateral of last year',
    time: '2026-07-01T12:00:00Z',
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    failed: ['tcb-info-current', 'qe-identity-current', 'crl-current'],
  },
  {
    title: 'after the PCK certificate has ended',
    time: '2030-10-01T12:00:00Z',
    policy: sgxPolicy({
      platform: {
        ...CONFIGURATION_AND_HARDENING,
        ...except('2031-01-01T00:00:00Z', 'INTEL-SA-00289', 'INTEL-SA-00615'),
      },
    }),
    failed: ['tcb-info-current', 'qe-identity-current', 'crl-current', 'chain-validity'],
  },
  {
    title: 'without collateral',
    collateral: {},
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    failed: NOTHING_KNOWN,
  },
  {
    title: 'TCB info of another platform under its name',
    collateral: { ...PHALA_SGX, 'intel-sgx-tcb-00a067110000.json': 'sgx/mobilecoin.tcbinfo.json' },
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    // The signer of the collateral of 2025 has the same key as that of 2023, but nobody has this TCB.
    failed: ['tcb-info-current', 'tcb-info-fmspc', 'tcb-level', 'tcb-status', 'tcb-advisories'],
  },
  {
    title: 'the identity of the TDX quoting enclave under the name of the SGX one',
    collateral: { ...PHALA_SGX, 'intel-sgx-qe.json': 'tdx/google-2023.qeidentity.json' },
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    failed: ['qe-identity-current', 'qe-identity-tee', 'qe-mrsigner', 'qe-isv-prod-id'],
  },
  {
    title: 'a list of the other CA under the name of its own',
    collateral: { ...PHALA_SGX, 'intel-pck-processor.crl': 'tdx/google-2023.pck-platform.crl' },
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    failed: ['pck-crl-issuer', 'pck-crl-signature', 'crl-current'],
  },
  {
    title: 'Intel’s test PKI as signer',
    collateral: { ...PHALA_SGX, 'intel-tcb-signing.pem': 'sgx/intel-sample.tcbSignChain.pem' },
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING }),
    failed: [
      'tcb-info-signature',
      'tcb-info-chain-signatures',
      'tcb-info-chain-key-ids',
      'tcb-info-sent-root',
    ],
  },
  {
    title: 'another enclave is wanted',
    policy: sgxPolicy({
      platform: CONFIGURATION_AND_HARDENING,
      measurements: { mrEnclave: '11'.repeat(32) },
    }),
    failed: ['measurements'],
  },
  {
    title: 'other report data is wanted',
    policy: sgxPolicy({
      platform: CONFIGURATION_AND_HARDENING,
      reportData: { rule: 'equals', value: Buffer.from('Hello, world?').toString('hex') },
    }),
    failed: ['binding/reportData'],
  },
  {
    title: 'another nonce was drawn',
    nonce: '22'.repeat(32),
    policy: sgxPolicy({ platform: CONFIGURATION_AND_HARDENING, reportData: { rule: 'nonce' } }),
    failed: ['binding/reportData'],
  },
  {
    title: 'a later release is wanted',
    policy: sgxPolicy({
      platform: { ...CONFIGURATION_AND_HARDENING, isvSvn: { rule: 'require', atLeast: 1 } },
    }),
    failed: ['isv-svn'],
  },
  {
    title: 'another platform is wanted',
    policy: sgxPolicy({
      platform: CONFIGURATION_AND_HARDENING,
      around: {
        platforms: { rule: 'require', anyOf: [{ name: 'ours', id: `ppid:${'33'.repeat(16)}` }] },
      },
    }),
    failed: ['platforms'],
  },
  {
    title: 'all platforms of its model are wanted',
    policy: sgxPolicy({
      platform: CONFIGURATION_AND_HARDENING,
      around: {
        platforms: { rule: 'require', anyOf: [{ name: 'the model', id: 'fmspc:00a067110000' }] },
      },
    }),
    verdict: 'affirming' as const,
    failed: [],
  },
].map((row) => ({
  file: 'sgx/phala.quote',
  time: SGX_TIME,
  collateral: PHALA_SGX,
  verdict: 'contraindicated' as const,
  ...row,
}));

const sgxWithoutCollateral = (
  name: string,
  time: string,
  title: string,
  failed: readonly string[],
  changes: PolicyChanges = {},
): VectorRow => ({
  file: `sgx/${name}.quote`,
  title,
  time,
  policy: sgxPolicy(changes),
  verdict: 'contraindicated',
  failed: [...NOTHING_KNOWN, ...failed],
});

const HARDENING_2023 = {
  ...accept('SWHardeningNeeded'),
  ...except('2024-01-01T00:00:00Z', 'INTEL-SA-00334', 'INTEL-SA-00615'),
};

const SGX_OTHERS: readonly VectorRow[] = [
  sgxWithoutCollateral('trustee-occlum-debug', '2024-01-01T00:00:00Z', 'debug', ['debug']),
  sgxWithoutCollateral('trustee-occlum-debug', '2024-01-01T00:00:00Z', 'debug accepted', [], {
    around: ACCEPT_DEBUG,
  }),
  sgxWithoutCollateral('automata-debug', '2025-01-01T00:00:00Z', 'debug', ['debug']),
  sgxWithoutCollateral('automata-v3', '2025-01-01T00:00:00Z', 'crypto good, TCB not known', []),
  sgxWithoutCollateral('automata-v3', '2024-01-01T00:00:00Z', 'before its PCK certificate', [
    'chain-validity',
  ]),
  {
    file: 'sgx/mobilecoin.quote',
    title: 'SWHardeningNeeded, and a list that ended before TCB info began',
    time: '2023-07-20T12:00:00Z',
    collateral: MOBILECOIN,
    policy: sgxPolicy({ platform: HARDENING_2023 }),
    verdict: 'contraindicated',
    failed: ['crl-current'],
  },
  {
    file: 'sgx/mobilecoin.quote',
    title: 'a policy that wants UpToDate',
    time: '2023-07-20T12:00:00Z',
    collateral: MOBILECOIN,
    policy: sgxPolicy(),
    verdict: 'contraindicated',
    failed: ['crl-current', 'tcb-status', 'tcb-advisories'],
  },
  {
    file: 'sgx/azuresample-release.quote',
    title: 'production attributes; the TCB of its model',
    time: '2023-07-20T12:00:00Z',
    collateral: MOBILECOIN,
    policy: sgxPolicy({ platform: HARDENING_2023 }),
    verdict: 'contraindicated',
    failed: ['crl-current'],
  },
  {
    file: 'sgx/azuresample-debug.quote',
    title: 'debug',
    time: '2023-07-20T12:00:00Z',
    collateral: MOBILECOIN,
    policy: sgxPolicy({ platform: HARDENING_2023 }),
    verdict: 'contraindicated',
    failed: ['crl-current', 'debug'],
  },
  {
    file: 'sgx/intel-sample.quote',
    title: 'under the production root',
    time: '2024-01-01T00:00:00Z',
    collateral: SGX_SAMPLE,
    policy: sgxPolicy(),
    verdict: 'contraindicated',
    failed: [
      'pck-chain-signatures',
      'pck-chain-key-ids',
      'pck-sent-root',
      'tcb-info-chain-signatures',
      'tcb-info-chain-key-ids',
      'tcb-info-sent-root',
      'qe-identity-chain-signatures',
      'qe-identity-chain-key-ids',
      'qe-identity-sent-root',
      'root-crl-issuer',
      'root-crl-signature',
    ],
  },
  {
    file: 'sgx/intel-sample.quote',
    title: 'under the test root beside it, with the PCK certificate from the file beside it',
    time: '2024-01-01T00:00:00Z',
    collateral: SGX_SAMPLE,
    policy: sgxPolicy({ around: sampleRoot('sgx') }),
    verdict: 'warning',
    failed: [],
    warned: ['simulated'],
  },
  {
    file: 'sgx/intel-sample.quote',
    title: 'under the test root, after its PCK certificate',
    time: '2026-10-01T00:00:00Z',
    collateral: SGX_SAMPLE,
    policy: sgxPolicy({ around: sampleRoot('sgx') }),
    verdict: 'contraindicated',
    failed: ['chain-validity'],
  },
  {
    file: 'sgx/intel-sample.quote',
    title: 'under the test root, without the PCK certificate: type 1 by name',
    time: '2024-01-01T00:00:00Z',
    policy: sgxPolicy({ around: sampleRoot('sgx') }),
    verdict: 'contraindicated',
    failed: [
      'qe-report-signature',
      'certification-data',
      'trust-anchor-accepted',
      'chain-validity',
      ...NOTHING_KNOWN,
    ],
  },
];

export const SGX_ROWS: readonly VectorRow[] = [...SGX_PHALA, ...SGX_OTHERS];

/** Files that no row needs, and why. */
export const SGX_UNUSED: Readonly<Record<string, string>> = {
  'sgx/mobilecoin.pck.pem': 'another PCK certificate; the quote carries its own',
  'sgx/mobilecoin.processor-ca.pem': 'the quote carries it',
  'sgx/intel-sample.trustedRootCaCert.pem': 'an anchor in policies, not collateral',
};
