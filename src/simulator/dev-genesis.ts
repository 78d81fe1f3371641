/** A genesis in which one program plays every part. On the simulated platform only: nobody verifies anything. */
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { SSHSIG_NAMESPACES } from '../../enclave/wire/sshsig.ts';
import type { SealwrightClient } from '../client/client.ts';
import type { CommitGenesisResponse } from '../gen/sealwright/v1/genesis.ts';
import type { SshAdmin } from './ssh-admin.ts';
import { devPolicy, type DevParties } from './dev-policy.ts';
import { genesisManifest } from '../client/genesis-manifest.ts';

/** `changed` replaces members of the development policy. */
export async function devGenesis(
  client: SealwrightClient,
  parties: DevParties & { readonly admin: SshAdmin },
  changed: SignedJsonObject = {},
): Promise<CommitGenesisResponse> {
  const manifest = genesisManifest('dev', devPolicy(parties, changed));
  const { clusterId, statement } = await client.proposeGenesis(manifest);
  const approval = parties.admin.approve(SSHSIG_NAMESPACES.genesis, statement);
  return client.commitGenesis(clusterId, [approval]);
}
