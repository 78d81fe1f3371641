/** Attestation reports of AMD SEV-SNP, version 2 to 5, of Milan, Genoa and Turin (56860, 57230, 58369). */
import { toHex } from '../../../../enclave/wire/bytes.ts';
import { checkPath, type PathProfile } from '../../certificate-path.ts';
import { judge, type Check } from '../../check.ts';
import { checkRevocation, type RevocationFindings } from '../../crl.ts';
import type {
  Collateral,
  CollateralItem,
  PlatformEvidenceFindings,
  PlatformFormat,
  PlatformStatement,
  PlatformVerificationInput,
} from '../../platform-format.ts';
import { ECDSA_P384_SHA384, RSA_PSS_SHA384 } from '../../signature-profile.ts';
import { checkEcdsa } from '../../web-crypto.ts';
import type { Certificate } from '../../../../enclave/wire/x509/certificate.ts';
import { appraiseSnp, describeVersion, type SnpFacts } from './appraise.ts';
import {
  CLAUSE,
  endorsementChecks,
  productOfReport,
  readTcbs,
  reportChecks,
} from './consistency.ts';
import {
  HW_ID_BYTES,
  productOfIssuer,
  productOfRoot,
  readEndorsementKey,
  type EndorsementKey,
} from './endorsement-key.ts';
import { findChain, listFile, sentRootCheck } from './endorsements.ts';
import { describeGuestPolicy, describePlatformInfo } from './guest-policy.ts';
import { neededFiles } from './key-distribution.ts';
import { readSnpPolicy, type SnpPolicy } from './policy.ts';
import { describeCpu, productOfCpu, productsByChipId, type SnpProduct } from './product.ts';
import { REPORT_BYTES, decodeReport, type SnpReport } from './report.ts';
import { describeTcb, readTcb } from './tcb.ts';

/** RSA-PSS from the ARK down to a key on P-384. AMD's leaves name neither usage nor key identifiers. */
const PROFILE: PathProfile = {
  sent: 2,
  signatures: [RSA_PSS_SHA384],
  leafKey: ECDSA_P384_SHA384,
  leafKeyUsage: 'if-present',
  keyIds: 'if-present',
  clause: CLAUSE.certificate,
};

const OLDEST_VERSION = 2;
const NEWEST_VERSION = 5;

/** Length, and the first four bytes; nothing else has both. */
function detect(bytes: Uint8Array): boolean {
  const [version = 0, ...rest] = bytes.subarray(0, 4);
  return (
    bytes.byteLength === REPORT_BYTES &&
    version >= OLDEST_VERSION &&
    version <= NEWEST_VERSION &&
    rest.every((byte) => byte === 0)
  );
}

/** The kind that the report names; with none or a reserved one the check `signing-key` fails. */
const kindOf = ({ signingKey }: SnpReport): 'VCEK' | 'VLEK' =>
  signingKey === 'VLEK' ? 'VLEK' : 'VCEK';

async function signatureCheck(report: SnpReport, leaf: Certificate | undefined): Promise<Check> {
  const key = leaf?.publicKey;
  const { signature, signed } = report;
  const passed =
    key !== undefined &&
    signature !== undefined &&
    ECDSA_P384_SHA384.fits(key) &&
    (await checkEcdsa({ spki: key.raw, curve: 'P-384', hash: 'SHA-384' }, signature, signed));
  return judge(passed, {
    id: 'platform-signature',
    expected: 'signed by the endorsement key',
    found:
      signature === undefined
        ? 'not two numbers of 48 bytes with zeros behind'
        : key === undefined
          ? 'no endorsement key'
          : passed
            ? 'signed'
            : 'not signed by it',
    otherwise: 'the platform never made this report',
    clause: CLAUSE.signature,
  });
}

async function verify(
  report: SnpReport,
  { collateral, anchors }: PlatformVerificationInput,
): Promise<PlatformEvidenceFindings<SnpFacts>> {
  const kind = kindOf(report);
  const found = findChain(collateral, kind);
  const [leaf, issuer] = found.certificates;
  const path = await checkPath(found.certificates, anchors, PROFILE);
  const read = leaf === undefined ? 'no certificate' : readEndorsementKey(leaf);
  const key = typeof read === 'string' ? undefined : read;
  const root = path.anchor?.parsed;
  const product = productOfReport(report, key);
  const listed = leaf && productOfIssuer(leaf);
  const list = listed && collateral.get(listFile(kind, listed));
  const revocation: RevocationFindings =
    list === undefined
      ? { checks: [], validity: [] }
      : await checkRevocation({
          id: 'crl',
          list,
          issuer: root,
          profile: RSA_PSS_SHA384,
          // The ARK issued this one. Keys below it all have the serial number zero and can't be told apart.
          certificates: issuer === undefined ? [] : [issuer],
          clause: CLAUSE.issuers,
        });
  return {
    checks: [
      ...found.checks,
      await signatureCheck(report, leaf),
      ...path.checks,
      ...(await sentRootCheck(found.sentRoot, path.anchor)),
      ...endorsementChecks(report, read, root && productOfRoot(root.subject.text)),
      ...reportChecks(report),
      ...revocation.checks,
    ],
    anchor: path.anchor,
    validity: [...path.validity, ...revocation.validity],
    statement: statementOf(report, key),
    facts: {
      report,
      key,
      product,
      tcbs: readTcbs(report, product),
      listMadeAtMs: revocation.validity[0]?.notBeforeMs,
      listGiven: list !== undefined,
    },
  };
}

