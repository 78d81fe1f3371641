/** Intel's documents: whose they are, whom they are about, and that nobody whose word counts was revoked. */
import { equalBytes, toHex } from '../../../../enclave/wire/bytes.ts';
import type { ValidityWindow } from '../../certificate-path.ts';
import { judge, type Check } from '../../check.ts';
import { checkRevocation, type RevocationFindings } from '../../crl.ts';
import { ECDSA_P256_SHA256 } from '../../signature-profile.ts';
import type { TrustAnchor } from '../../trust-anchor.ts';
import { checkEcdsa } from '../../web-crypto.ts';
import type { Certificate } from '../../../../enclave/wire/x509/certificate.ts';
import { CLAUSE } from './clauses.ts';
import type { DcapCollateral, Given } from './collateral.ts';
import { checkIntelChain, splitRoot } from './intel-chain.ts';
import { INTEL_NAMES, type PckPlatform } from './pck-certificate.ts';
import type { QeIdentity, SignedDocument, TcbInfo } from './tcb-info.ts';

export interface DocumentFindings {
  readonly checks: readonly Check[];
  readonly validity: readonly ValidityWindow[];
  /** Who signed, for the revocation list of the root. */
  readonly signer: Certificate | undefined;
}

/** One of the two documents, as its checks begin. */
export interface DocumentKind {
  readonly id: 'tcb-info' | 'qe-identity';
  readonly what: string;
  readonly clause: string;
}

export const TCB_INFO: DocumentKind = {
  id: 'tcb-info',
  what: 'TCB info',
  clause: CLAUSE.tcbInfo,
};
export const QE_IDENTITY: DocumentKind = {
  id: 'qe-identity',
  what: 'QE identity',
  clause: CLAUSE.qeIdentity,
};

/** Without the document, and without who signed it, there is one failed check and nothing else to ask. */
export async function checkDocument(
  kind: DocumentKind,
  document: Given<SignedDocument> & { readonly file: string },
  chain: Given<readonly Certificate[]>,
  anchors: readonly TrustAnchor[],
): Promise<DocumentFindings> {
  const { id, what, clause } = kind;
  const { file, value } = document;
  const readable = judge(value !== undefined, {
    id,
    expected: `${what} for this platform, in ${file}`,
    found: document.problem ?? 'can be read',
    otherwise: 'nobody knows whether this TCB is good',
    clause,
  });
  if (value === undefined) return { checks: [readable], validity: [], signer: undefined };
  const split = splitRoot(chain.value ?? []);
  const signer = split.sent[0];
  const named = judge(signer?.subject.text === INTEL_NAMES.tcbSigning, {
    id: `${id}-signer`,
    expected: INTEL_NAMES.tcbSigning,
    found: signer?.subject.text ?? chain.problem ?? 'no certificate',
    otherwise: 'nobody whom Intel lets sign such documents',
    clause,
  });
  const validity = [windowOf(kind, value)];
  if (signer === undefined) return { checks: [readable, named], validity, signer };
  const path = await checkIntelChain(split, anchors, { prefix: `${id}-`, length: 1, clause });
  const signed =
    ECDSA_P256_SHA256.fits(signer.publicKey) &&
    (await checkEcdsa(
      { spki: signer.publicKey.raw, curve: 'P-256', hash: 'SHA-256' },
      value.signature,
      value.signed,
    ));
  const signature = judge(signed, {
    id: `${id}-signature`,
    expected: 'signed by its signer, over the bytes as they were sent',
    found: signed ? 'signed' : 'not signed by it',
    otherwise: 'anybody could have written it',
    clause,
  });
  return {
    checks: [readable, named, signature, ...path.checks],
    validity: [...validity, ...path.validity],
    signer,
  };
}

function windowOf({ id, what }: DocumentKind, document: SignedDocument): ValidityWindow {
  const { issueDateMs, nextUpdateMs } = document;
  return { id: `${id}-current`, what, notBeforeMs: issueDateMs, notAfterMs: nextUpdateMs };
}

/** TCB info is of this kind of TEE and of this platform. */
export function checkTcbInfoSubject(
  info: TcbInfo,
  tee: 'sgx' | 'tdx',
  platform: PckPlatform | undefined,
): Check[] {
  const same = (id: string, wanted: Uint8Array | undefined, found: Uint8Array): Check =>
    judge(wanted !== undefined && equalBytes(wanted, found), {
      id,
      expected: wanted === undefined ? 'that of the PCK certificate' : toHex(wanted),
      found: toHex(found),
      otherwise: 'TCB info of other platforms',
      clause: CLAUSE.tcbInfo,
    });
  return [
    teeCheck('tcb-info-tee', info.tee, tee, CLAUSE.tcbInfo),
    same('tcb-info-fmspc', platform?.fmspc, info.fmspc),
    same('tcb-info-pce-id', platform?.pceId, info.pceId),
  ];
}

export function checkQeIdentitySubject(identity: QeIdentity, tee: 'sgx' | 'tdx'): Check {
  return teeCheck('qe-identity-tee', identity.tee, tee, CLAUSE.qeIdentity);
}

function teeCheck(id: string, found: string, expected: string, clause: string): Check {
  return judge(found === expected, {
    id,
    expected: expected.toUpperCase(),
    found: found.toUpperCase(),
    otherwise: 'a document about the other TEE',
    clause,
  });
}

export interface DcapRevocationFindings extends RevocationFindings {
  /** Undefined when there is no list that can be read. */
  readonly pckListMadeAtMs: number | undefined;
}

/** The root's list is about the CA and the signers, the CA's list about the PCK certificate. */
export async function checkRevocations(
  collateral: DcapCollateral,
  sent: readonly Certificate[],
  signers: readonly (Certificate | undefined)[],
  anchor: TrustAnchor | undefined,
): Promise<DcapRevocationFindings> {
  const [pck, ca] = sent;
  const known = (...all: readonly (Certificate | undefined)[]): Certificate[] => [
    ...new Set(all.filter((one) => one !== undefined)),
  ];
  const common = { profile: ECDSA_P256_SHA256, clause: CLAUSE.crl };
  const root = await checkRevocation({
    ...common,
    id: 'root-crl',
    list: collateral.rootCrl,
    issuer: anchor?.parsed,
    certificates: known(ca, ...signers),
  });
  const platform = await checkRevocation({
    ...common,
    id: 'pck-crl',
    list: collateral.pckCrl,
    issuer: ca,
    certificates: known(pck),
  });
  return {
    checks: [...root.checks, ...platform.checks],
    validity: [...root.validity, ...platform.validity],
    pckListMadeAtMs: platform.validity[0]?.notBeforeMs,
  };
}
