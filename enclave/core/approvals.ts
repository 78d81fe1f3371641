/**
 * Who approved a document (docs/spec/admin-statements.md, "Counting"). An approval that does not hold is an error
 * and not a missing one; it is never clear what else is wrong with a bundle that carries one.
 */
import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { equalBytes } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import { MAX_APPROVALS } from '../wire/limits.ts';
import type { SshPublicKey } from '../wire/ssh-key.ts';
import { SshError } from '../wire/ssh-reader.ts';
import {
  checkSshsig,
  parseSshsig,
  type SignatureCrypto,
  type SshsigNamespace,
} from '../wire/sshsig.ts';

/** An admin of a policy. */
export interface Admin {
  readonly name: string;
  readonly key: SshPublicKey;
}

/** What has to be approved, and by whom. */
export interface Demand {
  readonly namespace: SshsigNamespace;
  readonly document: Uint8Array;
  readonly admins: readonly Admin[];
  /** At least so many of `admins`. */
  readonly threshold: number;
  /** Each of these too: admins that a policy brings in. No key of theirs is among those of `admins`. */
  readonly newcomers?: readonly Admin[];
}

/** Names of the admins who approved, in the order of the approvals. Throws Refusal. */
export async function requireApprovals(
  approvals: readonly Uint8Array[],
  demand: Demand,
): Promise<readonly string[]> {
  requireFew(approvals);
  const newcomers = demand.newcomers ?? [];
  const candidates = [...demand.admins, ...newcomers];
  // By key, never by name: a newcomer may bear the name of an admin whose key it replaces.
  const approvers: Admin[] = [];
  for (const [i, approval] of approvals.entries()) {
    const admin = await approver(approval, i, candidates, demand);
    if (approvers.includes(admin)) throw invalid(i, 'duplicate');
    approvers.push(admin);
  }
  const counted = demand.admins.filter((admin) => approvers.includes(admin)).length;
  if (counted < demand.threshold) {
    throw new Refusal('APPROVALS_MISSING', {
      expected: String(demand.threshold),
      actual: String(counted),
    });
  }
  const absent = newcomers.find((admin) => !approvers.includes(admin));
  if (absent !== undefined) throw new Refusal('APPROVALS_MISSING', { expected: absent.name });
  return approvers.map(({ name }) => name);
}

/**
 * One of them holds under the key of one of `admins`, so that somebody stands for the cost of reading the document.
 * Says nothing about the others. Throws Refusal.
 */
export async function requireOneApproval(
  approvals: readonly Uint8Array[],
  demand: Demand,
): Promise<void> {
  requireFew(approvals);
  for (const [i, approval] of approvals.entries()) {
    if (!isOf(demand.admins, approval)) continue;
    await approver(approval, i, demand.admins, demand);
    return;
  }
  const expected = String(demand.threshold);
  throw new Refusal('APPROVALS_MISSING', { expected, actual: '0' });
}

/** Made with the key of one of them, by what it says itself. */
function isOf(admins: readonly Admin[], approval: Uint8Array): boolean {
  try {
    const { key } = parseSshsig(approval);
    return admins.some((admin) => equalBytes(admin.key.blob, key.blob));
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    return false;
  }
}

function requireFew(approvals: readonly Uint8Array[]): void {
  if (approvals.length <= MAX_APPROVALS) return;
  throw new Refusal('APPROVAL_INVALID', {
    field: 'approvals',
    expected: `at most ${String(MAX_APPROVALS)}`,
    actual: String(approvals.length),
  });
}

async function approver(
  approval: Uint8Array,
  index: number,
  candidates: readonly Admin[],
  { namespace, document }: Demand,
): Promise<Admin> {
  let holds: boolean;
  let admin: Admin | undefined;
  try {
    const signature = parseSshsig(approval);
    admin = candidates.find(({ key }) => equalBytes(key.blob, signature.key.blob));
    holds = await checkSshsig(signature, namespace, document, NODE_CRYPTO);
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    throw invalid(index, error.problem);
  }
  if (admin === undefined) throw invalid(index, 'not-an-admin');
  if (!holds) throw invalid(index, 'signature');
  return admin;
}

function invalid(index: number, problem: string): Refusal {
  return new Refusal('APPROVAL_INVALID', { field: `approvals/${String(index)}`, actual: problem });
}

const CURVE_HASHES = { 'P-256': 'sha256', 'P-384': 'sha384' } as const;

/** Node's own crypto for SSH signatures. */
export const NODE_CRYPTO: SignatureCrypto = {
  sha256: (bytes) => hash('sha256', bytes, 'buffer'),
  sha512: (bytes) => hash('sha512', bytes, 'buffer'),
  checkEd25519: (spki, signature, message) => {
    const key = imported(spki);
    return key !== undefined && verify(null, message, key, signature);
  },
  checkEcdsa: (spki, curve, signature, message) => {
    const key = imported(spki);
    if (key === undefined) return false;
    return verify(CURVE_HASHES[curve], message, { key, dsaEncoding: 'ieee-p1363' }, signature);
  },
};

/** Undefined for a point that is not on its curve. */
function imported(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}
