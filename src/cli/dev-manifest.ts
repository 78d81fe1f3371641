/** The genesis manifest of `dev`: one ring for every algorithm in every residency it can have. */
import { ALGORITHMS } from '../../enclave/wire/algorithm.ts';
import type { AlgorithmName, Residency } from '../../enclave/wire/algorithm.ts';
import { canonicalize } from '../../enclave/wire/signed-json.ts';
import type { SignedJson, SignedJsonObject } from '../../enclave/wire/signed-json.ts';

type PayloadKind = 'message' | 'digest';

function ring(
  name: string,
  algorithm: AlgorithmName,
  residency: Residency,
  kind: PayloadKind,
): SignedJsonObject {
  return {
    name,
    algorithm,
    residency,
    payload: { kind },
    // Plain gRPC clients must work on a laptop; the enclave takes the host's word for who calls.
    lowestRank: 'mtls',
    acceptHostAsserted: 'development on the simulated platform',
  };
}

function messageRings(): SignedJsonObject[] {
  return (Object.keys(ALGORITHMS) as AlgorithmName[]).flatMap((algorithm) =>
    ALGORITHMS[algorithm].residencies.map((residency) =>
      ring(`${algorithm.toLowerCase()}-${residency}`, algorithm, residency, 'message'),
    ),
  );
}

const DIGEST_RINGS = [
  ring('es256-digest-hsm', 'ES256', 'hsm', 'digest'),
  ring('es256-digest-enclave', 'ES256', 'enclave', 'digest'),
] as const;

/** The ring that signs the sample file. */
export const SAMPLE_RING = 'es256-hsm';

export function devPolicy(): SignedJsonObject {
  return { v: 1, kind: 'policy', version: 1, rings: [...messageRings(), ...DIGEST_RINGS] };
}

/** Canonical bytes of the manifest. Throws SignedJsonError for a policy that the profile excludes. */
export function devManifest(policy: SignedJson = devPolicy()): Uint8Array {
  return canonicalize({
    v: 1,
    kind: 'genesis',
    name: 'dev',
    provisioning: 'init-token',
    token: { use: 'uninitialised' },
    policy,
  });
}
