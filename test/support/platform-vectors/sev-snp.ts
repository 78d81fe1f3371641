// Written from the prose of ../shared/vectors/README.md, section sev-snp. "accept" there is affirming here under a
// policy that names what index.json records. There is no revocation list of AMD in the set, so accepting policies
// skip it.
import { strictPolicy, type VectorRow } from '../platform-vectors.ts';

type Fields = Readonly<Record<string, unknown>>;
type Levels = Readonly<Record<string, number>>;
type Member = Readonly<Record<string, unknown>>;

const SKIP = { rule: 'skip', because: 'the vectors are about something else' };
const REFUSE = { rule: 'refuse' };
const ACCEPT = { rule: 'accept', because: 'all genuine guests of the set allow SMT' };

const NAMES: Readonly<Record<string, string>> = {
  fmc: 'fmc',
  bl: 'bootloader',
  tee: 'tee',
  snp: 'snp',
  ucode: 'microcode',
};

function levels(fields: Fields, raise: Levels = {}): Levels {
  const recorded = fields['reported_tcb'] as Levels;
  return Object.fromEntries(
    Object.entries({ ...recorded, ...raise }).map(([name, level]) => [NAMES[name] ?? name, level]),
  );
}

type Product = 'Milan' | 'Genoa' | 'Turin';

interface PolicyChanges {
  readonly platform?: Member;
  readonly guestPolicy?: Member;
  /** Of the policy around it. */
  readonly around?: Member;
  readonly measurements?: Readonly<Record<string, string>>;
  readonly reportData?: unknown;
}

/** Everything that index.json records is required; `changes` say what else, or what instead. */
function policyFor(
  product: Product,
  changes: (fields: Fields) => PolicyChanges = () => ({}),
): VectorRow['policy'] {
  return (fields) => {
    const { platform, guestPolicy, around, measurements, reportData } = changes(fields);
    const least = { rule: 'require', [product]: levels(fields) };
    const text = (name: string): string => String(fields[name]);
    return {
      ...strictPolicy('sev-snp', {
        measurements: measurements ?? {
          measurement: text('measurement'),
          hostData: text('host_data'),
          idKeyDigest: text('id_key_digest'),
          authorKeyDigest: text('author_key_digest'),
          familyId: text('family_id'),
          imageId: text('image_id'),
        },
        binding: { reportData: reportData ?? { rule: 'equals', value: text('report_data') } },
        platform: {
          reportedTcb: least,
          launchTcb: least,
          provisionalFirmware: REFUSE,
          vmpl: { rule: 'require', level: fields['vmpl'] },
          signingKeys: { rule: 'require', anyOf: [text('signing_key').toLowerCase()] },
          guestSvn: { rule: 'require', atLeast: fields['guest_svn'] },
          guestPolicy: {
            abi: SKIP,
            smtAllowed: ACCEPT,
            migrationAgentAllowed: REFUSE,
            cxlAllowed: REFUSE,
            singleSocketRequired: SKIP,
            aes256XtsRequired: SKIP,
            raplDisableRequired: SKIP,
            ciphertextHidingRequired: SKIP,
            pageSwapDisabled: SKIP,
            ...guestPolicy,
          },
          platformInfo: SKIP,
          mitigations: SKIP,
          revocation: { rule: 'skip', because: 'the set has no list of AMD' },
          ...platform,
        },
      }),
      ...around,
    };
  };
}

/** One report, with what accepts it. */
interface Genuine {
  readonly file: string;
  readonly product: Product;
  /** A moment inside the certificate's validity, and moments before and after it. */
  readonly time: string;
  readonly before: string;
  readonly after: string;
  readonly key: string;
  readonly kind?: 'vlek';
  /** The key's file has its authorities behind it. */
  readonly chained?: true;
}

