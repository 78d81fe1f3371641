/** SEV-SNP evidence under test roots as cases that run in Node and in a browser, and what they must end in. */
import { encodePem } from '../../../src/pkix/pem.ts';
import {
  makeSnp,
  MEASUREMENT,
  TCBS,
  type Product,
  type SnpChanges,
  type Tcb,
} from '../../../scripts/evidence/sev-snp/index.ts';
import { NOW } from '../../../scripts/evidence/bytes.ts';
import type { PlatformCase } from '../run-platform-vector.ts';

export * from '../../../scripts/evidence/sev-snp/index.ts';
export { NOW, HOUR_MS, YEAR_MS } from '../../../scripts/evidence/bytes.ts';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What every report below says to its relying party. */
export const REPORT_DATA = 'a5'.repeat(64);

const SKIP = { rule: 'skip', because: 'another test is about it' };
const REFUSE = { rule: 'refuse' };

export function levels({ fmc, bl, tee, snp, ucode }: Tcb): Readonly<Record<string, number>> {
  const rest = { bootloader: bl, tee, snp, microcode: ucode };
  return fmc === undefined ? rest : { fmc, ...rest };
}

export type Members = Readonly<Record<string, unknown>>;

export interface PolicyParts {
  /** Members of the policy, of its part `sev-snp`, and of `guestPolicy` in it. */
  readonly around?: Members;
  readonly platform?: Members;
  readonly guestPolicy?: Members;
}

/** A policy that good evidence meets, but for `parts`. The root is a test's, so the best verdict is a warning. */
export function snpPolicy(
  product: Product,
  root: Uint8Array,
  parts: PolicyParts = {},
): Record<string, unknown> {
  const least = { rule: 'require', [product]: levels(TCBS[product]) };
  return {
    v: 1,
    kind: 'platform-policy',
    format: 'sev-snp',
    source: { rule: 'release', name: 'a test' },
    trustAnchors: {
      rule: 'require',
      anyOf: [{ name: 'test', format: 'sev-snp', certificate: encodePem('CERTIFICATE', root) }],
    },
    simulated: { rule: 'accept-simulated', because: 'a test' },
    measurements: {
      rule: 'require',
      anyOf: [{ name: 'ours', values: { measurement: hex(MEASUREMENT) } }],
    },
    debug: { rule: 'deny' },
    binding: { reportData: { rule: 'equals', value: REPORT_DATA } },
    platforms: SKIP,
    'sev-snp': {
      reportedTcb: least,
      launchTcb: least,
      provisionalFirmware: REFUSE,
      vmpl: { rule: 'require', level: 0 },
      signingKeys: { rule: 'require', anyOf: ['vcek', 'vlek'] },
      guestSvn: { rule: 'require', atLeast: 2 },
      guestPolicy: {
        abi: { rule: 'require', major: 0, minor: 31 },
        smtAllowed: { rule: 'accept', because: 'a test' },
        migrationAgentAllowed: REFUSE,
        cxlAllowed: REFUSE,
        singleSocketRequired: SKIP,
        aes256XtsRequired: SKIP,
        raplDisableRequired: SKIP,
        ciphertextHidingRequired: SKIP,
        pageSwapDisabled: SKIP,
        ...parts.guestPolicy,
      },
      platformInfo: { rule: 'require', allOf: ['ecc', 'alias-check-complete'] },
      mitigations: SKIP,
      revocation: { rule: 'require', maxAgeDays: 30 },
      ...parts.platform,
    },
    ...parts.around,
  };
}

export interface CaseChanges extends PolicyParts {
  readonly snp?: SnpChanges;
  readonly now?: number;
  /** By file name; undefined leaves a file out. */
  readonly files?: Readonly<Record<string, Uint8Array | undefined>>;
  /** Another root than the evidence's. */
  readonly root?: Uint8Array;
  readonly report?: (report: Uint8Array) => Uint8Array;
}

/** One case: everything good, but for `changes`. */
export function snpCase(product: Product, changes: CaseChanges = {}): PlatformCase {
  const {
    snp = {},
    now = NOW,
    files = {},
    report = (bytes: Uint8Array): Uint8Array => bytes,
  } = changes;
  const evidence = makeSnp(product, {
    ...snp,
    report: { reportData: Buffer.from(REPORT_DATA, 'hex'), ...snp.report },
  });
  const small = product.toLowerCase();
  const kind = snp.key === 'VLEK' ? 'vlek' : 'vcek';
  const [leaf, issuer] = evidence.endorsements;
  const collateral: Readonly<Record<string, Uint8Array | undefined>> = {
    [`${kind}.der`]: leaf,
    [`${kind === 'vlek' ? 'asvk' : 'ask'}-${small}.der`]: issuer,
    [`${kind}-${small}.crl`]: evidence.revocationList,
    ...files,
  };
  return {
    evidence: hex(report(evidence.report)),
    collateral: Object.fromEntries(
      Object.entries(collateral).flatMap(([name, bytes]) =>
        bytes === undefined ? [] : [[name, hex(bytes)]],
      ),
    ),
    policy: snpPolicy(product, changes.root ?? evidence.root, changes),
    now,
  };
}
