/**
 * The genesis certificate (docs/spec/genesis.md): what a cluster was born from, and who approved it. That the
 * signatures hold is found out here; whose they should be is for the appraisal policy to say.
 */
import { equalBytes, fromHex, toHex, utf8 } from '../../enclave/wire/bytes.ts';
import type { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { MAX_APPROVALS } from '../../enclave/wire/limits.ts';
import {
  parseGenesisStatement,
  type GenesisStatement,
} from '../../enclave/wire/policy/genesis-statement.ts';
import { sshKeyLine } from '../../enclave/wire/ssh-key.ts';
import { SshError } from '../../enclave/wire/ssh-reader.ts';
import {
  checkSshsig,
  MAX_SSHSIG_BYTES,
  parseSshsig,
  SSHSIG_NAMESPACES,
} from '../../enclave/wire/sshsig.ts';
import { judge, type Check } from './check.ts';
import { decodingAt } from './malformed.ts';
import { SSH_CRYPTO } from './web-crypto.ts';

export interface GenesisCertificate {
  /** As received: its bytes are hashed. */
  readonly manifest: Uint8Array;
  readonly clusterNonce: Uint8Array;
  readonly statement: GenesisStatement;
  /** As received: what was signed. */
  readonly statementBytes: Uint8Array;
  /** SSHSIG in its binary form; parsed when it is checked. */
  readonly approvals: readonly Uint8Array[];
}

const TEXT = /^[^]+$/;
const APPROVAL = new RegExp(`^(?:[0-9a-f]{2}){1,${String(MAX_SSHSIG_BYTES)}}$`);

/** Throws SignedJsonError, or MalformedEvidence for a place in the statement. */
export function readGenesis(reader: ObjectReader): GenesisCertificate {
  const statementBytes = utf8(reader.string('statement', TEXT));
  const genesis = {
    manifest: utf8(reader.string('manifest', TEXT)),
    clusterNonce: reader.hex('clusterNonce', 32),
    statement: decodingAt('/genesis/statement', () => parseGenesisStatement(statementBytes)),
    statementBytes,
    approvals: reader.strings('approvals', APPROVAL, MAX_APPROVALS).map(fromHex),
  };
  reader.end();
  return genesis;
}

/**
 * Keys that approved this genesis, as lines of type and base64, each once; with the checks that say so. An approval
 * that does not hold counts for nobody, and fails its check: no honest enclave keeps one.
 */
export async function checkGenesisCertificate(
  genesis: GenesisCertificate,
  recomputed: { readonly clusterId: Uint8Array; readonly genesisDigest: Uint8Array },
): Promise<{ readonly approvedBy: readonly string[]; readonly checks: readonly Check[] }> {
  const { statement } = genesis;
  const named =
    equalBytes(statement.clusterId, recomputed.clusterId) &&
    equalBytes(statement.genesisDigest, recomputed.genesisDigest);
  const approvedBy: string[] = [];
  const problems: string[] = [];
  for (const [i, approval] of genesis.approvals.entries()) {
    const { key, problem } = await approver(approval, genesis.statementBytes);
    const twice = key !== undefined && approvedBy.includes(key);
    if (key !== undefined && !twice) approvedBy.push(key);
    else problems.push(`approvals/${String(i)}: ${twice ? 'duplicate' : (problem ?? '')}`);
  }
  const found = `${String(approvedBy.length)} by SSH keys of their own`;
  return {
    approvedBy,
    checks: [
      judge(named, {
        id: 'genesis-statement',
        expected: `cluster ${toHex(recomputed.clusterId)}, genesis ${toHex(recomputed.genesisDigest)}`,
        found: `cluster ${toHex(statement.clusterId)}, genesis ${toHex(statement.genesisDigest)}`,
        otherwise: 'what was approved is another genesis',
      }),
      judge(problems.length === 0 && approvedBy.length > 0, {
        id: 'genesis-approvals',
        expected: 'at least one, each by a key of its own, over the genesis statement',
        found: [found, ...problems].join('; '),
        otherwise: 'the genesis certificate is not one that an enclave accepted',
      }),
    ],
  };
}

async function approver(
  approval: Uint8Array,
  statement: Uint8Array,
): Promise<{ readonly key?: string; readonly problem?: string }> {
  try {
    const signature = parseSshsig(approval);
    const holds = await checkSshsig(signature, SSHSIG_NAMESPACES.genesis, statement, SSH_CRYPTO);
    return holds ? { key: sshKeyLine(signature.key) } : { problem: 'signature' };
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    return { problem: error.problem };
  }
}
