/** Everything about a DCAP quote that needs neither a clock nor a policy. */
import { toHex } from '../../../../enclave/wire/bytes.ts';
import type { ValidityWindow } from '../../certificate-path.ts';
import { judge, notChecked, type Check } from '../../check.ts';
import { DerError } from '../../../../enclave/wire/x509/der.ts';
import type { PlatformVerificationInput } from '../../platform-format.ts';
import type { TrustAnchor } from '../../trust-anchor.ts';
import type { Certificate } from '../../../../enclave/wire/x509/certificate.ts';
import { CLAUSE } from './clauses.ts';
import {
  qeIdentityName,
  readCollateral,
  readGivenPckChain,
  tcbInfoName,
  type CollateralOwner,
  type DcapCollateral,
} from './collateral.ts';
import { checkIntelChain, splitRoot } from './intel-chain.ts';
import { INTEL_NAMES, readPckPlatform, type PckPlatform } from './pck-certificate.ts';
import { readPckChain } from './pck-chain.ts';
import { decodeQuote, type Quote } from './quote.ts';
import type { TdReport } from './reports.ts';
import type { SignedDocument } from './tcb-info.ts';
import { convergeTcb, type TcbVerdict } from './tcb-status.ts';
import {
  QE_IDENTITY,
  TCB_INFO,
  checkDocument,
  checkQeIdentitySubject,
  checkRevocations,
  checkTcbInfoSubject,
} from './verify-collateral.ts';
import { checkPck, checkQuoteSignatures } from './verify-quote.ts';
import {
  checkModule,
  checkPlatformLevel,
  checkQeDebug,
  checkQuotingEnclave,
} from './verify-tcb.ts';

/** A quote with the PCK chain that it carries; undefined when it carries none. */
export interface DcapEvidence {
  readonly quote: Quote;
  readonly chain: readonly Certificate[] | undefined;
}

/** What the appraisal of TCB and platform looks at. */
export interface DcapFacts {
  readonly quote: Quote;
  readonly platform: PckPlatform | undefined;
  /** Of platform, TDX module and quoting enclave together; undefined when one of them reaches no level. */
  readonly tcb: TcbVerdict | undefined;
  /** Intel's documents that could be read. */
  readonly documents: readonly { readonly id: string; readonly document: SignedDocument }[];
  /** When the collateral was made that Intel makes every month: both documents, and the list of PCK certificates. */
  readonly issued: readonly { readonly what: string; readonly atMs: number }[];
}

export interface DcapFindings {
  readonly checks: readonly Check[];
  readonly anchor: TrustAnchor | undefined;
  readonly validity: readonly ValidityWindow[];
  readonly facts: DcapFacts;
}

/** @throws MalformedEvidence */
export function decodeDcap(bytes: Uint8Array): DcapEvidence {
  const quote = decodeQuote(bytes);
  return { quote, chain: readPckChain(quote.certification) };
}

/** Whom collateral is looked for, from a PCK chain that nobody has checked. */
export function collateralOwner(
  { quote }: DcapEvidence,
  chain: readonly Certificate[],
): CollateralOwner {
  const platform = platformOf(chain[0]);
  const issuer = chain[0]?.issuer.text;
  return {
    tee: quote.body.tee,
    fmspc: typeof platform === 'string' ? undefined : toHex(platform.fmspc),
    ca:
      issuer === INTEL_NAMES.processorCa
        ? 'processor'
        : issuer === INTEL_NAMES.platformCa
          ? 'platform'
          : undefined,
  };
}

/** Or why the certificate is of no platform. */
export function platformOf(pck: Certificate | undefined): PckPlatform | string {
  if (pck === undefined) return 'no certificate';
  try {
    return readPckPlatform(pck);
  } catch (error) {
    if (error instanceof DerError) return error.message;
    throw error;
  }
}

