import { canonicalize, type SignedJson } from '../../enclave/wire/signed-json.ts';

/** Canonical bytes of a manifest (docs/spec/genesis.md). Throws SignedJsonError for a policy that the profile excludes. */
export function genesisManifest(name: string, policy: SignedJson): Uint8Array {
  return canonicalize({
    v: 1,
    kind: 'genesis',
    name,
    provisioning: 'init-token',
    token: { use: 'uninitialised' },
    policy,
  });
}