const GENUINE = {
  googleDebug: {
    file: 'google-milan-debug',
    product: 'Milan',
    ...{
      time: '2023-01-01T00:00:00Z',
      before: '2022-09-23T00:00:00Z',
      after: '2029-09-25T00:00:00Z',
    },
    key: 'google-milan-debug.vcek.der',
  },
  trustee: {
    file: 'trustee-milan',
    product: 'Milan',
    ...{
      time: '2023-06-01T00:00:00Z',
      before: '2023-01-23T00:00:00Z',
      after: '2030-01-25T00:00:00Z',
    },
    key: 'trustee-milan.vcek.der',
  },
  vlek: {
    file: 'trustee-milan-vlek',
    product: 'Milan',
    ...{
      time: '2025-01-15T00:00:00Z',
      before: '2024-12-09T00:00:00Z',
      after: '2025-12-11T00:00:00Z',
    },
    key: 'trustee-milan-vlek.der',
    kind: 'vlek',
  },
  microsoftMilan: {
    file: 'microsoft-milan',
    product: 'Milan',
    ...{
      time: '2026-03-01T00:00:00Z',
      before: '2026-02-04T00:00:00Z',
      after: '2033-02-06T00:00:00Z',
    },
    key: 'microsoft-milan.vcek.pem',
  },
  microsoftGenoa: {
    file: 'microsoft-genoa',
    product: 'Genoa',
    ...{
      time: '2026-03-01T00:00:00Z',
      before: '2026-02-04T00:00:00Z',
      after: '2033-02-06T00:00:00Z',
    },
    key: 'microsoft-genoa.vcek.pem',
  },
  microsoftTurin: {
    file: 'microsoft-turin',
    product: 'Turin',
    ...{
      time: '2026-03-01T00:00:00Z',
      before: '2026-02-04T00:00:00Z',
      after: '2033-02-06T00:00:00Z',
    },
    key: 'microsoft-turin.vcek.pem',
  },
  genoaV5: {
    file: 'confidentialai-genoa-v5',
    product: 'Genoa',
    ...{
      time: '2026-03-01T00:00:00Z',
      before: '2026-02-16T00:00:00Z',
      after: '2033-02-18T00:00:00Z',
    },
    key: 'confidentialai-genoa-v5.vcek.der',
  },
  dstack: {
    file: 'dstack-milan',
    product: 'Milan',
    ...{
      time: '2026-07-01T00:00:00Z',
      before: '2026-06-16T00:00:00Z',
      after: '2033-06-18T00:00:00Z',
    },
    key: 'dstack-milan.vcek.pem',
  },
  veraison: {
    file: 'veraison-genoa',
    product: 'Genoa',
    ...{
      time: '2025-06-01T00:00:00Z',
      before: '2025-04-19T00:00:00Z',
      after: '2032-04-21T00:00:00Z',
    },
    key: 'veraison-genoa.vcek.der',
  },
  aci: {
    file: 'aci-milan',
    product: 'Milan',
    ...{
      time: '2023-06-01T00:00:00Z',
      before: '2022-11-28T00:00:00Z',
      after: '2029-11-30T00:00:00Z',
    },
    key: 'aci-milan.chain.pem',
    chained: true,
  },
} as const satisfies Readonly<Record<string, Genuine>>;

function collateralOf({ key, kind, product, chained }: Genuine): Record<string, string> {
  const small = product.toLowerCase();
  const authority = kind === 'vlek' ? 'asvk' : 'ask';
  return {
    [`${kind ?? 'vcek'}.${key.endsWith('.pem') ? 'pem' : 'der'}`]: `sev-snp/${key}`,
    ...(chained === true
      ? {}
      : { [`${authority}-${small}.der`]: `roots/amd-${small}-${authority}.der` }),
  };
}

interface RowChanges extends Partial<Pick<VectorRow, 'time' | 'nonce' | 'collateral'>> {
  readonly policy?: (fields: Fields) => PolicyChanges;
}

