// SEV-SNP evidence of platforms that AMD never made: reports and chains under test roots, with every way to be wrong.
import { fixedBytes } from '../../vector-file.ts';
import { HOUR_MS, NOW, YEAR_MS } from '../bytes.ts';
import {
  amdCertificate,
  authority,
  ecKeyPair,
  leafExtensions,
  revocationList,
  rsaKey,
  type AuthorityShape,
  type CertificateShape,
  type LeafData,
  type ListShape,
} from './certificates.ts';
import { reportBody, signReport, tcbBytes } from './report.ts';
import type { Product, ReportFields, Tcb } from './report.ts';

export * from './certificates.ts';
export * from './report.ts';

export const CSP_ID = 'CN=cc-test-1.example.com';
export const MEASUREMENT = fixedBytes('snp measurement', 48);

/** Levels that no two components share, so that a wrong order shows. */
export const TCBS: Readonly<Record<Product, Tcb>> = {
  Milan: { bl: 4, tee: 0, snp: 24, ucode: 219 },
  Genoa: { bl: 10, tee: 1, snp: 23, ucode: 84 },
  Turin: { fmc: 2, bl: 3, tee: 1, snp: 4, ucode: 81 },
};

const CPUS: Readonly<Record<Product, readonly [number, number, number]>> = {
  Milan: [0x19, 0x01, 1],
  Genoa: [0x19, 0x11, 1],
  Turin: [0x1a, 0x02, 1],
};

/** Report version that each product's firmware writes. */
const VERSIONS: Readonly<Record<Product, number>> = { Milan: 3, Genoa: 3, Turin: 5 };

export const chipIdOf = (product: Product, name = 'good'): Uint8Array => {
  const chipId = new Uint8Array(64);
  chipId.set(fixedBytes(`chip ${product} ${name}`, product === 'Turin' ? 8 : 64));
  return chipId;
};

/** SMT allowed, the bit that must be one, ABI 0.31. */
export const GUEST_POLICY = 0x3001fn;

export interface SnpChanges {
  readonly key?: 'VCEK' | 'VLEK';
  /** Whose keys sign; another name is another AMD. */
  readonly pki?: string;
  readonly report?: Partial<ReportFields>;
  /** Members of the report that follow from levels. */
  readonly tcb?: Partial<Record<'current' | 'reported' | 'committed' | 'launch', Tcb>>;
  readonly leaf?: Partial<CertificateShape>;
  readonly data?: Partial<LeafData>;
  readonly intermediate?: Partial<AuthorityShape>;
  readonly root?: Partial<AuthorityShape>;
  readonly list?: Partial<ListShape>;
  /** Bytes that are set in the report before it is signed. */
  readonly patch?: readonly (readonly [at: number, ...bytes: number[]])[];
}

export interface SnpEvidence {
  readonly report: Uint8Array;
  /** VCEK or VLEK, then ASK or ASVK. */
  readonly endorsements: readonly [Uint8Array, Uint8Array];
  readonly root: Uint8Array;
  /** The ARK's. */
  readonly revocationList: Uint8Array;
}

