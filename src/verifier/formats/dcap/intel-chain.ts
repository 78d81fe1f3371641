/** Chains of Intel's certificates: P-256 throughout, and most often with the root among what is sent. */
import { equalBytes } from '../../../../enclave/wire/bytes.ts';
import { checkPath, type PathFindings } from '../../certificate-path.ts';
import { judge } from '../../check.ts';
import { ECDSA_P256_SHA256 } from '../../signature-profile.ts';
import { isAnchorCertificate, type TrustAnchor } from '../../trust-anchor.ts';
import type { Certificate } from '../../../../enclave/wire/x509/certificate.ts';

export interface IntelChain {
  /** Leaf first, without the root. */
  readonly sent: readonly Certificate[];
  /** A root that came along. It is compared with the anchor and not used. */
  readonly root: Certificate | undefined;
}

const isSelfIssued = ({ subject, issuer }: Certificate): boolean =>
  equalBytes(subject.raw, issuer.raw);

/** Intel's services send the leaf first, Intel's sample data has the root first. Nothing else is put in order. */
export function leafFirst(chain: readonly Certificate[]): readonly Certificate[] {
  const first = chain[0];
  return first !== undefined && isSelfIssued(first) ? [...chain].reverse() : chain;
}

export function splitRoot(chain: readonly Certificate[]): IntelChain {
  const last = chain.at(-1);
  return last !== undefined && isSelfIssued(last)
    ? { sent: chain.slice(0, -1), root: last }
    : { sent: chain, root: undefined };
}

export interface ChainQuestion {
  /** Ids of the checks begin with this: `pck-`. */
  readonly prefix: string;
  /** Certificates below the root. */
  readonly length: number;
  readonly clause: string;
}

export async function checkIntelChain(
  { sent, root }: IntelChain,
  anchors: readonly TrustAnchor[],
  { prefix, length, clause }: ChainQuestion,
): Promise<PathFindings> {
  const path = await checkPath(sent, anchors, {
    prefix,
    sent: length,
    signatures: [ECDSA_P256_SHA256],
    leafKey: ECDSA_P256_SHA256,
    clause,
  });
  if (root === undefined) return path;
  const same = path.anchor !== undefined && (await isAnchorCertificate(path.anchor, root.raw));
  const rootCheck = judge(same, {
    id: `${prefix}sent-root`,
    expected: path.anchor?.name ?? 'a trust anchor',
    found: same ? 'the same certificate' : `another certificate, ${root.subject.text}`,
    otherwise: 'the root that came along is not the one that is trusted',
    clause,
  });
  return { ...path, checks: [...path.checks, rootCheck] };
}