function row(
  genuine: Genuine,
  title: string,
  failed: readonly string[],
  { policy, ...changes }: RowChanges = {},
): VectorRow {
  return {
    file: `sev-snp/${genuine.file}.bin`,
    title,
    time: genuine.time,
    collateral: collateralOf(genuine),
    policy: policyFor(genuine.product, policy),
    verdict: failed.length === 0 ? 'affirming' : 'contraindicated',
    failed,
    ...changes,
  };
}

/** Refusals that hold for every report, on top of what it fails anyway. */
function refusals(genuine: Genuine, anyway: readonly string[] = []): VectorRow[] {
  const refused = (title: string, failed: string, changes: RowChanges): VectorRow =>
    row(genuine, title, [...anyway, failed], changes);
  return [
    refused('before its certificate', 'chain-validity', { time: genuine.before }),
    refused('after its certificate', 'chain-validity', { time: genuine.after }),
    refused('another measurement', 'measurements', {
      policy: () => ({ measurements: { measurement: 'ab'.repeat(48) } }),
    }),
    refused('another report data', 'binding/reportData', {
      policy: () => ({ reportData: { rule: 'equals', value: 'ab'.repeat(64) } }),
    }),
    refused('a nonce that it does not answer', 'binding/reportData', {
      nonce: 'cd'.repeat(32),
      policy: () => ({ reportData: { rule: 'nonce' } }),
    }),
    refused('revocation is required, and there is no list', 'crl-age', {
      policy: () => ({ platform: { revocation: { rule: 'require', maxAgeDays: 3650 } } }),
    }),
    refused('another chip', 'platforms', {
      policy: () => ({
        around: {
          platforms: { rule: 'require', anyOf: [{ name: 'ours', id: `chip:${'00'.repeat(64)}` }] },
        },
      }),
    }),
  ];
}

const { googleDebug, trustee, vlek, microsoftMilan, microsoftGenoa } = GENUINE;
const { microsoftTurin, genoaV5, dstack, veraison, aci } = GENUINE;

/** What a chain of nothing fails. */
const NO_CHAIN = [
  ...['chain-length', 'trust-anchor', 'chain-signatures', 'chain-names', 'chain-algorithms'],
  ...['chain-authority', 'chain-path-length', 'chain-key-usage', 'chain-extensions'],
  ...['chain-key-ids', 'trust-anchor-accepted', 'simulated', 'product-root'],
];

/** What nobody can say of a report before version 3 whose certificate can't be read: its layout. */
const NO_LAYOUT = [
  ...['tcb-reported-committed', 'tcb-committed-current', 'tcb-launch-current'],
  ...['minimum-tcb', 'minimum-launch-tcb'],
];

