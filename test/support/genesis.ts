/** Both steps of a genesis, over whatever carries calls to an enclave; tests play the admins. */
import {
  CommitGenesisRequest,
  CommitGenesisResponse,
  ProposeGenesisRequest,
  ProposeGenesisResponse,
} from '../../enclave/wire/gen/sealwright/v1/genesis.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { SSHSIG_NAMESPACES } from '../../enclave/wire/sshsig.ts';
import type { SshAdmin } from '../../src/simulator/ssh-admin.ts';
import { TEST_ADMIN } from './fakes/callers.ts';

export type Call = (method: string, body: Uint8Array) => Promise<Uint8Array>;

export async function proposeGenesis(
  call: Call,
  manifest: Uint8Array,
): Promise<ProposeGenesisResponse> {
  const body = ProposeGenesisRequest.encode({ manifest }).finish();
  return ProposeGenesisResponse.decode(await call(METHODS.proposeGenesis, body));
}

export function approvedBy(
  admins: readonly SshAdmin[],
  { statement }: Pick<ProposeGenesisResponse, 'statement'>,
): Uint8Array[] {
  return admins.map((admin) => admin.approve(SSHSIG_NAMESPACES.genesis, statement));
}

export async function commitGenesis(
  call: Call,
  clusterId: Uint8Array,
  approvals: readonly Uint8Array[],
): Promise<CommitGenesisResponse> {
  const body = CommitGenesisRequest.encode({ clusterId, approvals: [...approvals] }).finish();
  return CommitGenesisResponse.decode(await call(METHODS.commitGenesis, body));
}

/** Proposes this manifest, approves and commits. */
export async function bearCluster(
  call: Call,
  manifest: Uint8Array,
  admins: readonly SshAdmin[] = [TEST_ADMIN],
): Promise<CommitGenesisResponse> {
  const proposal = await proposeGenesis(call, manifest);
  return commitGenesis(call, proposal.clusterId, approvedBy(admins, proposal));
}
