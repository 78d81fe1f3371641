/**
 * Checks that need no policy: does the report hang together, and does it belong to the certificate that is said to
 * have signed it (56860 §7.3, 57230 ch. 3, 58369)?
 */
import { equalBytes, toHex } from '../../../../enclave/wire/bytes.ts';
import { judge, notChecked, type Check } from '../../check.ts';
import { HW_ID_BYTES, type EndorsementKey } from './endorsement-key.ts';
import { describeCpu, productOfCpu, type SnpProduct } from './product.ts';
import type { SnpReport } from './report.ts';
import { describeTcb, readTcb, sameTcb, type TcbVersion } from './tcb.ts';

/** ECDSA on P-384 with SHA-384 (56860 ch. 10). */
const ECDSA_P384_SHA384 = 1;

/** The four TCB_VERSION fields in words; undefined where a reserved byte is set. */
export type ReadTcbs = Readonly<
  Record<'reported' | 'committed' | 'current' | 'launch', TcbVersion | undefined>
>;

/** Whose layout the report has: its CPUID says, and before version 3, which has none, the certificate. */
export function productOfReport(
  { cpu }: SnpReport,
  key: EndorsementKey | undefined,
): SnpProduct | undefined {
  return cpu === undefined ? key?.product : productOfCpu(cpu);
}

export function readTcbs({ tcb }: SnpReport, product: SnpProduct | undefined): ReadTcbs {
  const read = (bytes: Uint8Array): TcbVersion | undefined =>
    product === undefined ? undefined : readTcb(bytes, product);
  return {
    reported: read(tcb.reported),
    committed: read(tcb.committed),
    current: read(tcb.current),
    launch: read(tcb.launch),
  };
}

const NO_KEY = 'no VCEK or VLEK';

/** AMD's documents: 56860 is the firmware ABI, 57230 the VCEK, 58369 the VLEK. */
export const CLAUSE = {
  report: '56860 §7.3, ATTESTATION_REPORT',
  signature: '56860 ch. 10',
  tcb: '56860 §2.2, TCB_VERSION',
  guestPolicy: '56860 §4.3, POLICY',
  certificate: '57230 ch. 3; 58369',
  issuers: '57230 ch. 4',
  table: '56421 §4.1.8.1',
  platformInfo: '56860 §7.3, PLATFORM_INFO',
} as const;

/** What the report alone must fulfil. */
export function reportChecks(report: SnpReport): Check[] {
  const { signatureAlgorithm, reservedInUse, policy, authorKeyEnabled, authorKeyDigest } = report;
  const reserved = reservedInUse.map((at) => `0x${at.toString(16)}`).slice(0, 8);
  const authorDigestSet = authorKeyDigest.some((byte) => byte !== 0);
  return [
    judge(signatureAlgorithm === ECDSA_P384_SHA384, {
      id: 'signature-algorithm',
      expected: '1: ECDSA P-384 with SHA-384',
      found: String(signatureAlgorithm),
      otherwise: 'a report of another algorithm, or of none',
      clause: CLAUSE.signature,
    }),
    judge(reserved.length === 0, {
      id: 'reserved-bytes',
      expected: `zero in report version ${String(report.version)}`,
      found: reserved.length === 0 ? 'zero' : `set at ${reserved.join(', ')}`,
      otherwise: 'the report says something that this verifier does not understand',
      clause: CLAUSE.report,
    }),
    judge(policy.problem === undefined, {
      id: 'guest-policy-form',
      expected: 'bit 17 one, bits 26 to 63 zero',
      found: policy.problem ?? 'as expected',
      otherwise: 'a guest policy that this verifier does not understand',
      clause: CLAUSE.guestPolicy,
    }),
    judge(authorKeyEnabled === authorDigestSet, {
      id: 'author-key-flag',
      expected: 'AUTHOR_KEY_DIGEST exactly when AUTHOR_KEY_EN is set',
      found: `${authorKeyEnabled ? 'set' : 'not set'}, digest ${authorDigestSet ? 'present' : 'zero'}`,
      otherwise: 'the report contradicts itself about the author key',
      clause: CLAUSE.report,
    }),
  ];
}

