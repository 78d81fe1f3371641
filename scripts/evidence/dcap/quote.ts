// DCAP quotes of platforms that Intel never made: every layout, every part can be wrong on purpose.
import { createHash } from 'node:crypto';
import { fixedBytes, fromHex } from '../../vector-file.ts';
import { pointOf, signRaw } from './certificates.ts';
import { QE, TEE_TCB_SVN, type Tee } from './documents.ts';

export type QuoteVersion = 3 | 4 | 5;

/** Changes some bytes before they are signed. */
export type Edit = (bytes: Buffer) => void;

export interface QuoteShape {
  readonly version: QuoteVersion;
  readonly tdReport: '1.0' | '1.5';
  readonly reportData: Uint8Array;
  readonly header: Edit;
  readonly body: Edit;
  readonly qeReport: Edit;
  readonly authentication: Uint8Array;
  /** Key names: who signs the quote, whose key it says, who signs the report of the quoting enclave. */
  readonly signer: string;
  readonly attestationKey: string;
  readonly qeSigner: string;
  readonly certification: { readonly type: number; readonly data: Uint8Array };
  readonly trailing: Uint8Array;
}

export const nothing: Edit = () => undefined;

const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
};
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

function edited(bytes: Buffer, edit: Edit): Buffer {
  edit(bytes);
  return bytes;
}

/** 384 bytes: the enclave of the quote, and the quoting enclave. */
function enclaveReport(shape: {
  readonly attributes: string;
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly reportData: Uint8Array;
}): Buffer {
  const report = Buffer.alloc(384);
  report.set(fromHex(shape.attributes), 48);
  report.set(shape.mrEnclave, 64);
  report.set(shape.mrSigner, 128);
  report.writeUInt16LE(shape.isvProdId, 256);
  report.writeUInt16LE(shape.isvSvn, 258);
  report.set(shape.reportData, 320);
  return report;
}

export const ENCLAVE = {
  mrEnclave: fixedBytes('enclave', 32),
  mrSigner: fixedBytes('signer of the enclave', 32),
  isvProdId: 7,
  isvSvn: 4,
} as const;

export const TD_REGISTERS = ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'] as const;
export const TD_ATTRIBUTES = '0000001000000000';
export const XFAM = 'e702060000000000';

export const tdRegister = (name: string): Uint8Array => fixedBytes(`TD ${name}`, 48);

function tdReport(version: '1.0' | '1.5', reportData: Uint8Array): Buffer {
  const zero = new Uint8Array(48);
  const parts = [
    Uint8Array.from(TEE_TCB_SVN),
    tdRegister('mrSeam'),
    zero,
    new Uint8Array(8),
    fromHex(TD_ATTRIBUTES),
    fromHex(XFAM),
    tdRegister('mrTd'),
    zero,
    zero,
    zero,
    ...['rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'].map(tdRegister),
    Buffer.concat([reportData, Buffer.alloc(64)]).subarray(0, 64),
  ];
  if (version === '1.5') parts.push(Uint8Array.from(TEE_TCB_SVN), tdRegister('mrServiceTd'));
  return Buffer.concat(parts);
}

const ECDSA_P256 = '0200';
const INTEL = '939a7233f79c4ca9940a0db3957f0607';

export function makeQuote(tee: Tee, shape: QuoteShape): Uint8Array {
  const { version } = shape;
  const header = Buffer.concat([
    u16(version),
    fromHex(ECDSA_P256),
    u32(tee === 'tdx' ? 0x81 : 0),
    Buffer.alloc(4),
    fromHex(INTEL),
    fixedBytes('platform of the quote', 20),
  ]);
  const body =
    tee === 'tdx'
      ? tdReport(shape.tdReport, shape.reportData)
      : enclaveReport({
          ...ENCLAVE,
          attributes: '0500000000000000e700000000000000',
          reportData: shape.reportData,
        });
  const type = tee === 'sgx' ? 1 : shape.tdReport === '1.0' ? 2 : 3;
  const descriptor =
    version === 5 ? Buffer.concat([u16(type), u32(body.byteLength)]) : Buffer.alloc(0);
  const signed = Buffer.concat([
    edited(header, shape.header),
    edited(Buffer.concat([descriptor, body]), shape.body),
  ]);
  const key = pointOf(shape.attestationKey);
  const bound = createHash('sha256').update(key).update(shape.authentication).digest();
  const qe = QE[tee];
  const qeReport = edited(
    enclaveReport({
      attributes: '1500000000000000e700000000000000',
      mrEnclave: fixedBytes('quoting enclave', 32),
      mrSigner: fromHex(qe.mrSigner),
      isvProdId: qe.isvProdId,
      isvSvn: qe.isvSvn,
      reportData: bound,
    }),
    shape.qeReport,
  );
  const { certification } = shape;
  const inner = Buffer.concat([
    qeReport,
    signRaw(shape.qeSigner, qeReport),
    u16(shape.authentication.byteLength),
    shape.authentication,
    u16(certification.type),
    u32(certification.data.byteLength),
    certification.data,
  ]);
  const wrapped = version === 3 ? inner : Buffer.concat([u16(6), u32(inner.byteLength), inner]);
  const data = Buffer.concat([signRaw(shape.signer, signed), key, wrapped]);
  return Uint8Array.from(Buffer.concat([signed, u32(data.byteLength), data, shape.trailing]));
}
