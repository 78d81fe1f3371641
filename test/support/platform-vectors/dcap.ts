// Written from the prose of ../shared/vectors/README.md, sections sgx and tdx. "crypto good" without collateral is a
// refusal here that names the missing documents and nothing of the quote: without them nobody knows the TCB.
import { readVector, strictPolicy, type VectorRow } from '../platform-vectors.ts';

type Fields = Readonly<Record<string, unknown>>;
type Member = Readonly<Record<string, unknown>>;

const SKIP = { rule: 'skip', because: 'the vectors are about something else' };
const REFUSE = { rule: 'refuse' };

interface PolicyChanges {
  readonly platform?: Member;
  /** Of the policy around it. */
  readonly around?: Member;
  readonly measurements?: Readonly<Record<string, string>>;
  readonly reportData?: unknown;
}

const UP_TO_DATE: Member = {
  tcbStatus: { rule: 'require', anyOf: ['UpToDate'] },
  advisories: REFUSE,
  evaluationNumber: SKIP,
  collateralAge: SKIP,
  trailingBytes: REFUSE,
};

const accept = (...statuses: string[]): Member => ({
  tcbStatus: { rule: 'require', anyOf: statuses },
});

const except = (notAfter: string, ...ids: string[]): Member => ({
  advisories: {
    rule: 'except',
    anyOf: ids.map((id) => ({ id, notAfter, because: 'weighed for this table' })),
  },
});

const LATER = '2027-01-01T00:00:00Z';

const ZEROS: Member = {
  trailingBytes: { rule: 'accept-zeros', because: 'the driver hands out a buffer of fixed size' },
};

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

const TD_NAMES = {
  mrSeam: 'mrseam',
  mrTd: 'mrtd',
  mrConfigId: 'mrconfigid',
  mrOwner: 'mrowner',
  mrOwnerConfig: 'mrownerconfig',
  rtmr0: 'rtmr0',
  rtmr1: 'rtmr1',
  rtmr2: 'rtmr2',
  rtmr3: 'rtmr3',
} as const;

function tdMeasurements(body: Fields): Record<string, string> {
  return Object.fromEntries(
    Object.entries(TD_NAMES).map(([name, field]) => [name, String(body[field])]),
  );
}

function tdxPolicy(changes: PolicyChanges = {}): VectorRow['policy'] {
  return (fields) => {
    const body = (fields['body'] ?? SAMPLE_TD) as Fields;
    return {
      ...strictPolicy('tdx', {
        measurements: changes.measurements ?? tdMeasurements(body),
        binding: {
          reportData: changes.reportData ?? { rule: 'equals', value: body['report_data'] },
        },
        platform: {
          ...UP_TO_DATE,
          tdAttributes: {
            rule: 'require',
            mask: 'ffffffffffffffff',
            value: body['td_attributes'],
          },
          xfam: { rule: 'require', mask: 'ffffffffffffffff', value: body['xfam'] },
          ...changes.platform,
        },
      }),
      ...changes.around,
    };
  };
}

/** The index has no fields of Intel's own TDX sample. Its numbers are random; these are where A.3 puts them. */
const SAMPLE_TD: Fields = sampleTd();

function sampleTd(): Fields {
  let quote: Uint8Array;
  try {
    quote = readVector('tdx/intel-sample.quote');
  } catch {
    return {};
  }
  const hex = (from: number, length: number): string =>
    Buffer.from(quote.subarray(48 + from, 48 + from + length)).toString('hex');
  return {
    mrseam: hex(16, 48),
    td_attributes: hex(120, 8),
    xfam: hex(128, 8),
    mrtd: hex(136, 48),
    mrconfigid: hex(184, 48),
    mrowner: hex(232, 48),
    mrownerconfig: hex(280, 48),
    rtmr0: hex(328, 48),
    rtmr1: hex(376, 48),
    rtmr2: hex(424, 48),
    rtmr3: hex(472, 48),
    report_data: hex(520, 64),
  };
}

