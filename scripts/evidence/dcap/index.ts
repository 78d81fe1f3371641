// TDX and SGX evidence under test roots: for trying the verifier without Intel's platforms, and for tests.
import { encodePem } from '../../../src/pkix/pem.ts';
import { fixedBytes, fromHex, hex } from '../../vector-file.ts';
import { NOW, YEAR_MS, type JsonObject } from '../bytes.ts';
import {
  PCK,
  PLATFORM_CA,
  ROOT,
  TCB_SIGNING,
  authorityShape,
  intelCertificate,
  intelList,
  leafShape,
  sgxExtensions,
  type CertificateShape,
  type ListShape,
  type PlatformShape,
} from './certificates.ts';
import { qeIdentity, signedDocument, tcbInfo, type Tee } from './documents.ts';
import { makeQuote, nothing, type QuoteShape } from './quote.ts';

export * from './certificates.ts';
export { QE, TEE_TCB_SVN, qeIdentity, svns, tcbInfo, type Tee } from './documents.ts';
export {
  ENCLAVE,
  TD_ATTRIBUTES,
  TD_REGISTERS,
  XFAM,
  tdRegister,
  type QuoteShape,
} from './quote.ts';

const DAY_MS = 86_400_000;

export interface DcapChanges {
  readonly platform?: Partial<PlatformShape>;
  readonly quote?: Partial<QuoteShape>;
  readonly root?: Partial<CertificateShape>;
  readonly ca?: Partial<CertificateShape>;
  readonly pck?: Partial<CertificateShape>;
  readonly signer?: Partial<CertificateShape>;
  readonly rootList?: Partial<ListShape>;
  readonly pckList?: Partial<ListShape>;
  readonly tcbInfo?: (good: JsonObject) => JsonObject;
  readonly qeIdentity?: (good: JsonObject) => JsonObject;
  /** How the documents are written; JSON.stringify when left out. */
  readonly write?: (document: JsonObject) => string;
  /** Who signs the documents. */
  readonly documentKey?: string;
}

export interface MadeDcap {
  readonly quote: Uint8Array;
  /** By the names that the verifier looks for. */
  readonly collateral: Readonly<Record<string, Uint8Array>>;
  /** DER of the root. */
  readonly root: Uint8Array;
}

export const PLATFORM: PlatformShape = {
  ppid: fixedBytes('PPID', 16),
  components: [7, 7, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
  pceSvn: 13,
  pceId: fromHex('0000'),
  fmspc: fromHex('90c06f000000'),
  sgxType: 1,
  platformInstanceId: fixedBytes('platform instance', 16),
};

const pem = (...chain: readonly Uint8Array[]): Uint8Array =>
  Buffer.from(chain.map((der) => encodePem('CERTIFICATE', der)).join(''));

/** Good as it is at {@link NOW}; every change makes one thing wrong. */
export function makeDcap(tee: Tee, changes: DcapChanges = {}): MadeDcap {
  const platform = { ...PLATFORM, ...changes.platform };
  const root = intelCertificate({ ...authorityShape(ROOT, 'root'), ...changes.root });
  const ca = intelCertificate({ ...authorityShape(PLATFORM_CA, 'ca'), ...changes.ca });
  const pck = intelCertificate({
    ...leafShape(PCK, 'pck'),
    issuer: PLATFORM_CA,
    issuerKey: 'ca',
    moreExtensions: [sgxExtensions(platform)],
    ...changes.pck,
  });
  const signer = intelCertificate({ ...leafShape(TCB_SIGNING, 'tcb'), ...changes.signer });
  const quote = makeQuote(tee, {
    version: tee === 'tdx' ? 4 : 3,
    tdReport: '1.0',
    reportData: fixedBytes('report data', 64),
    header: nothing,
    body: nothing,
    qeReport: nothing,
    authentication: fixedBytes('authentication', 32),
    signer: 'attestation',
    attestationKey: 'attestation',
    qeSigner: 'pck',
    certification: { type: 5, data: Buffer.concat([pem(pck, ca, root), Uint8Array.of(0)]) },
    trailing: new Uint8Array(0),
    ...changes.quote,
  });
  const lists = { thisUpdate: NOW - DAY_MS, revoked: [] };
  const write = changes.write ?? ((document: JsonObject): string => JSON.stringify(document));
  const same = (good: JsonObject): JsonObject => good;
  const document = (name: string, good: JsonObject): Uint8Array =>
    Buffer.from(signedDocument(name, write(good), changes.documentKey ?? 'tcb'));
  // Named after the good platform: a file is looked for by what the PCK certificate says.
  const fmspc = hex(platform.fmspc);
  return {
    quote,
    root,
    collateral: {
      [`intel-${tee}-tcb-${fmspc}.json`]: document(
        'tcbInfo',
        (changes.tcbInfo ?? same)(tcbInfo(tee, PLATFORM)),
      ),
      [`intel-${tee}-qe.json`]: document(
        'enclaveIdentity',
        (changes.qeIdentity ?? same)(qeIdentity(tee)),
      ),
      'intel-tcb-signing.pem': pem(signer, root),
      'intel-pck-platform.crl': intelList({
        ...lists,
        issuer: PLATFORM_CA,
        key: 'ca',
        nextUpdate: NOW + 29 * DAY_MS,
        ...changes.pckList,
      }),
      'intel-root.crl': intelList({
        ...lists,
        issuer: ROOT,
        key: 'root',
        nextUpdate: NOW + YEAR_MS,
        ...changes.rootList,
      }),
    },
  };
}
