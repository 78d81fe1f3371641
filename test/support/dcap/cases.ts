/** TDX and SGX evidence under test roots as cases that run in Node and in a browser. */
import { encodePem } from '../../../src/pkix/pem.ts';
import {
  ENCLAVE,
  TD_ATTRIBUTES,
  TD_REGISTERS,
  XFAM,
  makeDcap,
  tdRegister,
  type DcapChanges,
  type Tee,
} from '../../../scripts/evidence/dcap/index.ts';
import { NOW } from '../../../scripts/evidence/bytes.ts';
import type { PlatformCase } from '../run-platform-vector.ts';

export * from '../../../scripts/evidence/dcap/index.ts';
export { NOW, HOUR_MS, YEAR_MS, type JsonObject } from '../../../scripts/evidence/bytes.ts';
export { fixedBytes } from '../../../scripts/vector-file.ts';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What every quote below says to its relying party. */
export const REPORT_DATA = 'a5'.repeat(64);

export type Members = Readonly<Record<string, unknown>>;

const MEMBER: Members = {
  tcbStatus: { rule: 'require', anyOf: ['UpToDate'] },
  advisories: { rule: 'refuse' },
  evaluationNumber: { rule: 'require', atLeast: 19 },
  collateralAge: { rule: 'require', maxDays: 7 },
  trailingBytes: { rule: 'refuse' },
};

/** The member of the platform, everything in it required. */
export const PLATFORM_MEMBERS: Readonly<Record<Tee, Members>> = {
  tdx: {
    ...MEMBER,
    tdAttributes: { rule: 'require', mask: 'ff'.repeat(8), value: TD_ATTRIBUTES },
    xfam: { rule: 'require', mask: 'ff'.repeat(8), value: XFAM },
  },
  sgx: {
    ...MEMBER,
    attributes: {
      rule: 'require',
      mask: `${'ff'.repeat(8)}${'00'.repeat(8)}`,
      value: `05${'00'.repeat(15)}`,
    },
    isvSvn: { rule: 'require', atLeast: ENCLAVE.isvSvn },
  },
};

export const MEASUREMENTS: Readonly<Record<Tee, Readonly<Record<string, string>>>> = {
  tdx: Object.fromEntries(TD_REGISTERS.map((name) => [name, hex(tdRegister(name))])),
  sgx: { mrEnclave: hex(ENCLAVE.mrEnclave) },
};

/** A policy that good evidence meets. The root is a test's, so the best verdict is a warning. */
export function dcapPolicy(
  tee: Tee,
  root: Uint8Array,
  around: Members = {},
  platform: Members = {},
): Record<string, unknown> {
  return {
    v: 1,
    kind: 'platform-policy',
    format: tee,
    source: { rule: 'release', name: 'a test' },
    trustAnchors: {
      rule: 'require',
      anyOf: [{ name: 'test', format: tee, certificate: encodePem('CERTIFICATE', root) }],
    },
    simulated: { rule: 'accept-simulated', because: 'a test' },
    measurements: { rule: 'require', anyOf: [{ name: 'ours', values: MEASUREMENTS[tee] }] },
    debug: { rule: 'deny' },
    binding: { reportData: { rule: 'equals', value: REPORT_DATA } },
    platforms: { rule: 'skip', because: 'another test is about it' },
    [tee]: { ...PLATFORM_MEMBERS[tee], ...platform },
    ...around,
  };
}

export interface CaseChanges {
  readonly dcap?: DcapChanges;
  /** Members of the policy, and of its part for the platform. */
  readonly around?: Members;
  readonly platform?: Members;
  /** By name; undefined takes a file away. */
  readonly files?: Readonly<Record<string, Uint8Array | undefined>>;
  readonly now?: number;
  readonly nonce?: string;
  /** Changes the evidence after it was signed. */
  readonly evidence?: (quote: Uint8Array) => Uint8Array;
}

export function dcapCase(tee: Tee, changes: CaseChanges = {}): PlatformCase {
  const { dcap, around, platform, files, now, nonce, evidence } = changes;
  const made = makeDcap(tee, {
    ...dcap,
    quote: { reportData: Buffer.from(REPORT_DATA, 'hex'), ...dcap?.quote },
  });
  const collateral = { ...made.collateral, ...files };
  return {
    evidence: hex(evidence === undefined ? made.quote : evidence(made.quote)),
    collateral: Object.fromEntries(
      Object.entries(collateral).flatMap(([name, bytes]) =>
        bytes === undefined ? [] : [[name, hex(bytes)]],
      ),
    ),
    policy: dcapPolicy(tee, made.root, around, platform),
    now: now ?? NOW,
    ...(nonce === undefined ? {} : { nonce }),
  };
}
