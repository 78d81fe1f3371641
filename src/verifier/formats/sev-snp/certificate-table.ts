/**
 * The certificate table that a host hands its guest beside the report (56421 §4.1.8.1, MSG_REPORT_REQ; Linux shows it
 * as `auxblob`): records of a GUID, an offset and a length, closed by a record of zeros. The host fills it in and
 * signs nothing, so it only saves a look-up: roots are never taken from it.
 */
import { toHex } from '../../../../enclave/wire/bytes.ts';
import { MAX_CERTIFICATE_BYTES } from '../../../../enclave/wire/limits.ts';
import { MalformedEvidence } from '../../malformed.ts';
import { decodePemCertificate } from '../../pem.ts';

const RECORD_BYTES = 24;
const GUID_BYTES = 16;

/** Four are defined; hosts may add others. */
const MAX_RECORDS = 16;

/** The GHCB gives the host whole pages, and no host needs more than these. */
const MAX_TABLE_BYTES = 256 * 1024;

/** As the bytes stand in memory (RFC 4122 order). One GUID serves ASK and ASVK. */
const GUIDS: Readonly<Record<string, 'vcek' | 'vlek' | 'intermediate' | 'root'>> = {
  '63da758de6644564adc5f4b93be8accd': 'vcek',
  a8074bc2a25a483eaae639c045a0b8a1: 'vlek',
  '4ab7b379bbac4fe4a02f05aef327c782': 'intermediate',
  c0b406a4a803495297433fb6014cd0ae: 'root',
};
const TERMINATOR = '0'.repeat(2 * GUID_BYTES);

/** DER of what the host offers. Its ARK is left out on purpose. */
export interface OfferedCertificates {
  readonly vcek: Uint8Array | undefined;
  readonly vlek: Uint8Array | undefined;
  /** ASK or ASVK. */
  readonly intermediate: Uint8Array | undefined;
}

/**
 * Reads the table. Records of unknown GUIDs are bounded and passed over.
 * @throws MalformedEvidence for a table that does not end, for a record that reaches outside or into the records, for
 * a GUID that stands twice, and for bytes that are no certificate
 */
export function readCertificateTable(bytes: Uint8Array): OfferedCertificates {
  const fail = (problem: string): never => {
    throw new MalformedEvidence('/', problem);
  };
  if (bytes.byteLength > MAX_TABLE_BYTES) fail('larger than the limit');
  const records = readRecords(bytes, fail);
  const headerBytes = (records.length + 1) * RECORD_BYTES;
  const found = new Map<string, Uint8Array>();
  const seen = new Set<string>();
  for (const { guid, offset, length } of records) {
    const role = GUIDS[guid];
    const name = role ?? guid;
    if (seen.has(guid)) fail(`${name} stands twice`);
    seen.add(guid);
    if (offset < headerBytes) fail(`${name} begins inside the records`);
    if (offset > bytes.byteLength || length > bytes.byteLength - offset) {
      fail(`${name} reaches beyond the end`);
    }
    if (role === undefined || role === 'root') continue;
    found.set(role, readOne(bytes.subarray(offset, offset + length), name, fail));
  }
  return {
    vcek: found.get('vcek'),
    vlek: found.get('vlek'),
    intermediate: found.get('intermediate'),
  };
}

interface TableRecord {
  readonly guid: string;
  readonly offset: number;
  readonly length: number;
}

function readRecords(bytes: Uint8Array, fail: (problem: string) => never): readonly TableRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: TableRecord[] = [];
  for (let at = 0; ; at += RECORD_BYTES) {
    if (at + RECORD_BYTES > bytes.byteLength) return fail('the records do not end');
    const guid = toHex(bytes.subarray(at, at + GUID_BYTES));
    const offset = view.getUint32(at + GUID_BYTES, true);
    const length = view.getUint32(at + GUID_BYTES + 4, true);
    if (guid === TERMINATOR) {
      return offset === 0 && length === 0 ? records : fail('the last record is not empty');
    }
    if (records.length === MAX_RECORDS) return fail('too many records');
    records.push({ guid, offset, length });
  }
}

/** Hosts write DER, as the GHCB specification wants, and some PEM. */
function readOne(bytes: Uint8Array, name: string, fail: (problem: string) => never): Uint8Array {
  if (bytes.byteLength === 0) return fail(`${name} is empty`);
  if (bytes.byteLength > 2 * MAX_CERTIFICATE_BYTES) return fail(`${name} is larger than the limit`);
  if (bytes[0] === 0x30) return Uint8Array.from(bytes);
  try {
    return decodePemCertificate(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof RangeError) return fail(`${name} ${error.message}`);
    throw error;
  }
}