export const SEV_SNP_ROWS: readonly VectorRow[] = [
  // "signature/chain good; REJECT by default policy (DEBUG bit 19 set in the guest policy)"
  row(googleDebug, 'debug is set', ['debug']),
  {
    ...row(googleDebug, 'debug is set, and accepted with a reason', [], {
      policy: () => ({
        around: { debug: { rule: 'accept-debug', because: 'to show that all else is good' } },
      }),
    }),
    verdict: 'warning',
    warned: ['debug'],
  },
  ...refusals(googleDebug, ['debug']),

  // "accept with trustee-milan.vcek.der"; current microcode 206 above committed 115; id_key_digest not zero
  row(trustee, 'with its VCEK', []),
  ...refusals(trustee),
  // "REJECT with either of the two invalid VCEKs": "its own signature does not chain to ASK-Milan, report signature
  // fails, chip id and TCB differ"
  row(
    trustee,
    'with the first invalid VCEK',
    ['platform-signature', 'chain-signatures', 'reported-tcb', 'chip-id'],
    {
      collateral: {
        ...collateralOf(trustee),
        'vcek.der': 'sev-snp/trustee-vcek-invalid-legacy.der',
      },
    },
  ),
  // This one has a hwID of 8 bytes like Turin's, so that it is no VCEK of Milan at all.
  row(
    trustee,
    'with the second invalid VCEK',
    [
      ...['platform-signature', 'chain-signatures', 'reported-tcb', 'chip-id'],
      ...['endorsement-key', 'signing-key', 'product-root'],
      ...NO_LAYOUT,
    ],
    {
      time: '2024-01-01T00:00:00Z',
      collateral: { ...collateralOf(trustee), 'vcek.der': 'sev-snp/trustee-vcek-invalid-new.der' },
    },
  ),
  row(trustee, 'with the VCEK of another chip', ['platform-signature', 'reported-tcb', 'chip-id'], {
    collateral: { ...collateralOf(trustee), 'vcek.der': `sev-snp/${googleDebug.key}` },
  }),
  row(
    trustee,
    'with a VLEK in the place of its VCEK',
    ['platform-signature', 'signing-key', 'reported-tcb', 'chain-signatures', 'chain-names'],
    {
      time: vlek.time,
      collateral: { ...collateralOf(trustee), 'vcek.der': `sev-snp/${vlek.key}` },
    },
  ),
  row(trustee, 'without its ASK', ['issuer-certificate', ...NO_CHAIN], {
    collateral: { 'vcek.der': `sev-snp/${trustee.key}` },
  }),
  row(trustee, 'its ID key is not the one', ['measurements'], {
    policy: (fields) => ({
      measurements: {
        measurement: String(fields['measurement']),
        idKeyDigest: '00'.repeat(48),
      },
    }),
  }),

  // "accept only while the VLEK is valid (2024-12-10..2025-12-10); expired afterwards"; VMPL 1; CSP id; reported TCB
  // below committed
  row(vlek, 'while its VLEK is valid', []),
  ...refusals(vlek),
  row(vlek, 'VMPL 0 is wanted', ['vmpl'], {
    policy: () => ({ platform: { vmpl: { rule: 'require', level: 0 } } }),
  }),
  row(vlek, 'only VCEKs are accepted', ['signing-key-accepted'], {
    policy: () => ({ platform: { signingKeys: { rule: 'require', anyOf: ['vcek'] } } }),
  }),
  row(vlek, 'its own CSP id is listed', [], {
    policy: () => ({
      around: {
        platforms: {
          rule: 'require',
          anyOf: [{ name: 'AWS us-east-2', id: 'csp:CN=cc-us-east-2.amazonaws.com' }],
        },
      },
    }),
  }),
  row(vlek, 'another CSP id is listed', ['platforms'], {
    policy: () => ({
      around: {
        platforms: {
          rule: 'require',
          anyOf: [{ name: 'another', id: 'csp:CN=cc-eu.example.com' }],
        },
      },
    }),
  }),
  row(vlek, 'with the ASK in the place of the ASVK', ['chain-signatures', 'chain-names'], {
    collateral: { ...collateralOf(vlek), 'asvk-milan.der': 'roots/amd-milan-ask.der' },
  }),

  // "accept (from 2026-02-05)", host_data set
  row(microsoftMilan, 'from 2026-02-05', []),
  ...refusals(microsoftMilan),
  row(
    microsoftMilan,
    'with the VCEK of another product',
    [...['platform-signature', 'product', 'reported-tcb', 'chip-id']],
    {
      collateral: {
        'vcek.pem': `sev-snp/${microsoftGenoa.key}`,
        'ask-genoa.der': 'roots/amd-genoa-ask.der',
      },
    },
  ),
  row(microsoftMilan, 'another host data', ['measurements'], {
    policy: (fields) => ({
      measurements: { measurement: String(fields['measurement']), hostData: 'ab'.repeat(32) },
    }),
  }),
  row(microsoftMilan, 'SMT is refused', ['guest-policy/smtAllowed'], {
    policy: () => ({ guestPolicy: { smtAllowed: REFUSE } }),
  }),
  row(microsoftMilan, 'TSME is wanted, and not on', ['platform-info'], {
    policy: () => ({ platform: { platformInfo: { rule: 'require', allOf: ['ecc', 'tsme'] } } }),
  }),

  // "accept (from 2026-02-05)"
  row(microsoftGenoa, 'from 2026-02-05', [], {
    policy: () => ({
      platform: { platformInfo: { rule: 'require', allOf: ['ecc', 'alias-check-complete'] } },
      guestPolicy: { abi: { rule: 'require', major: 0, minor: 31 } },
    }),
  }),
  ...refusals(microsoftGenoa),
  row(
    microsoftGenoa,
    'with the ASK of Milan',
    ['chain-signatures', 'chain-names', 'product-root'],
    {
      collateral: { ...collateralOf(microsoftGenoa), 'ask-genoa.der': 'roots/amd-milan-ask.der' },
    },
  ),
  row(
    microsoftGenoa,
    'the policy has a minimum for Milan only',
    ['minimum-tcb', 'minimum-launch-tcb'],
    {
      policy: (fields) => {
        const least = { rule: 'require', Milan: levels(fields) };
        return { platform: { reportedTcb: least, launchTcb: least } };
      },
    },
  ),

  // "Turin: TCB_VERSION has another byte layout (FMC first), chip_id is 8 bytes, VCEK struct version 1"
  row(microsoftTurin, 'from 2026-02-05', [], {
    policy: () => ({ platform: { mitigations: { rule: 'require', allOf: '000000000000003f' } } }),
  }),
  ...refusals(microsoftTurin),
  ...['fmc', 'bl', 'tee', 'snp', 'ucode'].map((component) =>
    row(microsoftTurin, `a higher ${component} is wanted`, ['minimum-tcb', 'minimum-launch-tcb'], {
      policy: (fields) => {
        const recorded = (fields['reported_tcb'] as Levels)[component] ?? 0;
        const least = { rule: 'require', Turin: levels(fields, { [component]: recorded + 1 }) };
        return { platform: { reportedTcb: least, launchTcb: least } };
      },
    }),
  ),
  row(microsoftTurin, 'a mitigation that is not in force', ['mitigations'], {
    policy: () => ({ platform: { mitigations: { rule: 'require', allOf: '0000000000000040' } } }),
  }),

  // "report VERSION 5, report_data = "hello-attestation""
  row(genoaV5, 'from 2026-02-17', [], {
    policy: () => ({
      reportData: { rule: 'equals', value: Buffer.from('hello-attestation').toString('hex') },
    }),
  }),
  ...refusals(genoaV5),
  row(genoaV5, 'with the VCEK of another chip', ['platform-signature', 'reported-tcb', 'chip-id'], {
    collateral: { ...collateralOf(genoaV5), 'vcek.der': `sev-snp/${veraison.key}` },
  }),

  // "signature/chain accept (from 2026-06-17); TCB policy: reported snp SVN 23 is below committed 24"
  row(dstack, 'a minimum of what it reports', []),
  row(dstack, 'a minimum of what is committed', ['minimum-tcb'], {
    policy: (fields) => ({
      platform: { reportedTcb: { rule: 'require', Milan: levels(fields, { snp: 24 }) } },
    }),
  }),
  ...refusals(dstack),

  // "accept (from 2025-04-20)"; the certificate is the one inside "auxblob"
  row(veraison, 'with its VCEK', []),
  row(veraison, 'with the certificate table that the host gave', [], {
    collateral: { 'auxblob.bin': 'sev-snp/veraison-genoa.certtable.bin' },
  }),
  ...refusals(veraison),
  row(
    veraison,
    'a wrong file beside the right table',
    ['platform-signature', 'reported-tcb', 'chip-id'],
    {
      time: genoaV5.time,
      collateral: {
        'vcek.der': `sev-snp/${genoaV5.key}`,
        'auxblob.bin': 'sev-snp/veraison-genoa.certtable.bin',
      },
    },
  ),

  // "accept"; VCEK, ASK and ARK in one file
  row(aci, 'with its chain', []),
  ...refusals(aci),
  {
    ...row(aci, 'a policy that binds nothing is not complete', [], {
      policy: () => ({ reportData: SKIP }),
    }),
    verdict: 'warning',
    warned: ['completeness'],
  },
];
