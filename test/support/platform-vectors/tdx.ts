// Written from the prose of ../shared/vectors/README.md, section tdx. "crypto good" without collateral is a refusal here
// that names the missing documents and nothing of the quote: without them nobody knows the TCB.
import { readVector, strictPolicy, type VectorRow } from '../platform-vectors.ts';
import {
  type Fields,
  type PolicyChanges,
  UP_TO_DATE,
  ZEROS,
  sampleRoot,
  ACCEPT_DEBUG,
  NOTHING_KNOWN,
} from './dcap-policy.ts';
import { PHALA_SGX } from './sgx.ts';

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

export const TDX_ROWS: readonly VectorRow[] = [...TDX_PHALA, ...TDX_DEBUG, ...TDX_OTHERS];

/** Files that no row needs, and why. */
export const TDX_UNUSED: Readonly<Record<string, string>> = {
  'tdx/intel-sample.trustedRootCaCert.pem': 'an anchor in policies, not collateral',
  'tdx/intel-sample.pckCert.pem': 'the quote carries it',
  'tdx/intel-sample.pckSignChain.pem': 'the quote carries it',
  'tdx/google-2023.pck-crl-chain.pem': 'the quote carries it',
};
