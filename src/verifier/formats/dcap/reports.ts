/**
 * The two things that a quote can be about. Layouts: "Intel SGX Data Center Attestation Primitives: ECDSA Quote
 * Library API", A.4 (enclave report body), and "Intel TDX Data Center Attestation Primitives: Quoting Library API",
 * A.3 and A.4 (TD report 1.0 and 1.5).
 */
import type { ByteCursor } from './byte-cursor.ts';

export const SGX_REPORT_BYTES = 384;
export const TD_REPORT_10_BYTES = 584;
export const TD_REPORT_15_BYTES = 648;

export interface SgxReport {
  readonly tee: 'sgx';
  /** All of it, as signed. */
  readonly raw: Uint8Array;
  /** 16 bytes. */
  readonly cpuSvn: Uint8Array;
  /** 4 bytes. */
  readonly miscSelect: Uint8Array;
  /** Flags (8 bytes), then XFRM (8 bytes), as they stand. */
  readonly attributes: Uint8Array;
  readonly debug: boolean;
  /** 32 bytes: what was loaded. */
  readonly mrEnclave: Uint8Array;
  /** 32 bytes: the hash of the key that signed the enclave. */
  readonly mrSigner: Uint8Array;
  /** 64 bytes; zero without key separation and sharing. */
  readonly configId: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  /** 64 bytes. */
  readonly reportData: Uint8Array;
}

/** Of the 64-bit flags: the enclave's memory can be read and written by a debugger. */
const SGX_FLAG_DEBUG = 0x02;

export function readSgxReport(report: ByteCursor): SgxReport {
  const raw = report.bytes(SGX_REPORT_BYTES, 'enclave report');
  const field = (from: number, length: number): Uint8Array => raw.subarray(from, from + length);
  const number = (at: number): number => (raw[at] ?? 0) | ((raw[at + 1] ?? 0) << 8);
  const attributes = field(48, 16);
  return {
    tee: 'sgx',
    raw,
    cpuSvn: field(0, 16),
    miscSelect: field(16, 4),
    attributes,
    debug: ((attributes[0] ?? 0) & SGX_FLAG_DEBUG) !== 0,
    mrEnclave: field(64, 32),
    mrSigner: field(128, 32),
    configId: field(192, 64),
    isvProdId: number(256),
    isvSvn: number(258),
    reportData: field(320, 64),
  };
}

/** Measurements of a TD, 48 bytes each. MRSERVICETD is in TD 1.5 reports only. */
export const TD_MEASUREMENTS = [
  'mrSeam',
  'mrTd',
  'mrConfigId',
  'mrOwner',
  'mrOwnerConfig',
  'rtmr0',
  'rtmr1',
  'rtmr2',
  'rtmr3',
  'mrServiceTd',
] as const;
export type TdMeasurement = (typeof TD_MEASUREMENTS)[number];

export interface TdReport {
  readonly tee: 'tdx';
  readonly version: '1.0' | '1.5';
  /** 16 bytes. [0] SVN and [1] version of the TDX module, the rest are components of the platform. */
  readonly teeTcbSvn: Uint8Array;
  /** 48 bytes; zero for Intel's own module. */
  readonly mrSignerSeam: Uint8Array;
  /** 8 bytes. */
  readonly seamAttributes: Uint8Array;
  /** 8 bytes. */
  readonly tdAttributes: Uint8Array;
  readonly debug: boolean;
  /** 8 bytes. */
  readonly xfam: Uint8Array;
  readonly measurements: Readonly<Record<TdMeasurement, Uint8Array | undefined>>;
  /** 64 bytes. */
  readonly reportData: Uint8Array;
  /** 16 bytes: the platform after an update without a relaunch of the TD. */
  readonly teeTcbSvn2: Uint8Array | undefined;
}

/** The group TUD of TDATTRIBUTES, "TD under debug": bit 0 is DEBUG, bits 1 to 7 are reserved and must be zero. */
const TD_UNDER_DEBUG = 0xff;

export function readTdReport(report: ByteCursor, version: '1.0' | '1.5'): TdReport {
  const register = (name: string): Uint8Array => report.bytes(48, name);
  const teeTcbSvn = report.bytes(16, 'TEE_TCB_SVN');
  const mrSeam = register('MRSEAM');
  const mrSignerSeam = register('MRSIGNERSEAM');
  const seamAttributes = report.bytes(8, 'SEAMATTRIBUTES');
  const tdAttributes = report.bytes(8, 'TDATTRIBUTES');
  const xfam = report.bytes(8, 'XFAM');
  const registers = {
    mrSeam,
    mrTd: register('MRTD'),
    mrConfigId: register('MRCONFIGID'),
    mrOwner: register('MROWNER'),
    mrOwnerConfig: register('MROWNERCONFIG'),
    rtmr0: register('RTMR0'),
    rtmr1: register('RTMR1'),
    rtmr2: register('RTMR2'),
    rtmr3: register('RTMR3'),
  };
  const reportData = report.bytes(64, 'REPORTDATA');
  const teeTcbSvn2 = version === '1.5' ? report.bytes(16, 'TEE_TCB_SVN_2') : undefined;
  const mrServiceTd = version === '1.5' ? register('MRSERVICETD') : undefined;
  return {
    tee: 'tdx',
    version,
    teeTcbSvn,
    mrSignerSeam,
    seamAttributes,
    tdAttributes,
    debug: ((tdAttributes[0] ?? 0) & TD_UNDER_DEBUG) !== 0,
    xfam,
    measurements: { ...registers, mrServiceTd },
    reportData,
    teeTcbSvn2,
  };
}
