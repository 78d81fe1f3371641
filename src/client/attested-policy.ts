/** The policy in force as evidence names it: the host only carries the document. */
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import { policyDigestInput } from '../../enclave/wire/layouts.ts';
import { webSha256 } from '../tlog/web-crypto.ts';
import type { Attestation, AttestedClient } from './attested.ts';
import { judge, requireAll } from './not-believed.ts';
import type { GetPolicyResponse } from '../gen/sealwright/v1/policy.ts';

/**
 * The last emergency statement that was applied, by the host's word. A lie makes a next one that is never good, or only
 * directly after the one that it names (docs/spec/admin-statements.md).
 */
export interface LastStatement {
  /** 0 when there was none. */
  readonly sequence: number;
  /** SHA-256; 32 zero bytes when there was none. */
  readonly digest: Uint8Array;
}

export interface ProvedPolicy {
  /** RFC 8785 JSON, byte for byte as it was approved. */
  readonly document: Uint8Array;
  readonly digest: Uint8Array;
  readonly untrustedLast: LastStatement;
  readonly attestation: Attestation;
}

/** An honest service puts a new policy into force between two answers; nobody is that unlucky more often. */
const MAX_TRIES = 3;

/** Throws NotBelieved and SignerError. */
export async function provedPolicy(attested: AttestedClient): Promise<ProvedPolicy> {
  for (let tries = 1; ; tries += 1) {
    const attestation = await attested.attest();
    const answer = await attested.service.getPolicy();
    const { document } = answer;
    const digest = await webSha256(policyDigestInput(document));
    const { policyDigest } = attestation.claims;
    const named = equalBytes(digest, policyDigest);
    if (!named && tries < MAX_TRIES) continue;
    const asked = {
      id: 'policy-digest',
      expected: toHex(policyDigest),
      found: toHex(digest),
    };
    requireAll([judge(named, asked, 'this document is not the one that the enclave goes by')]);
    return { document, digest, untrustedLast: lastStatementOf(answer), attestation };
  }
}

/** Throws NotBelieved for what is no digest. */
export function lastStatementOf({ adminSequence, adminDigest }: GetPolicyResponse): LastStatement {
  const asked = {
    id: 'admin-digest',
    expected: '32 bytes',
    found: `${String(adminDigest.length)} bytes`,
  };
  requireAll([judge(adminDigest.length === 32, asked, 'no statement can name this as the last')]);
  return { sequence: Number(adminSequence), digest: adminDigest };
}