function statementOf(report: SnpReport, key: EndorsementKey | undefined): PlatformStatement {
  const { debugAllowed } = report.policy.flags;
  return {
    registers: new Map([
      ['measurement', report.measurement],
      ['hostData', report.hostData],
      ['idKeyDigest', report.idKeyDigest],
      ['authorKeyDigest', report.authorKeyDigest],
      ['familyId', report.familyId],
      ['imageId', report.imageId],
    ]),
    debug: debugAllowed,
    debugFound: `guest policy bit 19 is ${debugAllowed ? '1' : '0'}`,
    fields: new Map([['reportData', report.reportData]]),
    platformIds: key === undefined ? [] : platformIdsOf(key),
  };
}

/** From the certificate: the report's own chip id may be hidden, and is the same where it is not. */
function platformIdsOf({ hwId, cspId }: EndorsementKey): readonly string[] {
  return [
    ...(hwId === undefined ? [] : [`chip:${toHex(hwId)}`]),
    ...(cspId === undefined ? [] : [`csp:${cspId}`]),
  ];
}

function describe(report: SnpReport): readonly (readonly [string, string])[] {
  const { cpu, policy, platformInfo, tcb, mitigations } = report;
  const guesses = productsByChipId(report.chipId);
  const product = cpu === undefined ? undefined : productOfCpu(cpu);
  const layout = cpu === undefined ? guesses[0] : product;
  const levels = (bytes: Uint8Array): string =>
    layout === undefined ? toHex(bytes) : describeTcb(readTcb(bytes, layout));
  return [
    ['report version', String(report.version)],
    [
      'product',
      cpu === undefined ? guesses.join(' or ') : `${product ?? 'unknown'}, ${describeCpu(cpu)}`,
    ],
    ['measurement', toHex(report.measurement)],
    ['report data', toHex(report.reportData)],
    ['host data', toHex(report.hostData)],
    ['guest SVN', String(report.guestSvn)],
    ['VMPL', String(report.vmpl)],
    ['guest policy', describeGuestPolicy(policy)],
    ['debug', policy.flags.debugAllowed ? 'ALLOWED' : 'off'],
    ['family id', toHex(report.familyId)],
    ['image id', toHex(report.imageId)],
    ['id key digest', toHex(report.idKeyDigest)],
    ['author key digest', toHex(report.authorKeyDigest)],
    ['report id', toHex(report.reportId)],
    ['migration agent', toHex(report.reportIdMa)],
    ['chip id', toHex(report.chipId)],
    ['platform id', platformIdOf(report, layout)],
    ['chip key masked', report.maskChipKey ? 'yes' : 'no'],
    ['signing key', report.signingKey ?? 'reserved'],
    ['reported TCB', levels(tcb.reported)],
    ['committed TCB', `${levels(tcb.committed)} (firmware ${describeVersion(report.committed)})`],
    ['current TCB', `${levels(tcb.current)} (firmware ${describeVersion(report.current)})`],
    ['launch TCB', levels(tcb.launch)],
    ['platform', describePlatformInfo(platformInfo.low, platformInfo.high)],
    ...(mitigations === undefined
      ? []
      : [
          ['mitigations at launch', toHex(mitigations.launch)] as const,
          ['mitigations now', toHex(mitigations.current)] as const,
        ]),
  ];
}

/** For lists of platforms; that it is true only the certificate can say. */
function platformIdOf({ chipId, signingKey }: SnpReport, layout: SnpProduct | undefined): string {
  if (signingKey === 'VLEK') return 'in the VLEK certificate';
  if (layout === undefined || chipId.every((byte) => byte === 0)) return 'hidden or unknown';
  return `chip:${toHex(chipId.subarray(0, HW_ID_BYTES[layout]))}`;
}

function collateralFor(report: SnpReport, given: Collateral): readonly CollateralItem[] {
  return neededFiles(report, kindOf(report), given);
}

/** `sev-snp` */
export const sevSnpFormat: PlatformFormat<SnpReport, SnpFacts, SnpPolicy> = {
  name: 'sev-snp',
  title: 'AMD SEV-SNP attestation report',
  registers: {
    measurement: { bytes: 48, required: true },
    hostData: { bytes: 32, required: false },
    idKeyDigest: { bytes: 48, required: false },
    authorKeyDigest: { bytes: 48, required: false },
    familyId: { bytes: 16, required: false },
    imageId: { bytes: 16, required: false },
  },
  fields: { reportData: { fixedBytes: 64 } },
  detect,
  decode: decodeReport,
  describe,
  collateralFor,
  verify,
  readPolicy: readSnpPolicy,
  appraise: ({ facts }, policy, now) => appraiseSnp(facts, policy, now),
};