/** Under the root that lies beside Intel's samples; it is nobody's, so the result is simulated. */
function sampleRoot(format: 'sgx' | 'tdx'): Member {
  let certificate: string;
  try {
    certificate = Buffer.from(readVector(`${format}/intel-sample.trustedRootCaCert.pem`)).toString(
      'latin1',
    );
  } catch {
    return {};
  }
  return {
    trustAnchors: {
      rule: 'require',
      anyOf: [{ name: 'Intel’s test root', format, certificate }],
    },
    simulated: { rule: 'accept-simulated', because: 'Intel made it for tests' },
  };
}

const ACCEPT_DEBUG: Member = {
  debug: { rule: 'accept-debug', because: 'to look at the other checks' },
};

const NOTHING_KNOWN = [
  'tcb-info',
  'qe-identity',
  'root-crl',
  'pck-crl',
  'tcb-status',
  'tcb-advisories',
];

const PHALA_SGX = { 'intel-quote-collateral.json': 'sgx/phala.collateral.json' };
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
const TDX_SAMPLE = {
  'intel-tdx-tcb-ed742af8adf5.json': 'tdx/intel-sample.tcbInfo.json',
  'intel-tdx-qe.json': 'tdx/intel-sample.qeIdentity.json',
  'intel-tcb-signing.pem': 'tdx/intel-sample.tcbSignChain.pem',
  'intel-pck-processor.crl': 'tdx/intel-sample.intermediateCaCrl.der',
  'intel-root.crl': 'tdx/intel-sample.rootCaCrl.der',
};
const PHALA_TDX = { 'intel-quote-collateral.json': 'tdx/phala.collateral.json' };
const PHALA_OUTDATED = { 'intel-quote-collateral.json': 'tdx/phala-outdated.collateral.json' };
const GOOGLE_2023 = {
  'intel-tdx-tcb-50806f000000.json': 'tdx/google-50806f-2023.tcbinfo.json',
  'intel-tdx-qe.json': 'tdx/google-2023.qeidentity.json',
  'intel-tcb-signing.pem': 'tdx/google-2023.tcb-signing-chain.pem',
  'intel-pck-platform.crl': 'tdx/google-2023.pck-platform.crl',
  'intel-root.crl': 'tdx/google-2023.root.crl',
};
const INTEL_2026 = {
  'intel-tdx-qe.json': 'tdx/confidentialai-2026.td-qeidentity.json',
  'intel-tcb-signing.pem': 'tdx/confidentialai-2026.tcb-signing-chain.pem',
  'intel-qe-signing.pem': 'tdx/confidentialai-2026.qe-signing-chain.pem',
  'intel-pck-platform.crl': 'tdx/confidentialai-2026.pck-platform.crl',
  'intel-root.crl': 'tdx/confidentialai-2026.root.crl',
};
const FMSPC_50806F_2026 = {
  ...INTEL_2026,
  'intel-tdx-tcb-50806f000000.json': 'tdx/confidentialai-50806f-2026.tcbinfo.json',
};
const FMSPC_90C06F_2026 = {
  ...INTEL_2026,
  'intel-tdx-tcb-90c06f000000.json': 'tdx/confidentialai-90c06f-2026.tcbinfo.json',
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

const TDX_TIME = '2025-07-01T12:00:00Z';

const TDX_PHALA: readonly VectorRow[] = [
  {
    title: 'UpToDate, no advisories; 70 zeros behind it, accepted by name',
    policy: tdxPolicy({ platform: ZEROS }),
    verdict: 'affirming' as const,
    failed: [],
  },
  { title: '70 zeros behind it', policy: tdxPolicy(), failed: ['trailing-bytes'] },
  {
    title: 'before TCB info and QE identity were issued',
    time: '2025-06-19T10:10:00Z',
    policy: tdxPolicy({ platform: ZEROS }),
    failed: ['tcb-info-current', 'qe-identity-current'],
  },
  {
    title: 'a month later',
    time: '2025-08-01T00:00:00Z',
    policy: tdxPolicy({ platform: ZEROS }),
    failed: ['tcb-info-current', 'qe-identity-current', 'crl-current'],
  },
  {
    title: 'without collateral',
    collateral: {},
    policy: tdxPolicy({ platform: ZEROS }),
    failed: NOTHING_KNOWN,
  },
  {
    title: 'the collateral of another platform',
    collateral: PHALA_OUTDATED,
    time: '2026-03-01T00:00:00Z',
    policy: tdxPolicy({ platform: ZEROS }),
    // As a platform of that model it would be out of date.
    failed: ['tcb-info-fmspc', 'tcb-status', 'tcb-advisories'],
  },
  {
    title: 'the collateral of an SGX quote',
    collateral: PHALA_SGX,
    policy: tdxPolicy({ platform: ZEROS }),
    failed: [
      'tcb-info-tee',
      'tcb-info-fmspc',
      'tcb-level',
      'tdx-module-identity',
      'qe-identity-tee',
      'qe-mrsigner',
      'qe-isv-prod-id',
      'pck-crl-issuer',
      'pck-crl-signature',
      'tcb-status',
      'tcb-advisories',
    ],
  },
  {
    title: 'another kernel is wanted',
    policy: (fields: Fields) => {
      const body = fields['body'] as Fields;
      const measurements = { ...tdMeasurements(body), rtmr1: '44'.repeat(48) };
      return tdxPolicy({ platform: ZEROS, measurements })(fields);
    },
    failed: ['measurements'],
  },
  {
    title: 'a TD with performance counters is wanted',
    policy: tdxPolicy({
      platform: {
        ...ZEROS,
        tdAttributes: {
          rule: 'require',
          mask: '0000000000000080',
          value: '0000000000000080',
        },
      },
    }),
    failed: ['td-attributes'],
  },
  {
    title: 'other extended features are wanted',
    policy: tdxPolicy({
      platform: {
        ...ZEROS,
        xfam: { rule: 'require', mask: 'ffffffffffffffff', value: 'e700060000000000' },
      },
    }),
    failed: ['xfam'],
  },
  {
    title: 'another nonce was drawn',
    nonce: '22'.repeat(32),
    policy: tdxPolicy({ platform: ZEROS, reportData: { rule: 'nonce' } }),
    failed: ['binding/reportData'],
  },
].map((row) => ({
  file: 'tdx/phala.quote',
  time: TDX_TIME,
  collateral: PHALA_TDX,
  verdict: 'contraindicated' as const,
  ...row,
}));

const TDX_DEBUG: readonly VectorRow[] = [
  {
    title: 'debug, UpToDate with the collateral of 2023',
    time: '2023-07-01T00:00:00Z',
    collateral: GOOGLE_2023,
    policy: tdxPolicy(),
    failed: ['debug'],
  },
  {
    title: 'debug accepted, UpToDate with the collateral of 2023',
    time: '2023-07-01T00:00:00Z',
    collateral: GOOGLE_2023,
    policy: tdxPolicy({ around: ACCEPT_DEBUG }),
    verdict: 'warning' as const,
    failed: [],
    warned: ['debug'],
  },
  {
    title: 'debug accepted, OutOfDate with the collateral of 2026',
    time: '2026-04-01T00:00:00Z',
    collateral: FMSPC_50806F_2026,
    policy: tdxPolicy({ around: ACCEPT_DEBUG }),
    failed: ['tcb-status', 'tcb-advisories'],
  },
  {
    title: 'debug accepted, the good old collateral of 2023 shown again in 2026',
    time: '2026-04-01T00:00:00Z',
    collateral: GOOGLE_2023,
    policy: tdxPolicy({ around: ACCEPT_DEBUG }),
    failed: ['tcb-info-current', 'qe-identity-current', 'crl-current', 'chain-validity'],
  },
].map((row) => ({
  file: 'tdx/trustee-v4-debug.quote',
  verdict: 'contraindicated' as const,
  ...row,
}));

const NO_LEVEL = ['tcb-level', 'tcb-status', 'tcb-advisories'];

const TDX_OTHERS: readonly VectorRow[] = [
  {
    title: 'version 5, TD 1.5: no TCB level matches',
    file: 'tdx/phala-outdated.quote',
    time: '2026-03-01T00:00:00Z',
    collateral: PHALA_OUTDATED,
    policy: tdxPolicy(),
    failed: NO_LEVEL,
  },
  {
    title: 'version 5: no level matches in 2026',
    file: 'tdx/trustee-v5.quote',
    time: '2026-04-01T00:00:00Z',
    collateral: FMSPC_90C06F_2026,
    policy: tdxPolicy(),
    failed: NO_LEVEL,
  },
  {
    title: 'no level matches in 2023; 39 bytes of text behind it',
    file: 'tdx/google-spr-e4.quote',
    time: '2023-07-01T00:00:00Z',
    collateral: GOOGLE_2023,
    policy: tdxPolicy({ platform: ZEROS }),
    failed: [...NO_LEVEL, 'trailing-bytes'],
  },
  {
    title: 'SEPT_VE_DISABLE is wanted',
    file: 'tdx/google-spr-e4.quote',
    time: '2023-07-01T00:00:00Z',
    collateral: GOOGLE_2023,
    policy: tdxPolicy({
      platform: {
        tdAttributes: { rule: 'require', mask: '0000001000000000', value: '0000001000000000' },
      },
    }),
    failed: [...NO_LEVEL, 'trailing-bytes', 'td-attributes'],
  },
  {
    title: 'crypto good, TCB not known; 3,065 zeros behind it',
    file: 'tdx/google-cos113.quote',
    time: '2025-01-01T00:00:00Z',
    policy: tdxPolicy(),
    failed: [...NOTHING_KNOWN, 'trailing-bytes'],
  },
  {
    title: 'crypto good, TCB not known; 3,065 zeros accepted',
    file: 'tdx/google-cos113.quote',
    time: '2025-01-01T00:00:00Z',
    policy: tdxPolicy({ platform: ZEROS }),
    failed: NOTHING_KNOWN,
  },
  {
    title: 'crypto good, TCB not known; 307 zeros accepted',
    file: 'tdx/confidentialai-live.quote',
    time: '2026-04-01T00:00:00Z',
    policy: tdxPolicy({ platform: ZEROS }),
    failed: NOTHING_KNOWN,
  },
  {
    title: 'collateral of its model from the year before',
    file: 'tdx/confidentialai-live.quote',
    time: '2026-04-01T00:00:00Z',
    collateral: PHALA_TDX,
    policy: tdxPolicy({ platform: ZEROS }),
    failed: ['tcb-info-current', 'qe-identity-current', 'crl-current'],
  },
  {
    title: 'under the production root',
    file: 'tdx/intel-sample.quote',
    time: '2024-01-01T00:00:00Z',
    policy: tdxPolicy(),
    failed: ['pck-chain-signatures', 'pck-chain-key-ids', 'pck-sent-root', ...NOTHING_KNOWN],
  },
  {
    title: 'under the test root beside it: crypto good, chain in DER with the root first',
    file: 'tdx/intel-sample.quote',
    time: '2024-01-01T00:00:00Z',
    policy: tdxPolicy({ around: sampleRoot('tdx') }),
    failed: NOTHING_KNOWN,
  },
  {
    title: 'under the test root with its collateral, whose numbers are random',
    file: 'tdx/intel-sample.quote',
    time: '2024-01-01T00:00:00Z',
    collateral: TDX_SAMPLE,
    policy: tdxPolicy({ around: sampleRoot('tdx') }),
    failed: ['qe-mrsigner', 'tdx-module-identity', ...NO_LEVEL],
  },
].map((row) => ({ verdict: 'contraindicated' as const, ...row }));

export const DCAP_ROWS: readonly VectorRow[] = [
  ...SGX_PHALA,
  ...SGX_OTHERS,
  ...TDX_PHALA,
  ...TDX_DEBUG,
  ...TDX_OTHERS,
];

const TRUST = 'the chain of the quote ends in it already';

export const DCAP_UNUSED: Readonly<Record<string, string>> = {
  'sgx/mobilecoin.pck.pem': 'another PCK certificate; the quote carries its own',
  'sgx/mobilecoin.processor-ca.pem': TRUST,
  'sgx/intel-sample.trustedRootCaCert.pem': 'an anchor in policies, not collateral',
  'tdx/intel-sample.trustedRootCaCert.pem': 'an anchor in policies, not collateral',
  'tdx/intel-sample.pckCert.pem': TRUST,
  'tdx/intel-sample.pckSignChain.pem': TRUST,
  'tdx/google-2023.pck-crl-chain.pem': TRUST,
};
