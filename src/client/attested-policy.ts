/** The policy in force as evidence names it: the host only carries the document. */
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import { policyDigestInput } from '../../enclave/wire/layouts.ts';
import { webSha256 } from '../tlog/web-crypto.ts';
import type { Attestation, AttestedClient } from './attested.ts';
import { judge, requireAll } from './not-believed.ts';

export interface ProvedPolicy {
  /** RFC 8785 JSON, byte for byte as it was approved. */
  readonly document: Uint8Array;
  readonly digest: Uint8Array;
  /** The host's word: a wrong one makes the enclave refuse the next statement, and nothing else. */
  readonly untrustedAdminSequence: number;
  readonly attestation: Attestation;
}

/** An honest service puts a new policy into force between two answers; nobody is that unlucky more often. */
const MAX_TRIES = 3;

/** Throws NotBelieved and SignerError. */
export async function provedPolicy(attested: AttestedClient): Promise<ProvedPolicy> {
  for (let tries = 1; ; tries += 1) {
    const attestation = await attested.attest();
    const { document, adminSequence } = await attested.service.getPolicy();
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
    return { document, digest, untrustedAdminSequence: Number(adminSequence), attestation };
  }
}