/** What report and certificate must agree on. `key` is text when the certificate could not be read. */
export function endorsementChecks(
  report: SnpReport,
  key: EndorsementKey | string,
  root: SnpProduct | undefined,
): Check[] {
  const known = typeof key === 'string' ? undefined : key;
  return [
    judge(known !== undefined, {
      id: 'endorsement-key',
      expected: 'a VCEK or VLEK',
      found: typeof key === 'string' ? key : `${key.kind} of ${key.productName}`,
      otherwise: 'the certificate is not one that AMD makes for the signing of reports',
      clause: CLAUSE.certificate,
    }),
    judge(known !== undefined && report.signingKey === known.kind, {
      id: 'signing-key',
      expected: known?.kind ?? NO_KEY,
      found: report.signingKey ?? 'a reserved value',
      otherwise: 'SIGNING_KEY names another kind of key than the certificate',
      clause: CLAUSE.report,
    }),
    ...productChecks(report, known, root),
    reportedTcbCheck(report, known),
    hwIdCheck(report, known),
  ];
}

function productChecks(
  report: SnpReport,
  key: EndorsementKey | undefined,
  root: SnpProduct | undefined,
): Check[] {
  const rooted = judge(key !== undefined && key.product === root, {
    id: 'product-root',
    expected: root ?? 'the ARK of a known product',
    found: key?.product ?? NO_KEY,
    otherwise: 'the certificate was made for another product than its ARK stands for',
    clause: CLAUSE.certificate,
  });
  if (report.cpu === undefined) {
    const version = `report version ${String(report.version)}`;
    const because = 'a report does not name its CPU before version 3; the certificate decides';
    return [rooted, notChecked('product', version, because)];
  }
  const product = productOfCpu(report.cpu);
  return [
    rooted,
    judge(key !== undefined && product === key.product, {
      id: 'product',
      expected: key?.product ?? NO_KEY,
      found: `${product ?? 'unknown'}: ${describeCpu(report.cpu)}`,
      otherwise: 'CPUID and the certificate name different products',
      clause: CLAUSE.certificate,
    }),
  ];
}

/** 57230 ch. 3: the key is derived from the chip and from exactly this TCB. */
function reportedTcbCheck(report: SnpReport, key: EndorsementKey | undefined): Check {
  const { reported } = readTcbs(report, productOfReport(report, key));
  const same = reported !== undefined && key !== undefined && sameTcb(reported, key.tcb);
  return judge(same, {
    id: 'reported-tcb',
    expected: key === undefined ? NO_KEY : describeTcb(key.tcb),
    found: describeTcb(reported),
    otherwise: 'REPORTED_TCB is not the TCB that the key was certified for',
    clause: CLAUSE.certificate,
  });
}

function hwIdCheck(report: SnpReport, key: EndorsementKey | undefined): Check {
  const id = 'chip-id';
  const { chipId, maskChipKey } = report;
  if (key?.kind === 'VLEK') {
    return notChecked(id, toHex(chipId), 'a VLEK belongs to a cloud provider and names no chip');
  }
  if (maskChipKey) {
    return notChecked(id, toHex(chipId), 'MASK_CHIP_KEY: the platform hides its chip');
  }
  const hwId = key?.hwId;
  const used = key === undefined ? 0 : HW_ID_BYTES[key.product];
  const rest = chipId.subarray(used);
  const same =
    hwId !== undefined &&
    equalBytes(chipId.subarray(0, used), hwId) &&
    rest.every((byte) => byte === 0);
  return judge(same, {
    id,
    expected: hwId === undefined ? NO_KEY : toHex(hwId),
    found: toHex(chipId),
    otherwise: 'CHIP_ID is not the hwID of the certificate: the key of another chip',
    clause: CLAUSE.certificate,
  });
}
