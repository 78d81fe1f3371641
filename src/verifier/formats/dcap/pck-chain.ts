/** The PCK chain of a quote: certification data of type 5, or what came beside a quote that carries none. */
import { MAX_CHAIN_LENGTH } from '../../../../enclave/wire/limits.ts';
import { MalformedEvidence, decodingAt } from '../../malformed.ts';
import { decodePemChain } from '../../pem.ts';
import { parseCertificate, type Certificate } from '../../../../enclave/wire/x509/certificate.ts';
import { leafFirst } from './intel-chain.ts';
import type { CertificationData } from './quote.ts';

const PLACE = '/certificationData';
const PCK_CHAIN = 5;
const SEQUENCE = 0x30;
const PLAIN_PPID = 1;
const PPID_BYTES = 16;
const CPU_SVN_BYTES = 16;

/** "ECDSA Quote Library API", A.4, table of certification data types. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'PPID in plain text',
  2: 'PPID encrypted with RSA-2048',
  3: 'PPID encrypted with RSA-3072',
  4: 'PCK leaf certificate',
  5: 'PCK certificate chain',
  6: 'QE report',
  7: 'platform manifest',
};

export function describeCertification({ type }: CertificationData): string {
  return `type ${String(type)} (${TYPE_NAMES[type] ?? 'not known'})`;
}

/** Leaf first. Undefined when the certification data is of another type. @throws MalformedEvidence */
export function readPckChain({
  type,
  data,
}: CertificationData): readonly Certificate[] | undefined {
  if (type !== PCK_CHAIN) return undefined;
  return leafFirst(data[0] === SEQUENCE ? readDerChain(data) : readPemChain(data));
}

function readPemChain(data: Uint8Array): Certificate[] {
  try {
    const chain = decodePemChain(new TextDecoder('latin1').decode(data), MAX_CHAIN_LENGTH);
    return chain.map((der, i) => decodingAt(`${PLACE}/${String(i)}`, () => parseCertificate(der)));
  } catch (error) {
    if (error instanceof RangeError) throw new MalformedEvidence(PLACE, error.message);
    throw error;
  }
}

/** One certificate after the other. */
function readDerChain(data: Uint8Array): Certificate[] {
  const chain: Certificate[] = [];
  let rest = data;
  while (rest.byteLength > 0) {
    const place = `${PLACE}/${String(chain.length)}`;
    if (chain.length === MAX_CHAIN_LENGTH) {
      throw new MalformedEvidence(PLACE, `more than ${String(MAX_CHAIN_LENGTH)} certificates`);
    }
    const one = rest.subarray(0, elementLength(rest, place));
    chain.push(decodingAt(place, () => parseCertificate(one)));
    rest = rest.subarray(one.byteLength);
  }
  return chain;
}

/** Of a SEQUENCE with a length of two bytes, which is what every certificate is. */
function elementLength(bytes: Uint8Array, place: string): number {
  const [tag, form, high = 0, low = 0] = bytes;
  const length = 4 + high * 256 + low;
  if (tag !== SEQUENCE || form !== 0x82 || length > bytes.byteLength) {
    throw new MalformedEvidence(place, 'neither PEM nor a certificate in DER');
  }
  return length;
}

/** What certification data of type 1 names the platform by. */
export interface PlainIdentifier {
  readonly ppid: Uint8Array;
  readonly cpuSvn: Uint8Array;
  readonly pceSvn: number;
}

export function readPlainIdentifier({
  type,
  data,
}: CertificationData): PlainIdentifier | undefined {
  if (type !== PLAIN_PPID || data.byteLength !== PPID_BYTES + CPU_SVN_BYTES + 2) return undefined;
  const end = PPID_BYTES + CPU_SVN_BYTES;
  return {
    ppid: data.subarray(0, PPID_BYTES),
    cpuSvn: data.subarray(PPID_BYTES, end),
    pceSvn: (data[end] ?? 0) | ((data[end + 1] ?? 0) << 8),
  };
}
