/** The genesis manifest of `dev`. */
import { canonicalize } from '../../enclave/wire/signed-json.ts';
import type { SignedJson } from '../../enclave/wire/signed-json.ts';

/** Canonical bytes of the manifest. Throws SignedJsonError for a policy that the profile excludes. */
export function devManifest(policy: SignedJson): Uint8Array {
  return canonicalize({
    v: 1,
    kind: 'genesis',
    name: 'dev',
    provisioning: 'init-token',
    token: { use: 'uninitialised' },
    policy,
  });
}
