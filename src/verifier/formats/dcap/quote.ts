/**
 * DCAP quotes: version 3 (SGX), 4 and 5 (SGX and TDX). Layouts: "Intel SGX DCAP: ECDSA Quote Library API", A.4, and
 * "Intel TDX DCAP: Quoting Library API", A.3 (version 4) and A.4 (version 5). Decoded, not judged.
 */
import { equalBytes, fromHex, toHex } from '../../../../enclave/wire/bytes.ts';
import { ByteCursor } from './byte-cursor.ts';
import {
  SGX_REPORT_BYTES,
  TD_REPORT_10_BYTES,
  TD_REPORT_15_BYTES,
  readSgxReport,
  readTdReport,
  type SgxReport,
  type TdReport,
} from './reports.ts';

/** Genuine ones have 5 KB; the certification data has no limit of its own. */
export const MAX_QUOTE_BYTES = 64 * 1024;

/** "Certification data" of the QE report: where the PCK certificate comes from. */
export interface CertificationData {
  readonly type: number;
  readonly data: Uint8Array;
}

export interface Quote {
  readonly version: number;
  /** Header and body, as received: what the attestation key signed. */
  readonly signed: Uint8Array;
  /** 20 bytes of the platform; the first 16 name it. */
  readonly userData: Uint8Array;
  readonly body: SgxReport | TdReport;
  /** r ‖ s */
  readonly signature: Uint8Array;
  /** x ‖ y of a P-256 point. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: SgxReport;
  /** r ‖ s */
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthentication: Uint8Array;
  readonly certification: CertificationData;
  /** What follows the signature data: signed by nobody. */
  readonly trailing: Uint8Array;
}

const HEADER_BYTES = 48;
const TEE_SGX = 0;
const TEE_TDX = 0x81;
const ECDSA_P256 = 2;
const INTEL_QE_VENDOR = fromHex('939a7233f79c4ca9940a0db3957f0607');
/** Certification data that is a QE report with certification data of its own. */
const QE_REPORT_CERTIFICATION = 6;

/** @throws MalformedEvidence with the offset */
export function decodeQuote(bytes: Uint8Array): Quote {
  const quote = new ByteCursor(bytes, '');
  if (bytes.byteLength > MAX_QUOTE_BYTES) quote.fail('larger than the limit');
  const header = quote.part(HEADER_BYTES, 'quote header');
  const version = header.u16('version');
  if (version < 3 || version > 5) header.fail(`quote version ${String(version)} is not known`);
  const keyType = header.u16('attestation key type');
  if (keyType !== ECDSA_P256) {
    header.fail(`attestation key type ${String(keyType)} is not 2 (ECDSA with P-256)`);
  }
  const teeType = header.u32('TEE type');
  header.bytes(4, 'SVNs of QE and PCE');
  const vendor = header.bytes(16, 'QE vendor');
  if (!equalBytes(vendor, INTEL_QE_VENDOR)) {
    // The rest of the layout is the vendor's.
    header.fail(`QE vendor ${toHex(vendor)} is not Intel`);
  }
  const userData = header.bytes(20, 'user data');
  const body = readBody(quote, version, teeType);
  const signed = bytes.subarray(0, quote.at);
  const data = quote.part(quote.u32('signature data length'), 'signature data');
  const signatures = readSignatures(data, version);
  return { version, signed, userData, body, ...signatures, trailing: quote.rest() };
}

function readBody(quote: ByteCursor, version: number, teeType: number): SgxReport | TdReport {
  if (teeType !== TEE_SGX && teeType !== TEE_TDX) {
    return quote.fail(`TEE type 0x${teeType.toString(16)} is neither SGX nor TDX`);
  }
  if (version === 5) return readTypedBody(quote, teeType);
  if (teeType === TEE_SGX) return readSgxReport(quote);
  if (version === 3) return quote.fail('quotes of version 3 are of SGX only');
  return readTdReport(quote, '1.0');
}

/** Version 5 says itself what its body is. */
function readTypedBody(quote: ByteCursor, teeType: number): SgxReport | TdReport {
  const type = quote.u16('body type');
  const size = quote.u32('body size');
  const expected = [0, SGX_REPORT_BYTES, TD_REPORT_10_BYTES, TD_REPORT_15_BYTES][type] ?? 0;
  if (expected === 0) return quote.fail(`body type ${String(type)} is not known`);
  if ((type === 1) !== (teeType === TEE_SGX)) return quote.fail('body type and TEE type disagree');
  if (size !== expected) {
    return quote.fail(`body size ${String(size)}, and its type has ${String(expected)} bytes`);
  }
  if (type === 1) return readSgxReport(quote);
  return readTdReport(quote, type === 2 ? '1.0' : '1.5');
}

function readSignatures(
  data: ByteCursor,
  version: number,
): Pick<
  Quote,
  | 'signature'
  | 'attestationKey'
  | 'qeReport'
  | 'qeReportSignature'
  | 'qeAuthentication'
  | 'certification'
> {
  const signature = data.bytes(64, 'quote signature');
  const attestationKey = data.bytes(64, 'attestation key');
  let inner = data;
  if (version > 3) {
    const type = data.u16('certification data type');
    if (type !== QE_REPORT_CERTIFICATION) {
      data.fail(`certification data type ${String(type)} is not 6 (QE report)`);
    }
    inner = data.part(data.u32('certification data length'), 'QE report certification data');
  }
  const qeReport = readSgxReport(inner);
  const qeReportSignature = inner.bytes(64, 'QE report signature');
  const qeAuthentication = inner.bytes(
    inner.u16('QE authentication data length'),
    'QE authentication data',
  );
  const type = inner.u16('certification data type');
  const length = inner.u32('certification data length');
  const certification = { type, data: inner.bytes(length, 'certification data') };
  inner.end('the certification data');
  data.end('the signature data');
  return {
    signature,
    attestationKey,
    qeReport,
    qeReportSignature,
    qeAuthentication,
    certification,
  };
}

/** The header alone, nothing decoded: quotes of this TEE by Intel's quoting enclave. */
export function looksLikeQuote(bytes: Uint8Array, tee: 'sgx' | 'tdx'): boolean {
  if (bytes.byteLength < HEADER_BYTES) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint16(0, true);
  return (
    version >= 3 &&
    version <= 5 &&
    view.getUint32(4, true) === (tee === 'tdx' ? TEE_TDX : TEE_SGX) &&
    equalBytes(bytes.subarray(12, 28), INTEL_QE_VENDOR)
  );
}
