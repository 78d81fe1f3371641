/**
 * What AMD says in the certificate of a report's signing key: VCEK (57230 ch. 3) or VLEK (58369). The words are
 * believed only when the chain holds.
 */
import { printable } from '../../../../enclave/wire/printable.ts';
import { DerError, DerReader, TAG } from '../../../../enclave/wire/x509/der.ts';
import type { Certificate } from '../../../../enclave/wire/x509/certificate.ts';
import { SHORT_CHIP_ID_BYTES, SNP_PRODUCTS, productOfName, type SnpProduct } from './product.ts';
import { componentsOf, type TcbComponent, type TcbVersion } from './tcb.ts';

/** 57230 ch. 3, 58369: AMD's arc of extensions, none of them critical. */
const ARC = '1.3.6.1.4.1.3704.1';
const OID = {
  structVersion: `${ARC}.1`,
  productName: `${ARC}.2`,
  hwId: `${ARC}.4`,
  cspId: `${ARC}.5`,
} as const;
const LEVEL_OIDS: Readonly<Record<TcbComponent, string>> = {
  fmc: `${ARC}.3.9`,
  bootloader: `${ARC}.3.1`,
  tee: `${ARC}.3.2`,
  snp: `${ARC}.3.3`,
  microcode: `${ARC}.3.8`,
};
/** spl_4 to spl_7 belong to reserved bytes of TCB_VERSION: a level in one is a component that nobody here knows. */
const RESERVED_LEVEL_OIDS = [4, 5, 6, 7].map((number) => `${ARC}.3.${String(number)}`);

/** Structure 0 came with Milan, 1 with Turin. */
const NEWEST_STRUCT_VERSION = 1;
const MAX_LEVEL = 255;
const MAX_TEXT_BYTES = 256;
const MAX_EXTENSION_BYTES = 300;

/** hwID: raw bytes, not DER. As many as the product's CHIP_ID has that are not always zero. */
export const HW_ID_BYTES = {
  Milan: 64,
  Genoa: 64,
  Turin: SHORT_CHIP_ID_BYTES,
} as const satisfies Record<SnpProduct, number>;

/** Subject and issuer, by which the two kinds are told apart. */
const SUBJECTS = { VCEK: 'SEV-VCEK', VLEK: 'SEV-VLEK' } as const;
const ISSUER_PREFIXES = { VCEK: 'SEV-', VLEK: 'SEV-VLEK-' } as const;

export type EndorsementKeyKind = keyof typeof SUBJECTS;

export interface EndorsementKey {
  readonly kind: EndorsementKeyKind;
  readonly product: SnpProduct;
  readonly productName: string;
  readonly tcb: TcbVersion;
  /** Of a VCEK: the chip. */
  readonly hwId: Uint8Array | undefined;
  /** Of a VLEK: the cloud provider that the key was made for. */
  readonly cspId: string | undefined;
}

/** The key's data, or why the certificate is neither a VCEK nor a VLEK. */
export function readEndorsementKey(certificate: Certificate): EndorsementKey | string {
  try {
    return readExtensions(certificate);
  } catch (error) {
    if (error instanceof NotAnEndorsementKey) return error.message;
    if (error instanceof DerError) return `an extension of AMD's is not DER: ${error.problem}`;
    throw error;
  }
}

class NotAnEndorsementKey extends Error {}

function refuse(problem: string): never {
  throw new NotAnEndorsementKey(problem);
}

/** Of the names that AMD writes: organization and the rest first, the common name last. */
export function commonNameOf(text: string): string | undefined {
  return /(?:^|, )CN=([^,=]+)$/.exec(text)?.[1];
}

function readExtensions(certificate: Certificate): EndorsementKey {
  const { extensions } = certificate;
  const open = (oid: string): DerReader =>
    DerReader.open(extensions.get(oid) ?? refuse(`no extension ${oid}`), MAX_EXTENSION_BYTES);
  const integer = (oid: string, max: number): number => {
    const reader = open(oid);
    const value = reader.smallInteger(max);
    reader.end();
    return value;
  };
  const text = (oid: string): string => {
    const reader = open(oid);
    const { content } = reader.element(TAG.ia5String);
    reader.end();
    if (content.byteLength > MAX_TEXT_BYTES) refuse(`extension ${oid} is too long`);
    return printable(new TextDecoder().decode(content));
  };

  integer(OID.structVersion, NEWEST_STRUCT_VERSION);
  const productName = text(OID.productName);
  const product = productOfName(productName) ?? refuse(`product ${productName} is not known here`);
  for (const oid of RESERVED_LEVEL_OIDS) {
    if (extensions.has(oid) && integer(oid, MAX_LEVEL) !== 0) refuse(`a level in ${oid}`);
  }
  const tcb = Object.fromEntries(
    componentsOf(product).map((name) => [name, integer(LEVEL_OIDS[name], MAX_LEVEL)]),
  );
  if (product !== 'Turin' && extensions.has(LEVEL_OIDS.fmc)) refuse(`an FMC level on ${product}`);
  const kind = kindOf(certificate, product);
  const hwId = extensions.get(OID.hwId);
  const hasCspId = extensions.has(OID.cspId);
  if (kind === 'VCEK') {
    if (hwId?.byteLength !== HW_ID_BYTES[product]) refuse('no hwID of the right length');
    if (hasCspId) refuse('a VCEK with a CSP id');
  } else if (hwId !== undefined) refuse('a VLEK with a hwID');
  return {
    kind,
    product,
    productName,
    tcb,
    hwId,
    cspId: kind === 'VLEK' ? text(OID.cspId) : undefined,
  };
}

/** By subject and issuer: an ASK certifies VCEKs, an ASVK VLEKs, and neither the other's. */
function kindOf({ subject, issuer }: Certificate, product: SnpProduct): EndorsementKeyKind {
  const subjectName = commonNameOf(subject.text);
  const issuerName = commonNameOf(issuer.text);
  for (const kind of ['VCEK', 'VLEK'] as const) {
    if (subjectName !== SUBJECTS[kind]) continue;
    const expected = `${ISSUER_PREFIXES[kind]}${product}`;
    return issuerName === expected ? kind : refuse(`a ${kind} that ${expected} did not issue`);
  }
  return refuse('the subject is neither SEV-VCEK nor SEV-VLEK');
}

/** The product whose ASK or ASVK a certificate names as its issuer: where to look, not what to believe. */
export function productOfIssuer({ issuer }: Certificate): SnpProduct | undefined {
  const name = commonNameOf(issuer.text);
  return SNP_PRODUCTS.find((product) =>
    Object.values(ISSUER_PREFIXES).some((prefix) => name === `${prefix}${product}`),
  );
}

/** The product that an ARK stands for, by its name. The ARK is pinned, so its name is not the attester's. */
export function productOfRoot(subjectText: string): SnpProduct | undefined {
  const name = commonNameOf(subjectText);
  return SNP_PRODUCTS.find((product) => name === `ARK-${product}`);
}