export async function verifyDcap(
  evidence: DcapEvidence,
  { collateral: files, anchors }: PlatformVerificationInput,
): Promise<DcapFindings> {
  const { quote } = evidence;
  const chain = evidence.chain ?? readGivenPckChain(files);
  const split = splitRoot(chain);
  const { sent } = split;
  const platform = platformOf(sent[0]);
  const owner = collateralOwner(evidence, sent);
  const collateral = readCollateral(files, owner);
  const path = await checkIntelChain(split, anchors, {
    prefix: 'pck-',
    length: 2,
    clause: CLAUSE.pckChain,
  });
  const { tcbInfo, tcbSigning, qeIdentity, qeSigning } = collateral;
  const info = { file: tcbInfoName(owner), ...tcbInfo };
  const identity = { file: qeIdentityName(owner), ...qeIdentity };
  // What another root says of this platform counts for nothing, although the caller may trust both.
  const above = path.anchor === undefined ? anchors : [path.anchor];
  const tcb = await checkDocument(TCB_INFO, info, tcbSigning, above);
  const qe = await checkDocument(QE_IDENTITY, identity, qeSigning, above);
  const signers = [tcb.signer, qe.signer];
  const revocations = await checkRevocations(collateral, sent, signers, path.anchor);
  const known = typeof platform === 'string' ? undefined : platform;
  const levels = checkLevels(quote, collateral, known);
  return {
    checks: [
      ...(await checkQuoteSignatures(quote, sent[0])),
      ...checkPck(quote, sent, platform),
      // Without a certificate, `certification-data` has failed, and there is nothing to ask of a chain.
      ...(sent.length === 0 ? [] : path.checks),
      ...tcb.checks,
      ...qe.checks,
      ...revocations.checks,
      ...levels.checks,
      ...attributeChecks(quote),
    ],
    anchor: path.anchor,
    validity: [...path.validity, ...tcb.validity, ...qe.validity, ...revocations.validity],
    facts: {
      quote,
      platform: known,
      tcb: levels.verdict,
      documents: documentsOf(collateral),
      issued: issuedOf(collateral, revocations.pckListMadeAtMs),
    },
  };
}

function documentsOf({ tcbInfo, qeIdentity }: DcapCollateral): DcapFacts['documents'] {
  return [
    { id: TCB_INFO.id, document: tcbInfo.value },
    { id: QE_IDENTITY.id, document: qeIdentity.value },
  ].flatMap(({ id, document }) => (document === undefined ? [] : [{ id, document }]));
}

function issuedOf(collateral: DcapCollateral, listMs: number | undefined): DcapFacts['issued'] {
  return [
    { what: TCB_INFO.what, atMs: collateral.tcbInfo.value?.issueDateMs },
    { what: QE_IDENTITY.what, atMs: collateral.qeIdentity.value?.issueDateMs },
    { what: 'list of PCK certificates', atMs: listMs },
  ].flatMap(({ what, atMs }) => (atMs === undefined ? [] : [{ what, atMs }]));
}

/** Without its document a level is not known, and the missing document has failed a check of its own. */
function checkLevels(
  quote: Quote,
  { tcbInfo, qeIdentity }: DcapCollateral,
  platform: PckPlatform | undefined,
): { readonly checks: readonly Check[]; readonly verdict: TcbVerdict | undefined } {
  const { body, qeReport } = quote;
  const td = body.tee === 'tdx' ? body : undefined;
  const identity = qeIdentity.value;
  const info = tcbInfo.value;
  const enclave = identity && checkQuotingEnclave(qeReport, identity);
  const level = info && platform && checkPlatformLevel(info, platform, td);
  const module = info && td && checkModule(info, td);
  const needed = td === undefined ? [enclave, level] : [enclave, level, module];
  const verdicts = needed.flatMap((one) => one?.verdict ?? []);
  return {
    checks: [
      checkQeDebug(qeReport),
      ...(identity === undefined ? [] : [checkQeIdentitySubject(identity, body.tee)]),
      ...(enclave?.checks ?? []),
      ...(info === undefined ? [] : checkTcbInfoSubject(info, body.tee, platform)),
      ...(level?.checks ?? []),
      ...(module?.checks ?? []),
    ],
    verdict: verdicts.length === needed.length ? convergeTcb(verdicts) : undefined,
  };
}

function attributeChecks({ body }: Quote): Check[] {
  return body.tee === 'tdx' ? tdAttributeChecks(body) : [];
}

/** Bits 1 to 7 are of the group "TD under debug" and reserved; a bit that nobody knows could open the TD. */
function tdAttributeChecks({ tdAttributes, teeTcbSvn2 }: TdReport): Check[] {
  const reserved = (tdAttributes[0] ?? 0) & 0xfe;
  const checks = [
    judge(reserved === 0, {
      id: 'td-attributes-reserved',
      expected: 'bits 1 to 7 of TDATTRIBUTES are zero',
      found: toHex(tdAttributes),
      otherwise: 'a way of debugging that this verifier does not know',
      clause: CLAUSE.tdAttributes,
    }),
  ];
  if (teeTcbSvn2 === undefined) return checks;
  const because =
    'TEE_TCB_SVN decides, which is of the launch; it says less of the platform, never more';
  return [...checks, notChecked('td-relaunch', `TEE_TCB_SVN_2 ${toHex(teeTcbSvn2)}`, because)];
}
