/** The manifest of a new cluster and the identity that follows from it (docs/spec/genesis.md, PROTOCOLS §2, §6). */
import type { PlatformIdentity } from '../ports.ts';
import { MAX_MANIFEST_BYTES } from '../wire/limits.ts';
import { parsePolicy, type Policy } from '../wire/policy/document.ts';
import { clusterIdInput, genesisDigestInput } from '../wire/layouts.ts';
import { parseSignedJson } from '../wire/signed-json.ts';
import { ObjectReader } from '../wire/closed-schema.ts';
import { sha256 } from './kdf.ts';

export interface GenesisManifest {
  readonly name: string;
  readonly provisioning: 'init-token';
  readonly policy: Policy;
}

/** Throws SignedJsonError with the place of the first problem. */
export function parseGenesisManifest(bytes: Uint8Array): GenesisManifest {
  const reader = new ObjectReader(parseSignedJson(bytes, MAX_MANIFEST_BYTES));
  reader.integer('v', 1, 1);
  reader.oneOf('kind', ['genesis']);
  const name = reader.string('name', /^[a-z0-9][a-z0-9-]{0,31}$/);
  const provisioning = reader.oneOf('provisioning', ['init-token']);
  const token = reader.object('token');
  // To wipe an initialised token takes its own SO PIN (PKCS#11 v3.1 §5.5.7), which nobody can bring here yet.
  token.oneOf('use', ['uninitialised']);
  token.end();
  const policy = parsePolicy(reader.object('policy'));
  if (policy.version !== 1) reader.fail('policy/version', 'the first policy has version 1');
  reader.end();
  return { name, provisioning, policy };
}

export function genesisDigest(manifest: Uint8Array): Uint8Array {
  return sha256(genesisDigestInput(manifest));
}

export function clusterIdOf(
  platform: Pick<PlatformIdentity, 'kindNumber' | 'simulated'>,
  digest: Uint8Array,
  clusterNonce: Uint8Array,
  logKey: Uint8Array,
): Uint8Array {
  return sha256(clusterIdInput(platform, digest, clusterNonce, logKey));
}
