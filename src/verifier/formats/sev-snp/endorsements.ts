/**
 * The certificates of a report, found among the collateral: the key that signed it, the authority over that key, and
 * AMD's revocation list. Where they come from is trusted with nothing.
 */
import { isAnchorCertificate, type TrustAnchor } from '../../trust-anchor.ts';
import { judge, type Check } from '../../check.ts';
import { DerError } from '../../../../enclave/wire/x509/der.ts';
import { MalformedEvidence } from '../../malformed.ts';
import { decodePemChain } from '../../pem.ts';
import type { Collateral } from '../../platform-format.ts';
import {
  parseCertificate,
  type Certificate,
  type CertificateLeniency,
} from '../../../../enclave/wire/x509/certificate.ts';
import { readCertificateTable } from './certificate-table.ts';
import { CLAUSE } from './consistency.ts';
import { productOfIssuer, type EndorsementKeyKind } from './endorsement-key.ts';
import type { SnpProduct } from './product.ts';

/** The host's certificate table, as Linux shows it. */
export const TABLE_FILE = 'auxblob.bin';

/** Each may be DER, or PEM with one certificate or a chain that begins with it. */
export const keyFiles = (kind: EndorsementKeyKind): readonly string[] =>
  ['der', 'pem'].map((ending) => `${kind.toLowerCase()}.${ending}`);

/** ASK or ASVK; in PEM the ARK may follow, as AMD's `cert_chain` has it. */
export const issuerFiles = (kind: EndorsementKeyKind, product: SnpProduct): readonly string[] =>
  ['der', 'pem'].map(
    (ending) => `${kind === 'VCEK' ? 'ask' : 'asvk'}-${product.toLowerCase()}.${ending}`,
  );

export const listFile = (kind: EndorsementKeyKind, product: SnpProduct): string =>
  `${kind.toLowerCase()}-${product.toLowerCase()}.crl`;

/** Key, authority and the ARK: what a chain has at most. */
const LONGEST_CHAIN = 3;

/** Where AMD's certificates leave RFC 5280 and DER. */
const AMD: CertificateLeniency = { zeroSerial: true, paddedKeyUsage: true };

/** What was found, or what is wrong with it. */
export interface FoundChain {
  /** Key first, then its authority; without the root. */
  readonly certificates: readonly Certificate[];
  /** A root that came along: compared with the anchor, and otherwise of no use. */
  readonly sentRoot: Uint8Array | undefined;
  readonly checks: readonly Check[];
}

/** Looks for the key, then for the authority. Files win over the host's table. Never throws. */
export function findChain(given: Collateral, kind: EndorsementKeyKind): FoundChain {
  const table = readTable(given);
  const offered = kind === 'VCEK' ? table.offered?.vcek : table.offered?.vlek;
  const leafChain = readFirst(given, keyFiles(kind)) ?? readOffered(offered) ?? 'missing';
  const key = typeof leafChain === 'string' ? undefined : leafChain[0];
  const keyCheck = readable('endorsement-certificate', `a ${kind} certificate`, leafChain);
  const checks = [...table.checks, keyCheck];
  if (key === undefined || typeof leafChain === 'string') {
    return { certificates: [], sentRoot: undefined, checks };
  }
  const product = productOfIssuer(key);
  const issuers =
    leafChain.length > 1
      ? leafChain.slice(1)
      : ((product === undefined ? undefined : readFirst(given, issuerFiles(kind, product))) ??
        readOffered(table.offered?.intermediate) ??
        'missing');
  const authority = kind === 'VCEK' ? 'an ASK certificate' : 'an ASVK certificate';
  checks.push(readable('issuer-certificate', authority, issuers));
  const [issuer, root, ...more] = typeof issuers === 'string' ? [] : issuers;
  return {
    // What is too many stays in, for the path rules to refuse.
    certificates: [key, ...(issuer === undefined ? [] : [issuer]), ...more],
    sentRoot: root?.raw,
    checks,
  };
}

/** A root beside the evidence must be the anchor itself; its own word counts for nothing. */
export async function sentRootCheck(
  sentRoot: Uint8Array | undefined,
  anchor: TrustAnchor | undefined,
): Promise<readonly Check[]> {
  if (sentRoot === undefined) return [];
  const same = anchor !== undefined && (await isAnchorCertificate(anchor, sentRoot));
  return [
    judge(same, {
      id: 'sent-root',
      expected: anchor?.name ?? 'a trust anchor',
      found: same ? 'the same certificate' : 'another certificate',
      otherwise: 'the root that came along is not the one that is trusted',
      clause: CLAUSE.issuers,
    }),
  ];
}

function readable(id: string, what: string, chain: readonly Certificate[] | string): Check {
  return judge(typeof chain !== 'string', {
    id,
    expected: what,
    found: typeof chain === 'string' ? chain : 'can be read',
    otherwise: 'without it nobody knows whose key signed the report',
    clause: CLAUSE.issuers,
  });
}

interface ReadTable {
  readonly offered: ReturnType<typeof readCertificateTable> | undefined;
  readonly checks: readonly Check[];
}

function readTable(given: Collateral): ReadTable {
  const bytes = given.get(TABLE_FILE);
  if (bytes === undefined) return { offered: undefined, checks: [] };
  const question = {
    id: 'certificate-table',
    expected: 'a certificate table',
    otherwise: 'what the host handed out cannot be told apart',
    clause: CLAUSE.table,
  };
  try {
    const offered = readCertificateTable(bytes);
    return { offered, checks: [judge(true, { ...question, found: 'can be read' })] };
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    return { offered: undefined, checks: [judge(false, { ...question, found: error.problem })] };
  }
}

/** The first of the files that is there; undefined when none is. */
function readFirst(
  given: Collateral,
  names: readonly string[],
): readonly Certificate[] | string | undefined {
  for (const name of names) {
    const bytes = given.get(name);
    if (bytes !== undefined) return readChain(bytes);
  }
  return undefined;
}

function readOffered(der: Uint8Array | undefined): readonly Certificate[] | string | undefined {
  return der === undefined ? undefined : readChain(der);
}

function readChain(bytes: Uint8Array): readonly Certificate[] | string {
  if (bytes.byteLength === 0) return 'empty';
  try {
    const chain =
      bytes[0] === 0x30 ? [bytes] : decodePemChain(new TextDecoder().decode(bytes), LONGEST_CHAIN);
    return chain.map((raw) => parseCertificate(raw, AMD));
  } catch (error) {
    if (error instanceof DerError) return `unreadable: ${error.message}`;
    if (error instanceof RangeError) return `unreadable: ${error.message}`;
    throw error;
  }
}
