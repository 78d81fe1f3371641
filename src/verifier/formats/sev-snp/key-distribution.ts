/**
 * What a verifier wants beside a report, and where AMD publishes it (57230 ch. 4, Key Distribution Service).
 * Addresses are text, for people and their scripts: nothing here fetches anything.
 */
import { toHex } from '../../../../enclave/wire/bytes.ts';
import type { Collateral, CollateralItem } from '../../platform-format.ts';
import { HW_ID_BYTES, productOfIssuer, type EndorsementKeyKind } from './endorsement-key.ts';
import { findChain, issuerFiles, keyFiles, listFile } from './endorsements.ts';
import { productOfCpu, productsByChipId, type SnpProduct } from './product.ts';
import type { SnpReport } from './report.ts';
import { componentsOf, readTcb, type TcbComponent } from './tcb.ts';

const SERVICE = 'https://kdsintf.amd.com';

/** Names of the query's members. */
const LEVEL_NAMES: Readonly<Record<TcbComponent, string>> = {
  fmc: 'fmcSPL',
  bootloader: 'blSPL',
  tee: 'teeSPL',
  snp: 'snpSPL',
  microcode: 'ucodeSPL',
};

/** Key, its authority, the revocation list. */
export function neededFiles(
  report: SnpReport,
  kind: EndorsementKeyKind,
  given: Collateral,
): readonly CollateralItem[] {
  const { certificates } = findChain(given, kind);
  const [key, issuer] = certificates;
  // Before version 3 only the key says which product it is.
  const product = report.cpu === undefined ? key && productOfIssuer(key) : productOfCpu(report.cpu);
  const products = product === undefined ? productsByChipId(report.chipId) : [product];
  const eachOf = (text: (product: SnpProduct) => string): string => products.map(text).join(' or ');
  const isVlek = kind === 'VLEK';
  const [keyName = ''] = keyFiles(kind);
  const path = (of: SnpProduct): string => `${SERVICE}/${kind.toLowerCase()}/v1/${of}`;
  return [
    {
      name: keyName,
      what: `${kind} certificate`,
      publishedAt: isVlek
        ? 'the cloud provider hands it to the guest, in the certificate table of the extended report'
        : eachOf((of) => vcekAddress(report, of, path(of))),
      present: key !== undefined,
      required: true,
    },
    {
      name: eachOf((of) => issuerFiles(kind, of)[1] ?? ''),
      what: `${isVlek ? 'ASVK' : 'ASK'} certificate; the ARK may follow it`,
      publishedAt: eachOf((of) => `${path(of)}/cert_chain`),
      present: issuer !== undefined,
      required: true,
    },
    {
      name: eachOf((of) => listFile(kind, of)),
      what: 'revocation list of the ARK, for policies that require one',
      publishedAt: eachOf((of) => `${path(of)}/crl`),
      present: products.some((of) => given.has(listFile(kind, of))),
      required: false,
    },
  ];
}

function vcekAddress(report: SnpReport, product: SnpProduct, path: string): string {
  const tcb = readTcb(report.tcb.reported, product);
  if (tcb === undefined) return 'nowhere: REPORTED_TCB has a component that is not known here';
  if (report.chipId.every((byte) => byte === 0)) {
    return `${path}/HWID: the platform hides its chip id, ask whoever runs it`;
  }
  const hwId = toHex(report.chipId.subarray(0, HW_ID_BYTES[product]));
  const levels = componentsOf(product).map(
    (component) => `${LEVEL_NAMES[component]}=${String(tcb[component] ?? 0).padStart(2, '0')}`,
  );
  return `${path}/${hwId}?${levels.join('&')}`;
}
