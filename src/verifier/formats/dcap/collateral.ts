/**
 * Collateral: what Intel publishes about platforms, as files of a folder. A file's name says what it should be;
 * whether it is that, and whether it is true, is decided by what is in it and by signatures. Never throws: what is
 * missing or garbled is for the checks to tell.
 */
import { fromHex, utf8 } from '../../../../enclave/wire/bytes.ts';
import { MAX_CHAIN_LENGTH } from '../../../../enclave/wire/limits.ts';
import { DerError } from '../../../../enclave/wire/x509/der.ts';
import { decodePemChain } from '../../pem.ts';
import type { Collateral } from '../../platform-format.ts';
import { parseCertificate, type Certificate } from '../../../../enclave/wire/x509/certificate.ts';
import { leafFirst } from './intel-chain.ts';
import { StrictJsonError, parseStrictJson, type JsonObject } from './strict-json.ts';
import { readQeIdentity, readTcbInfo, type QeIdentity, type TcbInfo } from './tcb-info.ts';

/** What was given, or why it is of no use: `missing`, `empty`, or what is wrong with it. */
export type Given<T> =
  | { readonly value: T; readonly problem?: never }
  | { readonly problem: string; readonly value?: never };

/** Which evidence collateral is for. */
export interface CollateralOwner {
  readonly tee: 'sgx' | 'tdx';
  /** Lower-case hex; undefined when the PCK certificate is not known. */
  readonly fmspc: string | undefined;
  readonly ca: 'processor' | 'platform' | undefined;
}

/** Everything in one document (`sgx_ql_qve_collateral_t`), instead of the files below. */
export const ALL_IN_ONE = 'intel-quote-collateral.json';
export const ROOT_CRL = 'intel-root.crl';
export const TCB_SIGNING_CHAIN = 'intel-tcb-signing.pem';
/** Only when it is another chain than that of TCB info. */
export const QE_SIGNING_CHAIN = 'intel-qe-signing.pem';
/** Only for quotes that carry no PCK chain: the certificate, and its CA here or in the second file. */
export const PCK_CERTIFICATE = 'intel-pck.pem';
export const PCK_ISSUERS = 'intel-pck-issuer.pem';

export const pckCrlName = ({ ca }: CollateralOwner): string => `intel-pck-${ca ?? 'platform'}.crl`;
export const tcbInfoName = ({ tee, fmspc }: CollateralOwner): string =>
  `intel-${tee}-tcb-${fmspc ?? 'FMSPC'}.json`;
export const qeIdentityName = ({ tee }: CollateralOwner): string => `intel-${tee}-qe.json`;

export interface DcapCollateral {
  readonly tcbInfo: Given<TcbInfo>;
  readonly qeIdentity: Given<QeIdentity>;
  /** Leaf first; the root may be among them. */
  readonly tcbSigning: Given<readonly Certificate[]>;
  readonly qeSigning: Given<readonly Certificate[]>;
  /** DER, not decoded. */
  readonly rootCrl: Uint8Array | undefined;
  readonly pckCrl: Uint8Array | undefined;
}

export function readCollateral(files: Collateral, owner: CollateralOwner): DcapCollateral {
  const all = read(files.get(ALL_IN_ONE), parseStrictJson);
  const tcbInfo = given(files, tcbInfoName(owner), all, readTcbInfoFile, (one) =>
    readTcbInfo(innerJson(one, 'tcb_info'), one.hex('tcb_info_signature', 64)),
  );
  const qeIdentity = given(files, qeIdentityName(owner), all, readQeIdentityFile, (one) =>
    readQeIdentity(innerJson(one, 'qe_identity'), one.hex('qe_identity_signature', 64)),
  );
  const tcbSigning = given(files, TCB_SIGNING_CHAIN, all, readChain, (one) =>
    readChain(utf8(one.string('tcb_info_issuer_chain', TEXT))),
  );
  const ofQe = given(files, QE_SIGNING_CHAIN, all, readChain, (one) =>
    readChain(utf8(one.string('qe_identity_issuer_chain', TEXT))),
  );
  return {
    tcbInfo,
    qeIdentity,
    tcbSigning,
    qeSigning: ofQe.problem === MISSING ? tcbSigning : ofQe,
    rootCrl: listOf(files.get(ROOT_CRL), all, 'root_ca_crl'),
    pckCrl: listOf(files.get(pckCrlName(owner)), all, 'pck_crl'),
  };
}

/** The chain beside a quote that carries none; empty when there is none that can be read. */
export function readGivenPckChain(files: Collateral): readonly Certificate[] {
  const certificate = read(files.get(PCK_CERTIFICATE), readChain).value ?? [];
  return [...certificate, ...(read(files.get(PCK_ISSUERS), readChain).value ?? [])];
}

const MISSING = 'missing';
const MAX_PROBLEM_LENGTH = 200;
const TEXT = /^[^]{1,200000}$/;
const HEX = /^(?:[0-9a-fA-F]{2})*$/;

/** The file of that name, else its part of the one document. */
function given<T>(
  files: Collateral,
  name: string,
  all: Given<JsonObject>,
  fromFile: (bytes: Uint8Array) => T,
  fromAll: (all: JsonObject) => T,
): Given<T> {
  const file = files.get(name);
  if (file !== undefined) return read(file, fromFile);
  const { value } = all;
  return value === undefined ? { problem: all.problem } : attempt(() => fromAll(value));
}

function read<T>(bytes: Uint8Array | undefined, decode: (bytes: Uint8Array) => T): Given<T> {
  if (bytes === undefined) return { problem: MISSING };
  if (bytes.byteLength === 0) return { problem: 'empty' };
  return attempt(() => decode(bytes));
}

function attempt<T>(decode: () => T): Given<T> {
  try {
    return { value: decode() };
  } catch (error) {
    if (
      error instanceof StrictJsonError ||
      error instanceof DerError ||
      error instanceof RangeError
    ) {
      // Names in it are the sender's, as long as the sender likes.
      return { problem: `not readable: ${error.message.slice(0, MAX_PROBLEM_LENGTH)}` };
    }
    throw error;
  }
}

function innerJson(all: JsonObject, name: string): JsonObject {
  return parseStrictJson(utf8(all.string(name, TEXT)));
}

/** As Intel's service answers: `{"tcbInfo": {…}, "signature": "…"}`. */
function readTcbInfoFile(bytes: Uint8Array): TcbInfo {
  const outer = parseStrictJson(bytes);
  return readTcbInfo(outer.object('tcbInfo'), outer.hex('signature', 64));
}

/** `{"enclaveIdentity": {…}, "signature": "…"}` */
function readQeIdentityFile(bytes: Uint8Array): QeIdentity {
  const outer = parseStrictJson(bytes);
  return readQeIdentity(outer.object('enclaveIdentity'), outer.hex('signature', 64));
}

function readChain(bytes: Uint8Array): readonly Certificate[] {
  const text = new TextDecoder('latin1').decode(bytes);
  return leafFirst(decodePemChain(text, MAX_CHAIN_LENGTH).map((der) => parseCertificate(der)));
}

/** What is wrong with a list is for whoever reads it to say; hex that is none counts as an empty list. */
function listOf(
  file: Uint8Array | undefined,
  all: Given<JsonObject>,
  member: string,
): Uint8Array | undefined {
  const { value } = all;
  if (file !== undefined || value?.has(member) !== true) return file;
  const text = attempt(() => value.string(member, HEX).toLowerCase());
  return fromHex(text.value ?? '');
}