/** Everything good, but for `changes`. */
export function makeSnp(product: Product, changes: SnpChanges = {}): SnpEvidence {
  const { key: kind = 'VCEK', pki = 'good' } = changes;
  const rootKey = rsaKey(`${pki} ARK ${product}`);
  const rootName = `ARK-${product}`;
  const issuerName = kind === 'VCEK' ? `SEV-${product}` : `SEV-VLEK-${product}`;
  const issuerKey = rsaKey(`${pki} ${issuerName}`);
  const leafKey = ecKeyPair(`${pki} ${kind} ${product}`);
  const good = TCBS[product];
  const chipId = chipIdOf(product);
  const data: LeafData = {
    structVersion: product === 'Turin' ? 1 : 0,
    productName: product === 'Milan' && kind === 'VCEK' ? 'Milan-B0' : product,
    tcb: good,
    hwId: kind === 'VCEK' ? chipId.subarray(0, product === 'Turin' ? 8 : 64) : undefined,
    cspId: kind === 'VLEK' ? CSP_ID : undefined,
    levels: {},
    ...changes.data,
  };
  const leaf = amdCertificate({
    subject: `SEV-${kind}`,
    issuer: issuerName,
    key: leafKey,
    issuerKey,
    serial: 0,
    notBefore: NOW - HOUR_MS,
    notAfter: NOW + YEAR_MS,
    trailer: false,
    extensions: leafExtensions(data, product),
    ...changes.leaf,
  });
  const root = { subject: rootName, issuer: rootName, key: rootKey, issuerKey: rootKey };
  const levels = { current: good, reported: good, committed: good, launch: good, ...changes.tcb };
  const fields: ReportFields = {
    version: VERSIONS[product],
    guestSvn: 2,
    policy: GUEST_POLICY,
    vmpl: 0,
    signatureAlgorithm: 1,
    platformInfo: 0x25n,
    keyFlags: kind === 'VLEK' ? 4 : 0,
    reportData: new Uint8Array(64),
    measurement: MEASUREMENT,
    hostData: fixedBytes('snp host data', 32),
    idKeyDigest: fixedBytes('snp id key', 48),
    authorKeyDigest: new Uint8Array(48),
    reportIdMa: new Uint8Array(32).fill(0xff),
    current: tcbBytes(levels.current, product),
    reported: tcbBytes(levels.reported, product),
    committed: tcbBytes(levels.committed, product),
    launch: tcbBytes(levels.launch, product),
    cpu: CPUS[product],
    chipId: kind === 'VCEK' ? chipId : new Uint8Array(64),
    currentVersion: [40, 55, 1],
    committedVersion: [40, 55, 1],
    ...changes.report,
  };
  const body = reportBody(fields);
  for (const [at, ...bytes] of changes.patch ?? []) body.set(bytes, at);
  return {
    report: signReport(body, leafKey.privateKey),
    endorsements: [
      leaf,
      authority({
        ...{ subject: issuerName, issuer: rootName, key: issuerKey, issuerKey: rootKey },
        serial: 0x10001,
        ...changes.intermediate,
      }),
    ],
    root: authority({ ...root, serial: 0x10000, ...changes.root }),
    revocationList: revocationList({
      issuer: rootName,
      key: rootKey,
      thisUpdate: NOW - HOUR_MS,
      nextUpdate: NOW + YEAR_MS,
      revoked: [],
      ...changes.list,
    }),
  };
}

const GUIDS = {
  vcek: '63da758de6644564adc5f4b93be8accd',
  vlek: 'a8074bc2a25a483eaae639c045a0b8a1',
  ask: '4ab7b379bbac4fe4a02f05aef327c782',
  ark: 'c0b406a4a803495297433fb6014cd0ae',
  extra: 'ecae0c0f950243b1afa20ae2e0d565b6',
} as const;

/** Role, content, and what its record claims where that is wrong on purpose. */
export interface TableEntry {
  readonly role: keyof typeof GUIDS;
  readonly content: Uint8Array;
  readonly offset?: number;
  readonly length?: number;
}

/** The certificate table of an extended report (56421). */
export function certificateTable(entries: readonly TableEntry[], terminated = true): Uint8Array {
  const records: Uint8Array[] = [];
  let at = 24 * (entries.length + (terminated ? 1 : 0));
  for (const { role, content, offset, length } of entries) {
    const record = Buffer.alloc(24);
    record.set(Buffer.from(GUIDS[role], 'hex'));
    record.writeUInt32LE(offset ?? at, 16);
    record.writeUInt32LE(length ?? content.byteLength, 20);
    records.push(record);
    at += content.byteLength;
  }
  if (terminated) records.push(new Uint8Array(24));
  return Uint8Array.from(Buffer.concat([...records, ...entries.map(({ content }) => content)]));
}
