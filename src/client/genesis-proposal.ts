/**
 * A proposed genesis, held against an admin's own reference values before it is approved (docs/spec/genesis.md). Offline:
 * what the admin knows is the reference, and what lies here is manifest, statement and setup evidence.
 */
import { createHash } from 'node:crypto';
import { equalBytes, toHex } from '../../enclave/wire/bytes.ts';
import { genesisDigestInput } from '../../enclave/wire/layouts.ts';
import { PROPOSAL_MS } from '../../enclave/wire/limits.ts';
import { encodeGenesisStatement } from '../../enclave/wire/policy/genesis-statement.ts';
import {
  worstVerdict,
  type AppraisalPolicy,
  type AttestationResult,
  type Check,
  type VerifiedEvidence,
} from '../verifier/index.ts';
import { judgeEvidence } from './attested.ts';
import { judge } from './not-believed.ts';

export interface ProposedGenesis {
  readonly manifest: Uint8Array;
  readonly statement: Uint8Array;
  /** A bundle of setup evidence. */
  readonly evidence: Uint8Array;
}

const NO_NONCE =
  'the cluster id was drawn for this proposal: evidence of an older one approves nothing';

/**
 * `affirming` only when the evidence is what the reference asks for, and statement and manifest are what it proves.
 * Time is that of the evidence, which must not be older than a proposal may get.
 * @throws MalformedEvidence for a bundle that can't be decoded
 */
export async function judgeProposal(
  { manifest, statement, evidence: bundle }: ProposedGenesis,
  policy: AppraisalPolicy,
  now: number,
): Promise<AttestationResult> {
  const judged = await judgeEvidence(bundle, policy, { now, kind: 'setup', noNonce: NO_NONCE });
  const checks = [
    ...judged.result.checks,
    ...proposalChecks(judged.evidence, manifest, statement),
    ageCheck(judged.evidence, now),
  ];
  return { ...judged.result, checks, verdict: worstVerdict(checks) };
}

function proposalChecks(
  { claims, attested }: VerifiedEvidence,
  manifest: Uint8Array,
  statement: Uint8Array,
): Check[] {
  const proposal = claims.kind === 'setup' ? claims.proposal : undefined;
  if (proposal === undefined) {
    const asked = { id: 'proposal', expected: 'a proposed genesis', found: 'none' };
    return [judge(false, asked, 'this enclave has proposed nothing')];
  }
  const digest = createHash('sha256').update(genesisDigestInput(manifest)).digest();
  const { MR0, MR1, MR2 } = attested.registers;
  const { clusterId, genesisDigest, tokenSerial } = proposal;
  const measurements = [MR0, MR1, MR2] as const;
  const wanted = encodeGenesisStatement({ clusterId, genesisDigest, measurements, tokenSerial });
  return [
    judge(
      equalBytes(digest, genesisDigest),
      { id: 'proposal-manifest', expected: toHex(genesisDigest), found: toHex(digest) },
      'the enclave was given another manifest than the one that lies here',
    ),
    judge(
      equalBytes(statement, wanted),
      {
        id: 'proposal-statement',
        expected: 'cluster, manifest, code and token that the evidence proves',
        found: equalBytes(statement, wanted) ? 'these' : 'others',
      },
      'what would be signed is not what the evidence proves',
    ),
  ];
}

function ageCheck({ claims }: VerifiedEvidence, now: number): Check {
  const hours = PROPOSAL_MS / 3_600_000;
  return judge(
    now - claims.issuedAtMs < PROPOSAL_MS,
    {
      id: 'proposal-age',
      expected: `at most ${String(hours)} h`,
      found: `${((now - claims.issuedAtMs) / 3_600_000).toFixed(1)} h`,
    },
    'no enclave takes approvals of a proposal that old',
  );
}
